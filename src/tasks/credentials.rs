//! Where the access key of `cce-backup-watch tasks` comes from: this process's own identity, or a Secret.

use std::sync::Arc;

use clap::ValueEnum;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client as KubeClient};

use super::{
    args::{SecretName, TasksArgs},
    error::Error,
    poll::PollError,
};
use crate::cloud::{
    credential::Credential,
    fault::{Fault, FaultKind},
};
use crate::watch::secrets;

/// Which identity of this process to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum CredentialSource {
    /// The first of the others that is set up.
    #[default]
    Auto,
    /// The variables of Huawei's SDKs.
    Environment,
}

/// Hands out the credential of each poll.
pub enum Credentials {
    /// This process's own identity.
    Own(CredentialSource),
    /// A Secret.
    Secret(Box<Api<Secret>>, SecretName),
}

impl Credentials {
    /// As the flags say. Nothing is read yet.
    pub async fn new(args: &TasksArgs) -> Result<Self, Error> {
        let Some(name) = args.secret.clone() else { return Ok(Self::Own(args.credentials)) };
        let client = KubeClient::try_default().await.map_err(Error::Access)?;
        Ok(Self::Secret(Box::new(Api::namespaced(client, &name.namespace)), name))
    }

    /// The credential as it is now: a wait may outlast a temporary one.
    pub async fn get(&self) -> Result<Arc<Credential>, PollError> {
        match self {
            Self::Own(_) => environment().map(Arc::new).map_err(PollError::Cloud),
            Self::Secret(api, name) => secret(api, name).await,
        }
    }
}

async fn secret(api: &Api<Secret>, name: &SecretName) -> Result<Arc<Credential>, PollError> {
    match api.get(&name.name).await {
        Ok(secret) => Ok(secrets::credential(secret).map(|(credential, _)| credential)?),
        Err(kube::Error::Api(status)) if status.code == 404 => Err(Fault::new(
            FaultKind::SecretNotFound,
            format!(
                "there is no Secret {name} in the cluster of the current kubeconfig: check --secret and the context"
            ),
        )
        .into()),
        Err(kube::Error::Api(status)) if status.code == 403 => Err(Fault::new(
            FaultKind::SecretNotFound,
            format!(
                "the user of the current kubeconfig may not read the Secret {name}: allow it to get that Secret"
            ),
        )
        .into()),
        Err(source) => Err(PollError::Kubernetes { name: name.clone(), source }),
    }
}

fn environment() -> Result<Credential, Fault> {
    let read =
        |names: &[&str]| names.iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    let (Some(ak), Some(sk)) =
        (read(&["HUAWEICLOUD_SDK_AK", "CLOUD_SDK_AK"]), read(&["HUAWEICLOUD_SDK_SK", "CLOUD_SDK_SK"]))
    else {
        return Err(Fault::new(
            FaultKind::CredentialsNotAllowed,
            "set HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK",
        ));
    };
    let token = read(&["HUAWEICLOUD_SDK_SECURITY_TOKEN"]);
    Credential::new(&ak, &sk, token.as_deref())
        .map_err(|e| Fault::new(FaultKind::SecretInvalid, e.to_string()))
}
