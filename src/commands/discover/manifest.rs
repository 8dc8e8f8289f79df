//! Builds the manifest of a cluster's watch, and the text of all manifests. Pure: the same clusters give the same
//! bytes.

use serde_json::{Map, Value, json};

use super::{listed::ListedCluster, template::Template};
use crate::api::{API_VERSION, DISPLAY_NAME, KIND};
use crate::cli::{UsageError, credentials::SecretName, discover::DiscoverOutput};
use crate::cloud::clusters::Cluster;
use crate::commands::error::Error;
use crate::kubernetes;

/// The cluster's version when the manifest was made, for people.
pub const CLUSTER_VERSION: &str = "cce.backupwatch.io/cluster-version";

/// What every manifest of a run has in common.
#[derive(Clone, Debug, Default)]
pub struct Common {
    /// Of `--template`.
    pub template: Template,
    /// Of `--namespace`.
    pub namespace: Option<String>,
    /// Of `--secret-name`.
    pub secret_name: Option<String>,
    /// Of `--region`.
    pub region: String,
}

impl Common {
    /// The namespace of the watches, if they name one.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref().or_else(|| self.template.metadata.get("namespace")?.as_str())
    }

    /// The Secret that the watches name.
    fn secret_name(&self) -> Option<&str> {
        let in_template = || self.template.spec.get("credentials")?.pointer("/secretRef/name")?.as_str();
        self.secret_name.as_deref().or_else(in_template)
    }

    /// Whether the watches name a key of their own.
    pub fn names_a_key(&self) -> bool {
        self.secret_name().is_some()
    }

    /// The Secret that the watches name, in the namespace into which they will be put.
    pub async fn secret(&self) -> Result<SecretName, Error> {
        let Some(name) = self.secret_name() else {
            return Err(UsageError::new(
                "--check needs --secret-name, or a template that names a Secret: the operator's own identity cannot be tried \
                 from here",
            )
            .into());
        };
        let namespace = match self.namespace() {
            Some(namespace) => namespace.to_owned(),
            None => kubernetes::client().await.map_err(Error::Access)?.default_namespace().to_owned(),
        };
        Ok(SecretName { namespace, name: name.to_owned() })
    }

    /// The manifest of one cluster's watch.
    pub fn manifest(&self, name: &str, found: &ListedCluster) -> Value {
        let mut metadata = self.template.metadata.clone();
        metadata.insert("name".to_owned(), json!(name));
        if let Some(namespace) = &self.namespace {
            metadata.insert("namespace".to_owned(), json!(namespace));
        }
        let own = [
            (DISPLAY_NAME, display_name(name, &found.cluster)),
            (CLUSTER_VERSION, found.cluster.version.clone()),
        ];
        let own: Vec<_> = own.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
        if !own.is_empty() {
            let annotations = metadata.entry("annotations").or_insert_with(|| Value::Object(Map::new()));
            for (key, value) in own {
                annotations[key] = json!(value);
            }
        }
        let mut spec = self.template.spec.clone();
        spec.insert("region".to_owned(), json!(self.region));
        spec.insert("projectID".to_owned(), json!(found.project.as_str()));
        spec.insert("clusterID".to_owned(), json!(found.cluster.uid.as_str()));
        spec.insert("clusterType".to_owned(), json!(found.cluster.cluster_type));
        if let Some(name) = &self.secret_name {
            spec.insert("credentials".to_owned(), json!({ "secretRef": { "name": name } }));
        }
        json!({ "apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec })
    }
}

/// The name by which people know the cluster, if the name of the watch does not say it: its alias, and its own name where that had to
/// be changed to be one of Kubernetes.
fn display_name(watch: &str, cluster: &Cluster) -> Option<String> {
    let differs = |name: &&String| *name != watch;
    let (name, alias) = (cluster.name.as_ref().filter(differs), cluster.alias.as_ref().filter(differs));
    match (alias, name) {
        (Some(alias), Some(name)) if alias != name => Some(format!("{alias} ({name})")),
        (alias, name) => alias.or(name).cloned(),
    }
}

/// The manifests as text, which is empty if there are none.
pub fn text(manifests: &[Value], output: DiscoverOutput) -> Result<String, Error> {
    if manifests.is_empty() {
        return Ok(String::new());
    }
    if output == DiscoverOutput::Json {
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": manifests });
        let text = serde_json::to_string_pretty(&list).map_err(|error| Error::Encode(error.to_string()))?;
        return Ok(format!("{text}\n"));
    }
    let documents: Result<Vec<_>, _> = manifests.iter().map(serde_saphyr::to_string).collect();
    let documents = documents.map_err(|error| Error::Encode(error.to_string()))?;
    Ok(documents.join("---\n"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::commands::discover::listed::tests::found;

    fn common() -> Common {
        Common { region: "cn-north-4".to_owned(), ..Common::default() }
    }

    #[test]
    fn a_manifest_names_the_cluster_and_nothing_that_is_a_default() {
        let text = text(&[common().manifest("prod", &found(1, "prod"))], DiscoverOutput::Yaml).unwrap();
        let expected = "\
apiVersion: cce.backupwatch.io/v1alpha1
kind: ClusterBackupWatch
metadata:
  name: prod
spec:
  clusterID: 00000001-2222-3333-4444-555555555555
  clusterType: Standard
  projectID: 0123456789abcdef0123456789abcdef
  region: cn-north-4
";
        assert_eq!(text, expected);
    }

    #[test]
    fn flags_outrank_the_template_and_the_cluster_outranks_both() {
        let spec = json!({"clusterID": "x", "credentials": {"secretRef": {"name": "t"}}, "maxAge": "26h"});
        let metadata = json!({"labels": {"a": "b"}, "annotations": {"c": "d"}, "namespace": "t"});
        let object = |value: Value| value.as_object().unwrap().clone();
        let mut common =
            Common { template: Template { metadata: object(metadata), spec: object(spec) }, ..common() };
        assert_eq!(common.namespace(), Some("t"));
        common.namespace = Some("n".to_owned());
        common.secret_name = Some("s".to_owned());
        let mut found = found(1, "prod");
        found.cluster.alias = Some("生产".to_owned());
        found.cluster.version = Some("v1.30".to_owned());
        let manifest = common.manifest("prod", &found);
        assert_eq!(
            manifest["metadata"],
            json!({"name": "prod", "namespace": "n", "labels": {"a": "b"}, "annotations": {
                "c": "d", DISPLAY_NAME: "生产", CLUSTER_VERSION: "v1.30"}})
        );
        assert_eq!(manifest["spec"]["credentials"]["secretRef"]["name"], "s");
        assert_eq!(
            (&manifest["spec"]["maxAge"], &manifest["spec"]["clusterID"]),
            (&"26h".into(), &found.cluster.uid.as_str().into())
        );
    }

    #[test]
    fn the_name_that_people_know_is_kept_where_the_watch_does_not_say_it() {
        for (watch, name, alias, kept) in [
            ("prod", "prod", None, None),
            ("prod", "prod", Some("prod"), None),
            ("prod", "prod", Some("生产"), Some("生产")),
            ("cluster-00000004", "测试集群", None, Some("测试集群")),
            ("cluster-00000004", "测试集群", Some("测试集群"), Some("测试集群")),
            ("prod-eu-1", "Prod_EU.1", Some("生产"), Some("生产 (Prod_EU.1)")),
            ("prod-00000001", "prod", Some("prod-00000001"), Some("prod")),
        ] {
            let mut found = found(1, name);
            found.cluster.alias = alias.map(str::to_owned);
            let manifest = common().manifest(watch, &found);
            let annotation = manifest["metadata"]["annotations"][DISPLAY_NAME].as_str();
            assert_eq!(annotation, kept, "{watch} {name} {alias:?}");
        }
    }

    #[test]
    fn none_print_nothing() {
        for output in [DiscoverOutput::Yaml, DiscoverOutput::Json] {
            assert_eq!(text(&[], output).unwrap(), "");
        }
    }

    #[test]
    fn a_name_that_yaml_takes_for_something_else_is_quoted() {
        // Parsers of YAML 1.1, kubectl's among them, take such a word for a boolean, a number or null.
        for name in
            ["y", "n", "no", "on", "off", "yes", "true", "null", "1", "1e10", "0777", "0x1f", "1_000", "0o7"]
        {
            let yaml = text(&[common().manifest(name, &found(1, name))], DiscoverOutput::Yaml).unwrap();
            let quoted = [format!("name: \"{name}\"\n"), format!("name: '{name}'\n")];
            assert!(quoted.iter().any(|quoted| yaml.contains(quoted)), "{yaml}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_cluster_is_called_the_text_reads_back_the_same(alias in any::<String>(), version in any::<String>()) {
            let mut found = found(1, "prod");
            found.cluster.alias = Some(crate::cloud::text::clean(&alias, 256));
            found.cluster.version = Some(crate::cloud::text::clean(&version, 64));
            let manifests = [common().manifest("a", &found), common().manifest("b", &found)];
            let yaml = text(&manifests, DiscoverOutput::Yaml).unwrap();
            let read: Vec<Value> = serde_saphyr::from_multiple(&yaml).unwrap();
            prop_assert_eq!(&read[..], &manifests[..]);
            let json: Value = serde_json::from_str(&text(&manifests, DiscoverOutput::Json).unwrap()).unwrap();
            prop_assert_eq!(json["items"].as_array().unwrap().as_slice(), &manifests[..]);
        }
    }
}
