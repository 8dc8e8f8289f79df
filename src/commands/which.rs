//! Which cluster a command asks about, and with which key: as the flags say or, if they name a watch, as its resource says.

use serde_json::Value;

use super::{
    error::Error,
    watch::{self, Watch},
};
use crate::cli::{
    ClusterArgs, CredentialArgs,
    credentials::{CredentialSource, SecretName},
};
use crate::cloud::target::{ClusterId, ClusterType, ProjectId, Region, Target};
use crate::kubernetes;

/// The cluster, and where its key comes from. Reads the resource of a watch, and no Secret yet.
pub async fn which(
    cluster: &ClusterArgs,
    credential: &CredentialArgs,
) -> Result<(Target, CredentialArgs), Error> {
    let Some(name) = &cluster.watch else {
        return Ok((cluster.target()?, credential.clone()));
    };
    let client = kubernetes::client().await.map_err(Error::Access)?;
    let namespace = name.namespace(None, client.default_namespace());
    let full_name = format!("{namespace}/{}", name.name);
    match watch::get(&client, namespace, &name.name).await {
        Ok(Some(watch)) => {
            let target = target(&watch).map_err(|why| Error::OddWatch { name: full_name, why })?;
            Ok((target, key(&watch, credential)))
        }
        Ok(None) => Err(Error::NoWatch(full_name)),
        Err(source) => Err(Error::Watch { what: "read", name: full_name, source }),
    }
}

/// The cluster of a watch.
fn target(watch: &Watch) -> Result<Target, String> {
    let spec = &watch.spec;
    let odd = |field: &str, why: &dyn std::fmt::Display| format!("spec.{field}: {why}");
    let cluster_type = spec.cluster_type.clone().map_or(Ok(ClusterType::default()), |cluster_type| {
        serde_json::from_value(Value::String(cluster_type)).map_err(|why| odd("clusterType", &why))
    });
    Ok(Target {
        region: Region::parse(&spec.region).map_err(|why| odd("region", &why))?,
        project_id: ProjectId::parse(&spec.project_id).map_err(|why| odd("projectID", &why))?,
        cluster_id: ClusterId::parse(&spec.cluster_id).map_err(|why| odd("clusterID", &why))?,
        cluster_type: cluster_type?,
    })
}

/// The key that the flags name, else the one that the watch names. To start a backup takes another key than to look at one. A watch
/// without a Secret uses the identity of the operator, in whose place this process has its own.
fn key(watch: &Watch, flags: &CredentialArgs) -> CredentialArgs {
    let is_named = flags.secret.is_some() || flags.credentials != CredentialSource::default();
    let secret = watch.spec.credentials.as_ref().map(|credentials| SecretName {
        namespace: watch.metadata.namespace.clone(),
        name: credentials.secret_ref.name.clone(),
    });
    match secret {
        Some(secret) if !is_named => CredentialArgs { secret: Some(secret), ..flags.clone() },
        _ => flags.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::commands::watch::tests::watch;

    fn spec(mut more: Value) -> Watch {
        let mut spec = json!({
            "region": "cn-north-4", "projectID": "0123456789abcdef0123456789abcdef",
            "clusterID": "11111111-2222-3333-4444-555555555555",
        });
        spec.as_object_mut().unwrap().append(more.as_object_mut().unwrap());
        watch("prod", spec, json!({}))
    }

    #[test]
    fn a_watch_says_which_cluster() {
        let autopilot = target(&spec(json!({ "clusterType": "Autopilot" }))).unwrap();
        assert_eq!(
            (autopilot.region.as_str(), autopilot.cluster_type),
            ("cn-north-4", ClusterType::Autopilot)
        );
        assert_eq!(target(&spec(json!({}))).unwrap().cluster_type, ClusterType::Standard);
        for (field, value) in
            [("region", "../x"), ("projectID", "1"), ("clusterID", ""), ("clusterType", "Turbo")]
        {
            let error = target(&spec(json!({ field: value }))).unwrap_err();
            assert!(error.contains(&format!("spec.{field}")), "{error}");
        }
    }

    #[test]
    fn the_key_is_the_watchs_own_unless_a_flag_names_another() {
        let watch = spec(json!({ "credentials": { "secretRef": { "name": "huawei" } } }));
        let flags = |credentials, secret: Option<&str>| CredentialArgs {
            credentials,
            secret: secret.map(|secret| secret.parse().unwrap()),
        };
        let auto = CredentialSource::Auto;
        let secret =
            |watch: &Watch, flags: &CredentialArgs| key(watch, flags).secret.map(|secret| secret.to_string());
        assert_eq!(secret(&watch, &flags(auto, None)).as_deref(), Some("ns/huawei"));
        assert_eq!(secret(&watch, &flags(auto, Some("ns/backup"))).as_deref(), Some("ns/backup"));
        assert_eq!(secret(&watch, &flags(CredentialSource::Environment, None)), None);
        assert_eq!(secret(&spec(json!({})), &flags(auto, None)), None);
    }
}
