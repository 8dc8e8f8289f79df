//! Why a call to the cloud failed, as one of the reasons that a resource can show.
//!
//! A fault is a result of polling, not a failure of the operator. Its message says what to do, and is the same for each
//! failure of the same kind: it becomes the message of a condition, which is written only when it changes.
//! [`super::refusal`] makes the faults of answers, [`super::http`] those of the transport.

use std::{fmt, time::Duration};

use super::text::clean;
use crate::api::Reason;

/// Why a poll failed. The first three may pass by themselves; the others need somebody to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FaultKind {
    /// The account's requests are throttled.
    Throttled,
    /// A fault of the cloud's, a time-out, no connection, or a refused certificate.
    CloudUnavailable,
    /// An answer that is not what the API promises.
    InvalidResponse,
    /// A bad key, signature or token. Huawei locks an access key for minutes after five of these.
    AuthenticationFailed,
    /// The credential may not read this cluster.
    PermissionDenied,
    /// No such cluster.
    ClusterNotFound,
    /// The cloud will not take this request, however often it is sent.
    RequestRejected,
    /// This host's clock and the cloud's differ by more than 15 minutes.
    ClockSkew,
    /// The credential's Secret does not exist.
    SecretNotFound,
    /// The credential's source exists and holds no usable credential.
    SecretInvalid,
    /// The operator's own identity does not serve this namespace, or there is none.
    CredentialsNotAllowed,
}

impl FaultKind {
    /// The reason of Ready=False while polls fail with this kind of fault.
    pub const fn reason(self) -> Reason {
        match self {
            Self::Throttled => Reason::Throttled,
            Self::CloudUnavailable => Reason::CloudUnavailable,
            Self::InvalidResponse => Reason::InvalidResponse,
            Self::AuthenticationFailed => Reason::AuthenticationFailed,
            Self::PermissionDenied => Reason::PermissionDenied,
            Self::ClusterNotFound => Reason::ClusterNotFound,
            Self::RequestRejected => Reason::RequestRejected,
            Self::ClockSkew => Reason::ClockSkew,
            Self::SecretNotFound => Reason::SecretNotFound,
            Self::SecretInvalid => Reason::SecretInvalid,
            Self::CredentialsNotAllowed => Reason::CredentialsNotAllowed,
        }
    }

    /// Whether one such fault is enough to stall a watch: trying again changes nothing until a person acts.
    pub const fn is_definite(self) -> bool {
        self.reason().stalls()
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason().as_str())
    }
}

/// Who asks the cloud. Advice names only the flags that the program has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Program {
    /// `cce-backup-watch controller`.
    #[default]
    Operator,
    /// Any other command.
    Command,
}

impl Program {
    /// The words for the one or for the other.
    pub(in crate::cloud) const fn either(
        self,
        operator: &'static str,
        command: &'static str,
    ) -> &'static str {
        match self {
            Self::Operator => operator,
            Self::Command => command,
        }
    }

    /// The advice about an endpoint that answers, but not with what CCE promises.
    pub(super) const fn no_cce(self) -> &'static str {
        self.either(
            "check that region and the operator's --region-endpoint lead to the CCE API",
            "check that region and --region-endpoint lead to the CCE API",
        )
    }
}

/// One failed call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// What it means.
    pub kind: FaultKind,
    /// The status of the answer, if there was one.
    pub http_status: Option<u16>,
    /// The cloud's code, such as `APIGW.0301`; at most 64 letters, digits, dots, dashes and underscores.
    pub code: Option<String>,
    /// The id of the request, for the log and a support case; no message holds it, because it differs with every
    /// request. At most 128 characters, cleaned.
    pub request_id: Option<String>,
    /// What happened and what to do, at most 512 characters, the same each time.
    pub message: String,
    /// How long the cloud asks to wait before the next request (`Retry-After`), 1 s to 1 h.
    pub retry_after: Option<Duration>,
}

impl Fault {
    /// The longest message, in characters.
    pub const MAX_MESSAGE: usize = 512;

    /// Whether the cloud refuses because of what goes on in this one cluster: a task may hold it, such as a backup.
    pub fn is_of_busy_cluster(&self) -> bool {
        let code = self.code.as_deref().unwrap_or_default();
        let is_state = |number: &str| ("01403003"..="01403009").contains(&number);
        self.http_status == Some(409)
            || matches!(code, "CCE.01429002" | "CCE.01429003" | "CCE.01400023")
            || code.strip_prefix("CCE.").is_some_and(is_state)
    }

    /// A fault without an answer from the cloud.
    pub fn new(kind: FaultKind, message: impl AsRef<str>) -> Self {
        Self {
            kind,
            http_status: None,
            code: None,
            request_id: None,
            message: clean(message.as_ref(), Self::MAX_MESSAGE),
            retry_after: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_busy_cluster_refuses_is_told_from_all_else() {
        for (status, code, busy) in [
            (429, "CCE.01429002", true),
            (429, "CCE.01429003", true),
            (403, "CCE.01403003", true),
            (403, "CCE.01403009", true),
            (409, "CCE.01409001", true),
            (409, "", true),
            (400, "CCE.01400023", true),
            (400, "CCE.01400001", false),
            (403, "CCE.01403001", false),
            (403, "CCE.01403002", false),
            (429, "APIGW.0308", false),
            (429, "CCE.02429001", false),
            (503, "", false),
        ] {
            let fault = Fault {
                http_status: Some(status),
                code: Some(code.to_owned()).filter(|code| !code.is_empty()),
                ..Fault::new(FaultKind::RequestRejected, "no")
            };
            assert_eq!(fault.is_of_busy_cluster(), busy, "{status} {code}");
        }
    }

    #[test]
    fn a_message_is_cleaned_and_cut() {
        let fault = Fault::new(FaultKind::RequestRejected, "a\nb\u{202e}".repeat(200));
        assert_eq!(fault.message.chars().count(), Fault::MAX_MESSAGE);
        assert!(fault.to_string().starts_with("a b\u{fffd}a b"));
    }
}
