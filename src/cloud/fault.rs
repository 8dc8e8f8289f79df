//! stub
use std::time::Duration;
/// kind
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum FaultKind {
    Throttled,
    CloudUnavailable,
    InvalidResponse,
    AuthenticationFailed,
    PermissionDenied,
    ClusterNotFound,
    RequestRejected,
    ClockSkew,
    SecretNotFound,
    SecretInvalid,
    CredentialsNotAllowed,
}
impl FaultKind {
    /// reason
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Throttled => "Throttled",
            Self::CloudUnavailable => "CloudUnavailable",
            Self::InvalidResponse => "InvalidResponse",
            Self::AuthenticationFailed => "AuthenticationFailed",
            Self::PermissionDenied => "PermissionDenied",
            Self::ClusterNotFound => "ClusterNotFound",
            Self::RequestRejected => "RequestRejected",
            Self::ClockSkew => "ClockSkew",
            Self::SecretNotFound => "SecretNotFound",
            Self::SecretInvalid => "SecretInvalid",
            Self::CredentialsNotAllowed => "CredentialsNotAllowed",
        }
    }
    /// definite
    pub const fn is_definite(self) -> bool {
        !matches!(self, Self::Throttled | Self::CloudUnavailable | Self::InvalidResponse)
    }
}
/// fault
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Fault {
    pub kind: FaultKind,
    pub http_status: Option<u16>,
    pub code: Option<String>,
    pub request_id: Option<String>,
    pub message: String,
    pub retry_after: Option<Duration>,
}
