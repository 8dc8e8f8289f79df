//! How the API server is reached: by a kubeconfig (`KUBECONFIG`, `~/.kube/config`) or by the pod's service account. Reads
//! files and makes no request.
//!
//! The API server is reached directly. `HTTPS_PROXY` is meant for other programs, and kube's client would take it for the
//! API server too, whatever `NO_PROXY` says. A kubeconfig that names a proxy itself is refused, since to go past it may be
//! wrong.
//!
//! A kubeconfig holds keys and tokens, so no message here holds text of one.

use std::io::ErrorKind;

use kube::{
    Config,
    client::AuthError,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
    core::Status,
    runtime::watcher,
};

/// Stands in a kubeconfig for "no proxy", because kube's client asks the environment where none is named.
const DIRECT: &str = "http://direct.invalid";

/// Why there is no access to an API server.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// Neither a kubeconfig nor a service account.
    #[error("{0}, and this is no pod with a service account")]
    Nowhere(String),
    /// There is a kubeconfig, and it cannot be used.
    #[error("the kubeconfig cannot be used: {0}")]
    Kubeconfig(String),
    /// The kubeconfig names a proxy.
    #[error(
        "the kubeconfig names a proxy (proxy-url) for its cluster, and the API server is reached directly: use a kubeconfig \
         without one"
    )]
    Proxy,
    /// The client cannot be built, such as for a key that is none.
    #[error("{}", told(.0))]
    Client(#[from] kube::Error),
}

/// The configuration of the client.
pub(super) async fn config() -> Result<Config, AccessError> {
    match kubeconfig() {
        Ok(kubeconfig) => of_kubeconfig(kubeconfig).await,
        Err(Absent::Missing(why)) => Config::incluster().map_err(|_| AccessError::Nowhere(why)),
        Err(Absent::Broken(why)) => Err(AccessError::Kubeconfig(why)),
    }
}

/// Why there is no kubeconfig.
enum Absent {
    /// There is none, or one without a context, such as `/dev/null`: a pod then has its service account.
    Missing(String),
    Broken(String),
}

fn kubeconfig() -> Result<Kubeconfig, Absent> {
    let kubeconfig = Kubeconfig::read().map_err(|error| match &error {
        KubeconfigError::FindPath => Absent::Missing(without_text(&error)),
        KubeconfigError::ReadConfig(cause, _) if cause.kind() == ErrorKind::NotFound => {
            Absent::Missing(without_text(&error))
        }
        _ => Absent::Broken(without_text(&error)),
    })?;
    match kubeconfig.current_context.as_deref() {
        None | Some("") => Err(Absent::Missing("the kubeconfig names no current context".to_owned())),
        Some(_) => Ok(kubeconfig),
    }
}

async fn of_kubeconfig(mut kubeconfig: Kubeconfig) -> Result<Config, AccessError> {
    for cluster in kubeconfig.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
        let own = cluster.proxy_url.take().filter(|url| !url.is_empty());
        cluster.proxy_url = Some(own.unwrap_or_else(|| DIRECT.to_owned()));
    }
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    let mut config = config.map_err(|error| AccessError::Kubeconfig(without_text(&error)))?;
    match config.proxy_url.take() {
        None => Ok(config),
        Some(url) if url.host() == Some("direct.invalid") => Ok(config),
        Some(_) => Err(AccessError::Proxy),
    }
}

/// What is wrong with a kubeconfig. The messages of parsers are left out, for they repeat what they could not parse.
fn without_text(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::Parse(error) => match error.location() {
            Some(place) => {
                format!("line {}, column {} is not what a kubeconfig has there", place.line(), place.column())
            }
            None => "it is no YAML of a kubeconfig".to_owned(),
        },
        KubeconfigError::ParseProxyUrl(_) => "its proxy-url is no URL".to_owned(),
        KubeconfigError::LoadCertificateAuthority(_) => {
            "its certificate-authority cannot be read, or is no base64".to_owned()
        }
        KubeconfigError::LoadClientCertificate(_) => {
            "its client-certificate cannot be read, or is no base64".to_owned()
        }
        KubeconfigError::LoadClientKey(_) => "its client-key cannot be read, or is no base64".to_owned(),
        KubeconfigError::ParseCertificates(_) => "its certificate-authority is no PEM".to_owned(),
        // These name a context, a path, or nothing.
        other => other.to_string(),
    }
}

/// The reason that kube's client gives an answer which is no `Status`.
const NO_STATUS: &str = "Failed to parse error data";

/// The message of an error of kube's client, for a log too. It leaves out what may be secret: the output of a command that gives a
/// credential, an answer that could not be decoded, the URL of a proxy.
pub fn told(error: &kube::Error) -> String {
    if let Some(auth) = auth_error(error) {
        return auth_told(auth);
    }
    match error {
        kube::Error::Api(status) => status_told(status),
        kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => {
            "the API server's answer is not what was asked for".to_owned()
        }
        kube::Error::ProxyProtocolUnsupported { .. } | kube::Error::ProxyProtocolDisabled { .. } => {
            AccessError::Proxy.to_string()
        }
        kube::Error::Service(cause) => chain(cause.as_ref()),
        kube::Error::HyperError(cause) => chain(cause),
        other => other.to_string(),
    }
}

/// The message of an error of a watch, in the same way.
pub fn told_of_watch(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error) => format!("cannot list: {}", told(error)),
        watcher::Error::WatchStartFailed(error) => format!("cannot watch: {}", told(error)),
        watcher::Error::WatchFailed(error) => format!("the watch broke off: {}", told(error)),
        watcher::Error::WatchError(status) => format!("the watch was ended: {}", status_told(status)),
        watcher::Error::NoResourceVersion => error.to_string(),
    }
}

/// What the API server says of a request. kube's client makes a status of any other answer that has a code, such as the page of a
/// proxy.
fn status_told(status: &Status) -> String {
    if status.message.is_empty() || status.reason == NO_STATUS {
        return format!("the API server, or what stands before it, refuses (HTTP {})", status.code);
    }
    format!("{} (HTTP {})", status.message, status.code)
}

fn auth_told(error: &AuthError) -> String {
    match error {
        AuthError::AuthExecRun { out, .. } => {
            format!("the command of the kubeconfig that gives a credential failed ({})", out.status)
        }
        AuthError::AuthExecStart(cause) => {
            format!("the command of the kubeconfig that gives a credential does not start: {cause}")
        }
        AuthError::ReadTokenFile(cause, path) => {
            format!("cannot read the token file {}: {cause}", path.display())
        }
        _ => "the credential of the kubeconfig, or the command that gives it, cannot be used".to_owned(),
    }
}

fn auth_error(error: &kube::Error) -> Option<&AuthError> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(auth) = error.downcast_ref::<AuthError>() {
            return Some(auth);
        }
        next = match error.downcast_ref::<kube::Error>() {
            Some(kube::Error::Service(cause)) => Some(cause.as_ref()),
            _ => error.source(),
        };
    }
    None
}

/// An error of the connection with its causes, each of which says more.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let (mut text, mut next) = (error.to_string(), error.source());
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// What kube's client says when a token is due and the command that gives it fails.
    fn failed() -> kube::Error {
        let out = Command::new("sh").args(["-c", "echo canary; echo canary >&2; exit 1"]).output().unwrap();
        assert_eq!(out.stdout, b"canary\n");
        kube::Error::Auth(AuthError::AuthExecRun { cmd: "sh".to_owned(), out: Box::new(out) })
    }

    #[test]
    fn what_a_command_of_the_kubeconfig_prints_is_in_no_message_and_no_log() {
        for said in [
            told(&failed()),
            told(&kube::Error::Service(failed().into())),
            told_of_watch(&watcher::Error::InitialListFailed(failed())),
            told_of_watch(&watcher::Error::WatchStartFailed(failed())),
            told_of_watch(&watcher::Error::WatchFailed(failed())),
            crate::controller::error::Error::from(failed()).to_string(),
        ] {
            assert!(said.contains("the command of the kubeconfig") && !said.contains("canary"), "{said}");
        }
    }
}
