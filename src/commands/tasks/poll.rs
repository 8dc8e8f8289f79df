//! One poll: gets the credential, asks for the tasks of the cluster, and returns a report. Repeating it is left to
//! [`super::follow`].

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{
    credentials::Credentials,
    error::Error,
    report::{Builder, Report},
};
use crate::cli::{CloudArgs, CredentialArgs, credentials::SecretName};
use crate::cloud::{
    client::{Client, ClientConfig},
    credentials::Credential,
    fault::Fault,
    other_type::OtherTypes,
    region::Endpoints,
    target::Target,
};

/// Why a poll failed.
#[derive(Debug, thiserror::Error)]
pub enum PollError {
    /// The cloud gave no answer, or there is no credential to ask it with.
    #[error("{}", told(.0))]
    Cloud(#[from] Fault),
    /// No source of a credential is set up, or the one that is does not work.
    #[error("there is no credential (--credentials auto): {}", told(.0))]
    NoCredential(Fault),
    /// Kubernetes did not hand out the Secret.
    #[error("cannot read the Secret {name}: {source}")]
    Kubernetes {
        /// Of `--secret`.
        name: SecretName,
        /// The error of the Kubernetes client.
        source: kube::Error,
    },
}

impl PollError {
    /// Whether trying again changes nothing until a person acts.
    pub fn is_definite(&self) -> bool {
        match self {
            Self::NoCredential(_) => true,
            Self::Cloud(fault) => fault.kind.is_definite(),
            Self::Kubernetes { source: kube::Error::Api(status), .. } => {
                (400..500).contains(&status.code) && status.code != 429
            }
            Self::Kubernetes { .. } => false,
        }
    }

    /// How long the cloud asks to wait before the next request.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Cloud(fault) | Self::NoCredential(fault) => fault.retry_after,
            Self::Kubernetes { .. } => None,
        }
    }

    /// A text that is equal for equal faults, so that a repeated fault is shown once.
    pub fn steady(&self) -> String {
        match self {
            Self::Cloud(fault) | Self::NoCredential(fault) => fault.message.clone(),
            Self::Kubernetes { .. } => self.to_string(),
        }
    }
}

/// The message of a fault with the names of this command's flags, and with the id of the request, which a support case
/// needs. A status has no such id, because it would change with every request.
pub fn told(fault: &Fault) -> String {
    // The message was written for the operator and names its flags.
    let message =
        fault.message.replace("--operator-credentials", "--credentials").replace("the operator's ", "the ");
    let Some(id) = &fault.request_id else { return message };
    let place = match (fault.http_status, &fault.code) {
        (Some(status), Some(code)) => format!("(HTTP {status}, {code})"),
        (Some(status), None) => format!("(HTTP {status})"),
        (None, _) => String::new(),
    };
    match message.split_once(&place) {
        Some((what, advice)) if !place.is_empty() => {
            format!("{what}{}, request {id}){advice}", place.trim_end_matches(')'))
        }
        _ => format!("{message} (request {id})"),
    }
}

/// Polls one cluster.
pub struct Poll {
    client: Client,
    target: Target,
    credentials: Credentials,
    reports: Builder,
    types: OtherTypes,
}

impl Poll {
    /// Sets up the client and the credential's source; sends no request yet.
    pub async fn new(target: Target, credential: &CredentialArgs, cloud: &CloudArgs) -> Result<Self, Error> {
        let config = client_config(cloud)?;
        let credentials = Credentials::new(credential, &target.region, &config).await?;
        Ok(Self {
            client: Client::new(config)?,
            credentials,
            reports: Builder::new(&target),
            target,
            types: OtherTypes::default(),
        })
    }

    /// The client, the cluster and the credential as of now, for another call.
    pub async fn ready(&mut self) -> Result<(&Client, &Target, Arc<Credential>), PollError> {
        let credential = self.credentials.get().await?;
        Ok((&self.client, &self.target, credential))
    }

    /// Polls once.
    pub async fn once(&mut self) -> Result<Report, PollError> {
        let (client, target, credential) = self.ready().await?;
        let now = Timestamp::now();
        match client.list_tasks(target, &credential, now).await {
            Ok(answer) => Ok(self.reports.report(&answer, now)),
            Err(fault) => {
                Err(self.types.explain(&self.client, &self.target, &credential, now, fault).await.into())
            }
        }
    }
}

/// The configuration of the cloud client that the flags give. Reads the file of `--ca-file`.
pub fn client_config(cloud: &CloudArgs) -> Result<ClientConfig, Error> {
    Ok(ClientConfig {
        request_timeout: cloud.request_timeout,
        ca_pem: cloud.ca_file.as_ref().map(std::fs::read).transpose().map_err(Error::CaFile)?,
        proxy: cloud.proxy()?,
        endpoints: Endpoints::new(cloud.region_endpoint.iter().cloned())?,
        ..ClientConfig::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::fault::FaultKind;

    fn fault(status: Option<u16>, code: Option<&str>, id: Option<&str>, message: &str) -> Fault {
        Fault {
            http_status: status,
            code: code.map(str::to_owned),
            request_id: id.map(str::to_owned),
            ..Fault::new(FaultKind::AuthenticationFailed, message)
        }
    }

    #[test]
    fn a_fault_is_told_with_the_id_of_its_request() {
        for (status, code, id, message, told) in [
            (
                Some(401),
                Some("A.1"),
                Some("r"),
                "no (HTTP 401, A.1): do",
                "no (HTTP 401, A.1, request r): do",
            ),
            (Some(502), None, Some("r"), "no (HTTP 502): wait", "no (HTTP 502, request r): wait"),
            (
                Some(200),
                Some("A.1"),
                Some("r"),
                "no list (HTTP 200): do",
                "no list (HTTP 200): do (request r)",
            ),
            (None, None, Some("r"), "no", "no (request r)"),
            (Some(401), Some("A.1"), None, "no (HTTP 401, A.1): do", "no (HTTP 401, A.1): do"),
            (None, None, None, "see the operator's --operator-credentials", "see the --credentials"),
        ] {
            assert_eq!(super::told(&fault(status, code, id, message)), told);
        }
    }
}
