//! Starts a backup of one cluster: the only call that changes anything in the cloud. The operator never makes it.
//!
//! One signed POST. The API has no idempotency key, so an error says whether the cloud certainly refused, or may have
//! started a backup whose answer is lost. Finding that backup is left to the caller; nothing is sent twice here.

use jiff::Timestamp;
use reqwest::Method;

use super::{
    client::{Ask, Client},
    credentials::Credential,
    fault::{Fault, FaultKind},
    field::{Is, ShortWord, read, reader},
    http::{self, Body, Reply},
    refusal::{Asked, Call},
    target::Target,
};

const MAX_UID: usize = 128;

/// Why no backup is known to have started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The cloud refused: nothing was started.
    #[error(transparent)]
    Refused(Fault),
    /// The answer is lost, or names no backup: one may have been started.
    #[error(transparent)]
    Unknown(Fault),
}

impl Client {
    /// Starts a backup and returns the uid of its task. `now` dates the signature.
    pub async fn start_backup(
        &self,
        target: &Target,
        credential: &Credential,
        now: Timestamp,
    ) -> Result<String, StartError> {
        let ask = Ask::of(target, Call::StartBackup, target.snapshot_path(), http::MAX_SHORT_BODY);
        let request = self.request(Method::POST, &ask, credential, now).map_err(StartError::Refused)?;
        // After a transport error the request may have arrived, and only its answer be lost.
        let reply = self.exchange(&ask, request, credential).await.map_err(StartError::Unknown)?;
        let endpoint = self.endpoints.cce(&target.region);
        started(&reply, &self.asked(ask.call, &endpoint, now))
    }
}

fn started(reply: &Reply, asked: &Asked<'_>) -> Result<String, StartError> {
    let refused = || asked.refused(reply);
    match (reply.status, &reply.body) {
        // A request that timed out at the gateway may have gone through.
        (408, _) => Err(StartError::Unknown(refused())),
        (400..=499, _) => Err(StartError::Refused(refused())),
        (200..=299, Body::Whole(body)) if !reply.is_encoded() => {
            uid(body).ok_or_else(|| StartError::Unknown(refused()))
        }
        (200..=299, Body::Broken(fault)) => Err(StartError::Unknown(fault.clone())),
        (200..=299, _) => Err(StartError::Unknown(Fault { kind: FaultKind::InvalidResponse, ..refused() })),
        _ => Err(StartError::Unknown(refused())),
    }
}

/// What is read of an answer.
#[derive(Default)]
struct Started {
    uid: Option<String>,
    is_error: bool,
    is_gateway_error: bool,
}

reader! {
    StartedReader makes Started {
        "uid" => uid: ShortWord(MAX_UID),
        "errorCode" => is_error: Is(|code| !code.is_empty()),
        "error_code" => is_gateway_error: Is(|code| !code.is_empty()),
    }
}

/// The uid of the started task. A body that is an error names none, whatever else it holds.
fn uid(body: &[u8]) -> Option<String> {
    let started = read(body, StartedReader).ok()??;
    started.uid.filter(|_| !started.is_error && !started.is_gateway_error)
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;
    use crate::cloud::{fault::Program, skew::Skews};

    fn started(reply: &Reply) -> Result<String, StartError> {
        let (program, skews, now) = (Program::Command, &Skews::default(), Timestamp::UNIX_EPOCH);
        super::started(reply, &Asked { call: Call::StartBackup, program, endpoint: "", now, skews })
    }

    fn reply(status: u16, body: &str) -> Reply {
        Reply { status, headers: HeaderMap::new(), body: Body::Whole(body.as_bytes().to_vec()), place: None }
    }

    #[test]
    fn a_good_answer_names_the_task() {
        for status in [200, 201, 202] {
            let body = r#"{"uid":"u-1","metadata":{"apiVersion":"v3.1","kind":"SnapshotTask"}}"#;
            assert_eq!(started(&reply(status, body)), Ok("u-1".to_owned()));
        }
    }

    #[test]
    fn only_a_refusal_proves_that_nothing_was_started() {
        let long = format!(r#"{{"uid":"{}"}}"#, "u".repeat(129));
        for (status, body, is_refusal) in [
            (400, "", true),
            (401, "", true),
            (403, "", true),
            (404, "", true),
            (409, r#"{"errorCode":"CCE.01409001","errorMessage":"busy"}"#, true),
            (429, "", true),
            (408, "", false),
            (500, "", false),
            (502, "<html>", false),
            (302, "", false),
            (204, "", false),
            (200, "{}", false),
            (200, "[]", false),
            (200, "<html>", false),
            (200, r#"{"uid":""}"#, false),
            (200, r#"{"uid":7}"#, false),
            (200, r#"{"uid":"u","errorCode":"CCE.1"}"#, false),
            (201, long.as_str(), false),
        ] {
            let error = started(&reply(status, body)).unwrap_err();
            assert_eq!(matches!(error, StartError::Refused(_)), is_refusal, "{status} {body}");
        }
    }

    #[test]
    fn a_refusal_is_told_in_the_words_of_this_call() {
        let told = |status, body: &str| started(&reply(status, body)).unwrap_err().to_string();
        let busy = told(409, r#"{"errorCode":"CCE.01409001","message":"The cluster is being backed up"}"#);
        assert_eq!(
            busy,
            "the cloud refuses to start a backup (HTTP 409, CCE.01409001): one may be running already, or the cluster \
             allows none now; the cloud says: The cluster is being backed up"
        );
        assert!(told(403, "").contains("cce:cluster:upgrade"));
        assert!(told(200, "{}").starts_with("the answer names no backup (HTTP 200)"));
    }
}
