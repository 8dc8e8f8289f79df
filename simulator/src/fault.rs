//! Faults: what the endpoint does to a correctly signed request instead of answering it.
//!
//! This module defines the faults, reads them from JSON and counts how often they strike; carrying them out is left to
//! `server::fault`.

use std::collections::BTreeMap;

use axum::http::{HeaderName, HeaderValue, StatusCode};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::Value;

/// The largest answer a fault sends: 1 GiB.
pub const MAX_BYTES: u64 = 1 << 30;
const MAX_DEPTH: usize = 10_000_000;

/// A fault and how often it strikes. Its JSON has the fields of [`FaultKind`] beside `kind` and `count`; without a kind it
/// is a status.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub struct Fault {
    /// What happens.
    pub kind: FaultKind,
    /// How many requests it strikes; `None`: all until it is removed.
    pub count: Option<u64>,
}

/// What happens to a request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum FaultKind {
    /// An answer with this status.
    Status {
        /// 200 to 599.
        status: u16,
        /// The error code, such as `APIGW.0308`: in the gateway's shape when it starts with `APIGW.`, else in CCE's.
        #[serde(default)]
        code: Option<String>,
        /// The message beside the code.
        #[serde(default)]
        message: Option<String>,
        /// Added to the answer, such as `Retry-After`.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// The body, in place of code and message; with neither the body is empty.
        #[serde(default)]
        body: Option<String>,
    },
    /// The connection is reset before the answer begins.
    Reset {},
    /// The connection is reset in the middle of the body.
    ResetMidBody {},
    /// Nothing is ever answered.
    Hang {},
    /// The right answer, byte by byte.
    Drip {
        /// Between two bytes; one second when absent.
        #[serde(default = "default_interval")]
        interval: SignedDuration,
    },
    /// The first half of the right answer, then the end of the connection.
    Truncate {},
    /// A good answer, but for its size.
    Huge {
        /// 50 MiB when absent.
        #[serde(default = "default_bytes")]
        bytes: u64,
    },
    /// A redirect.
    Redirect {
        /// Where to.
        location: String,
        /// 302 when absent.
        #[serde(default = "default_redirect")]
        status: u16,
    },
    /// Status 200 and bytes that are neither JSON nor UTF-8.
    Garbage {},
    /// Status 200 and an answer with arrays in arrays in arrays.
    Nested {
        /// 100,000 when absent.
        #[serde(default = "default_depth")]
        depth: usize,
    },
}

/// Why a fault cannot be set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// The JSON is of another form.
    #[error("{0}")]
    Form(String),
    /// A status is out of range.
    #[error("status: must be {0}, not {1}")]
    Status(&'static str, u16),
    /// A header cannot be sent, or is for the server to set.
    #[error("headers: {0} cannot be set to this value")]
    Header(String),
    /// A field is out of range.
    #[error("{0}: must be {1}")]
    Range(&'static str, &'static str),
}

impl Fault {
    /// An answer with a status and an empty body.
    pub fn status(status: u16) -> Self {
        FaultKind::Status { status, code: None, message: None, headers: BTreeMap::new(), body: None }.into()
    }

    /// An answer with a status and an error in the shape that belongs to its code.
    pub fn error(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        let (code, message) = (Some(code.into()), Some(message.into()));
        FaultKind::Status { status, code, message, headers: BTreeMap::new(), body: None }.into()
    }

    /// An answer with a status and a body.
    pub fn body(status: u16, body: impl Into<String>) -> Self {
        let body = Some(body.into());
        FaultKind::Status { status, code: None, message: None, headers: BTreeMap::new(), body }.into()
    }

    /// The same with one more header; without effect on kinds other than a status.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        if let FaultKind::Status { headers, .. } = &mut self.kind {
            headers.insert(name.into(), value.into());
        }
        self
    }

    /// The same, but it strikes only this many requests.
    #[must_use]
    pub fn times(mut self, count: u64) -> Self {
        self.count = Some(count);
        self
    }

    /// The same, unless it cannot be played.
    pub(crate) fn checked(self) -> Result<Self, FaultError> {
        self.check().map(|()| self)
    }

    /// Whether it can be played.
    pub fn check(&self) -> Result<(), FaultError> {
        if self.count == Some(0) {
            return Err(FaultError::Range("count", "a whole number from 1"));
        }
        match &self.kind {
            FaultKind::Status { status, headers, .. } => {
                if !(200..=599).contains(status) {
                    return Err(FaultError::Status("200 to 599", *status));
                }
                headers.iter().try_for_each(|(name, value)| {
                    header(name, value).map(|_| ()).ok_or_else(|| FaultError::Header(name.clone()))
                })
            }
            FaultKind::Redirect { status, location } => {
                if !(300..=399).contains(status) {
                    return Err(FaultError::Status("300 to 399", *status));
                }
                header("location", location)
                    .map(|_| ())
                    .ok_or(FaultError::Range("location", "a header's value"))
            }
            FaultKind::Drip { interval } if *interval <= SignedDuration::ZERO => {
                Err(FaultError::Range("interval", "more than 0s"))
            }
            FaultKind::Huge { bytes } if *bytes > MAX_BYTES => {
                Err(FaultError::Range("bytes", "at most 1 GiB"))
            }
            FaultKind::Nested { depth } if *depth > MAX_DEPTH => {
                Err(FaultError::Range("depth", "at most 10,000,000"))
            }
            _ => Ok(()),
        }
    }
}

/// The fault that is set here, if there is one; with a count it then strikes one time less.
pub(crate) fn strike<F: AsMut<Fault> + Clone>(set: &mut Option<F>) -> Option<F> {
    let mut rest = set.take()?;
    let struck = rest.clone();
    let left = &mut rest.as_mut().count;
    *left = left.map(|count| count.saturating_sub(1));
    if *left != Some(0) {
        *set = Some(rest);
    }
    Some(struck)
}

impl AsMut<Self> for Fault {
    fn as_mut(&mut self) -> &mut Self {
        self
    }
}

impl TryFrom<Value> for Fault {
    type Error = FaultError;

    fn try_from(mut value: Value) -> Result<Self, FaultError> {
        let fields =
            value.as_object_mut().ok_or_else(|| FaultError::Form("must be a JSON object".to_owned()))?;
        let count = match fields.remove("count") {
            None | Some(Value::Null) => None,
            Some(count) => Some(count.as_u64().ok_or(FaultError::Range("count", "a whole number from 1"))?),
        };
        fields.entry("kind").or_insert_with(|| "status".into());
        let kind = serde_json::from_value(value).map_err(|error| FaultError::Form(error.to_string()))?;
        Self { kind, count }.checked()
    }
}

impl From<FaultKind> for Fault {
    fn from(kind: FaultKind) -> Self {
        Self { kind, count: None }
    }
}

/// A header in the form that is sent, or `None` if it is invalid or set by the server itself.
pub(crate) fn header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    let name = name.parse::<HeaderName>().ok()?;
    // The server sets these, and the HTTP library treats a wrong length as a bug in this program.
    let own = ["content-length", "transfer-encoding", "connection", "upgrade"].contains(&name.as_str());
    if own { None } else { Some((name, HeaderValue::from_str(value).ok()?)) }
}

/// A status that [`Fault::check`] has let through.
pub(crate) fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn default_interval() -> SignedDuration {
    SignedDuration::from_secs(1)
}

fn default_bytes() -> u64 {
    50 << 20
}

fn default_redirect() -> u16 {
    302
}

fn default_depth() -> usize {
    100_000
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_json_form_says_the_same_as_the_library() {
        let cases = [
            (json!({"status": 503}), Fault::status(503)),
            (
                json!({"kind": "status", "status": 429, "code": "APIGW.0308", "message": "slow down",
                       "headers": {"Retry-After": "7"}, "count": 2}),
                Fault::error(429, "APIGW.0308", "slow down").header("Retry-After", "7").times(2),
            ),
            (json!({"status": 200, "body": "<html>"}), Fault::body(200, "<html>")),
            (json!({"kind": "reset"}), FaultKind::Reset {}.into()),
            (json!({"kind": "resetMidBody"}), FaultKind::ResetMidBody {}.into()),
            (json!({"kind": "hang"}), FaultKind::Hang {}.into()),
            (json!({"kind": "drip"}), FaultKind::Drip { interval: SignedDuration::from_secs(1) }.into()),
            (
                json!({"kind": "drip", "interval": "50ms"}),
                FaultKind::Drip { interval: SignedDuration::from_millis(50) }.into(),
            ),
            (json!({"kind": "truncate"}), FaultKind::Truncate {}.into()),
            (json!({"kind": "huge"}), FaultKind::Huge { bytes: 50 << 20 }.into()),
            (
                json!({"kind": "redirect", "location": "http://127.0.0.1:1/"}),
                FaultKind::Redirect { location: "http://127.0.0.1:1/".to_owned(), status: 302 }.into(),
            ),
            (json!({"kind": "garbage"}), FaultKind::Garbage {}.into()),
            (json!({"kind": "nested", "depth": 9}), FaultKind::Nested { depth: 9 }.into()),
        ];
        for (json, expected) in cases {
            assert_eq!(Fault::try_from(json.clone()), Ok(expected), "{json}");
        }
    }

    #[test]
    fn a_fault_that_cannot_be_played_is_refused_with_the_field() {
        let cases = [
            (json!([]), "must be a JSON object"),
            (json!({}), "missing field `status`"),
            (json!({"kind": "nap"}), "unknown variant `nap`"),
            (json!({"kind": "reset", "status": 500}), "unknown field `status`"),
            (json!({"status": 503, "retryAfter": 7}), "unknown field `retryAfter`"),
            (json!({"status": 100}), "status: must be 200 to 599, not 100"),
            (json!({"status": 503, "count": 0}), "count: must be a whole number from 1"),
            (json!({"status": 503, "count": "two"}), "count: must be a whole number from 1"),
            (
                json!({"status": 503, "headers": {"Content-Length": "7"}}),
                "headers: Content-Length cannot be set",
            ),
            (json!({"status": 503, "headers": {"X": "a\nb"}}), "headers: X cannot be set"),
            (json!({"kind": "redirect"}), "missing field `location`"),
            (
                json!({"kind": "redirect", "location": "/", "status": 200}),
                "status: must be 300 to 399, not 200",
            ),
            (json!({"kind": "drip", "interval": "0s"}), "interval: must be more than 0s"),
            (json!({"kind": "huge", "bytes": 9_000_000_000_u64}), "bytes: must be at most 1 GiB"),
        ];
        for (json, expected) in cases {
            let problem = Fault::try_from(json.clone()).unwrap_err().to_string();
            assert!(problem.contains(expected), "{json}: {problem}");
        }
    }
}
