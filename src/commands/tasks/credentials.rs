//! Gets the access key of a command: from a Secret, or as this process's own identity, which is found like the
//! operator's. When to ask again after a failure is left to the caller.

use std::sync::Arc;

use jiff::Timestamp;
use kube::Client as KubeClient;

use crate::cli::credentials::{CredentialArgs, CredentialSource, SecretName};
use crate::cloud::credentials::secret;
use crate::cloud::{
    client::ClientConfig,
    credentials::Credential,
    credentials::{OperatorIdentity, SourceConfig},
    fault::{Fault, FaultKind},
    target::Region,
};
use crate::commands::error::{Error, PollError};
use crate::kubernetes::{self, ApiServer};

/// Hands out the credential of each poll.
pub enum Credentials {
    /// This process's own identity.
    Own(Box<Own>),
    /// A Secret.
    Secret(KubeClient, SecretName),
}

/// This process's own identity.
pub struct Own {
    identity: OperatorIdentity,
    source: CredentialSource,
    /// Whether it ever handed out a credential.
    proven: bool,
}

impl Credentials {
    /// The source that the flags name. Reads no credential yet.
    pub async fn new(args: &CredentialArgs, region: &Region, http: &ClientConfig) -> Result<Self, Error> {
        if let Some(name) = args.secret.clone() {
            let client = kubernetes::client().await?;
            return Ok(Self::Secret(client, name));
        }
        let config = SourceConfig {
            choice: args.credentials.into(),
            request_timeout: http.request_timeout,
            ca_file: http.ca_file.clone(),
            proxy: http.proxy.clone(),
            iam: http.endpoints.iam(region),
            user_agent: http.user_agent.clone(),
            program: http.program,
            ..SourceConfig::default()
        };
        let identity = OperatorIdentity::new(config)?;
        Ok(Self::Own(Box::new(Own { identity, source: args.credentials, proven: false })))
    }

    /// The credential as of now. It is asked for with each poll, because a wait may outlast a temporary one.
    pub async fn get(&mut self) -> Result<Arc<Credential>, PollError> {
        match self {
            Self::Own(own) => own.credential().await,
            Self::Secret(client, name) => of_secret(client, name).await,
        }
    }
}

impl Own {
    async fn credential(&mut self) -> Result<Arc<Credential>, PollError> {
        match self.identity.credential(Timestamp::now()).await {
            Ok(read) => {
                self.proven = true;
                Ok(read.credential)
            }
            // With `auto` there may be no source at all. None will appear while the command runs, so waiting would
            // never end.
            Err(fault) if self.source == CredentialSource::Auto && !self.proven => {
                Err(PollError::NoCredential(fault))
            }
            Err(fault) => Err(fault.into()),
        }
    }
}

async fn of_secret(client: &KubeClient, name: &SecretName) -> Result<Arc<Credential>, PollError> {
    match client.secret(&name.namespace, &name.name).await {
        Ok(read) => Ok(secret::credential(read)?.credential),
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
