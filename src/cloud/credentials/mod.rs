//! Credentials: what one is, how a Secret holds it ([`secret`]), and the operator's own identity, which is used when a
//! watch names no Secret.
//!
//! One source is chosen, in a fixed order. Its failure is reported and no other source is tried, because the operator
//! must not switch to another account when the first source fails for a moment. Which namespaces the identity serves is
//! left to `controller::identity`.

mod by_region;
mod credential;
mod environment;
mod issued;
mod metadata;
mod oidc;
mod pod_identity;
mod renew;
pub mod secret;

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{
    connections::{Connections, Settings},
    fault::{Fault, FaultKind, Program},
    http::HttpError,
    proxy::Proxy,
    region::GLOBAL_IAM,
};
pub use by_region::OperatorIdentities;
pub use credential::*;
use renew::{Fetched, Renewing};

/// Which identity the operator itself has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum OperatorCredentials {
    /// The first of the following that is set up.
    #[default]
    Auto,
    /// `HUAWEICLOUD_SDK_AK`, `HUAWEICLOUD_SDK_SK` and `HUAWEICLOUD_SDK_SECURITY_TOKEN`, or `CLOUD_SDK_AK` and `CLOUD_SDK_SK`.
    Environment,
    /// CCE pod identity, by `HC_CONTAINER_CREDENTIALS_FULL_URI`.
    PodIdentity,
    /// OIDC federation, by `HUAWEICLOUD_SDK_IDP_ID` and `HUAWEICLOUD_SDK_ID_TOKEN_FILE`.
    Oidc,
    /// The agency of the ECS the operator runs on, by its metadata service.
    Metadata,
    /// None at all: every watch needs a Secret.
    None,
}

/// Reads environment variables. One that is empty or white space counts as not set.
#[derive(Clone)]
pub struct Environment(Arc<Variables>);

type Variables = dyn Fn(&str) -> Option<String> + Send + Sync;

impl Environment {
    /// Variables that a function looks up, for tests.
    pub fn new(read: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// The variables of this process.
    pub fn of_process() -> Self {
        Self::new(|name| std::env::var(name).ok())
    }

    fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).map(|value| credential::trimmed(&value).to_owned()).filter(|value| !value.is_empty())
    }

    /// A variable that a source cannot do without.
    fn need(&self, name: &str, what: &str) -> Result<String, Fault> {
        self.get(name)
            .ok_or_else(|| Fault::new(FaultKind::SecretInvalid, format!("{name} is not set: it {what}")))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")
    }
}

/// The settings of the operator's own identity.
#[derive(Clone, Debug)]
pub struct SourceConfig {
    /// The source.
    pub choice: OperatorCredentials,
    /// Where the sources read their variables, with each fetch.
    pub environment: Environment,
    /// For one request to IAM or to the pod identity agent; the metadata service has 3 s.
    pub request_timeout: Duration,
    /// A file of PEM certificates to trust besides the system's. It is read again when it changes.
    pub ca_file: Option<PathBuf>,
    /// The proxy for requests to IAM, if any.
    pub proxy: Option<Proxy>,
    /// IAM's base URL, unless `HUAWEICLOUD_SDK_IAM_ENDPOINT` names another; [`OperatorIdentities`] uses a region's own.
    pub iam: String,
    /// Sent with each request.
    pub user_agent: String,
    /// Who asks, for the advice in messages.
    pub program: Program,
}

impl Default for SourceConfig {
    fn default() -> Self {
        let Settings { request_timeout, ca_file, proxy, user_agent } = Settings::default();
        Self {
            choice: OperatorCredentials::Auto,
            environment: Environment::of_process(),
            request_timeout,
            ca_file,
            proxy,
            iam: GLOBAL_IAM.to_owned(),
            user_agent,
            program: Program::default(),
        }
    }
}

/// The operator's identity: hands out its credential and renews it in time.
#[derive(Debug)]
pub struct OperatorIdentity {
    choice: OperatorCredentials,
    environment: Environment,
    program: Program,
    connections: Connections,
    iam: String,
    metadata: String,
    renewing: Renewing,
}

impl OperatorIdentity {
    /// Needs a rustls crypto provider installed in the process. Sends no request yet.
    pub fn new(config: SourceConfig) -> Result<Self, HttpError> {
        Self::with_metadata_url(config, metadata::URL)
    }

    /// The same with another address of the metadata service, for tests: the real one is fixed by the platform.
    pub fn with_metadata_url(config: SourceConfig, metadata: &str) -> Result<Self, HttpError> {
        let SourceConfig { request_timeout, ca_file, proxy, user_agent, .. } = config;
        Ok(Self {
            connections: Connections::new(Settings { request_timeout, ca_file, proxy, user_agent })?,
            program: config.program,
            choice: config.choice,
            environment: config.environment,
            iam: config.iam,
            metadata: metadata.to_owned(),
            renewing: Renewing::default(),
        })
    }

    /// The resolved credential to use now; a changed credential has another id.
    ///
    /// A temporary credential is renewed well before it expires. The first caller fetches, and all others get the old
    /// credential meanwhile; if the renewal fails, the old one is used until it expires.
    pub async fn credential(&self, now: Timestamp) -> Result<ResolvedCredential, Fault> {
        self.renewing.get(now, self.fetch()).await
    }

    /// The cached credential while it is valid, and whether it is due for renewal. Sends no request.
    pub fn held(&self, now: Timestamp) -> Option<(ResolvedCredential, bool)> {
        self.renewing.held(now)
    }

    /// The same identity at another IAM.
    fn at(&self, iam: &str) -> Self {
        Self {
            program: self.program,
            choice: self.choice,
            environment: self.environment.clone(),
            connections: self.connections.clone(),
            iam: iam.to_owned(),
            metadata: self.metadata.clone(),
            renewing: Renewing::at(iam),
        }
    }

    /// Whether the credential comes from the IAM that this identity was given.
    fn depends_on_iam(&self) -> bool {
        let environment = &self.environment;
        let federated = match self.choice {
            OperatorCredentials::Oidc => true,
            OperatorCredentials::Auto => {
                !environment::is_set_up(environment)
                    && !pod_identity::is_set_up(environment)
                    && oidc::is_set_up(environment)
            }
            _ => false,
        };
        federated && !oidc::names_iam(environment)
    }

    /// Call this when the cloud refused a credential: it may have been revoked, so it is soon fetched anew.
    pub fn refused(&self, identity: &CredentialId, now: Timestamp) {
        self.renewing.refused(identity, now);
    }

    async fn fetch(&self) -> Result<Fetched, Fault> {
        let (http, environment, program) = (&self.connections.client(), &self.environment, self.program);
        match self.source() {
            OperatorCredentials::Environment => environment::fetch(environment),
            OperatorCredentials::PodIdentity => pod_identity::fetch(http, environment, program).await,
            OperatorCredentials::Oidc => oidc::fetch(http, environment, &self.iam, program).await,
            OperatorCredentials::Metadata => metadata::fetch(http, &self.metadata, program).await,
            OperatorCredentials::Auto => {
                metadata::fetch(http, &self.metadata, program).await.map_err(|fault| Fault {
                    message: Fault::new(
                        fault.kind,
                        format!(
                            "no credential is set in the environment (HUAWEICLOUD_SDK_AK, HUAWEICLOUD_SDK_SK), and {fault}"
                        ),
                    )
                    .message,
                    ..fault
                })
            }
            OperatorCredentials::None => Err(Fault::new(
                FaultKind::CredentialsNotAllowed,
                "the operator has no credential of its own: name a Secret in spec.credentials.secretRef",
            )),
        }
    }

    /// The first source that is set up, where the choice is left open; or still open, where none is.
    fn source(&self) -> OperatorCredentials {
        match self.choice {
            OperatorCredentials::Auto if environment::is_set_up(&self.environment) => {
                OperatorCredentials::Environment
            }
            OperatorCredentials::Auto if pod_identity::is_set_up(&self.environment) => {
                OperatorCredentials::PodIdentity
            }
            OperatorCredentials::Auto if oidc::is_set_up(&self.environment) => OperatorCredentials::Oidc,
            choice => choice,
        }
    }
}
