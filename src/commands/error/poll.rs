//! Why a poll of the cloud failed, and what follows from it: whether to try again, after how long, and what to say.

use std::time::Duration;

use crate::cli::credentials::SecretName;
use crate::cloud::fault::{Fault, FaultKind};
use crate::kubernetes;

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
    #[error("cannot read the Secret {name}: {}", kubernetes::told(source))]
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

    /// How long to wait before the next request: as long as the cloud asks. Most answers to a throttled account do not say
    /// so, and its limit is counted by the minute.
    pub fn retry_after(&self) -> Option<Duration> {
        const WINDOW: Duration = Duration::from_mins(1);
        match self {
            Self::Cloud(fault) | Self::NoCredential(fault) => {
                fault.retry_after.or((fault.kind == FaultKind::Throttled).then_some(WINDOW))
            }
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

/// The message of a fault with the id of the request, which a support case needs. A status has no such id, because it
/// would change with every request.
pub fn told(fault: &Fault) -> String {
    let message = fault.message.clone();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(status: Option<u16>, code: Option<&str>, id: Option<&str>, message: &str) -> Fault {
        Fault {
            http_status: status,
            code: code.map(str::to_owned),
            request_id: id.map(str::to_owned),
            ..Fault::new(FaultKind::AuthenticationFailed, message)
        }
    }

    #[test]
    fn a_throttled_account_rests_for_a_minute_unless_the_cloud_says_how_long() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        for (kind, asked, waits) in [
            (FaultKind::Throttled, None, seconds(60)),
            (FaultKind::Throttled, seconds(57), seconds(57)),
            (FaultKind::CloudUnavailable, None, None),
            (FaultKind::CloudUnavailable, seconds(3), seconds(3)),
        ] {
            let fault = Fault { retry_after: asked, ..Fault::new(kind, "no") };
            assert_eq!(PollError::from(fault).retry_after(), waits, "{kind} {asked:?}");
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
            (None, None, None, "no", "no"),
        ] {
            assert_eq!(super::told(&fault(status, code, id, message)), told);
        }
    }
}
