//! Lists the upgrade workflows of one cluster: one signed GET, decoded field by field.
//!
//! Every field may be absent or of any JSON type; then it is left out, and the rest of the answer is used. Only an answer
//! without a list is an error, because taking it for an empty list would report that nothing is upgraded. What the
//! workflows mean is left to [`crate::upgrade`].
//!
//! The call was never tried against the live cloud: whatever it answers costs the condition `UpgradeProtected` and
//! nothing else.

mod wire;

use jiff::Timestamp;

use super::{
    client::{Ask, Client},
    credentials::Credential,
    fault::Fault,
    http,
    refusal::Call,
    target::Target,
};

pub use wire::decode;

/// One upgrade of a cluster, as the API reported it. Every field but the uid may be absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Workflow {
    /// 1 to 128 characters, cleaned.
    pub uid: String,
    /// When the upgrade was started.
    pub creation_time: Option<Timestamp>,
    /// When the workflow last changed.
    pub update_time: Option<Timestamp>,
    /// The version before the upgrade; cleaned, at most 64 characters.
    pub from_version: Option<String>,
    /// The version to which the cluster is upgraded; cleaned, at most 64 characters.
    pub to_version: Option<String>,
    /// Init, Running, Pending, Success or Cancel; cleaned, at most 64 characters.
    pub phase: Option<String>,
    /// The steps in the order of the answer, at most 32. The API promises no order, and may list a step more than once.
    pub steps: Vec<Step>,
}

/// One step of an upgrade.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Step {
    /// Cluster (the upgrade itself), `PreCheck`, Rollback, Snapshot or `PostCheck`; cleaned, at most 64 characters.
    pub type_: Option<String>,
    /// The id of what carries out the step; cleaned, at most 128 characters. Whether that of the step Snapshot is the uid of
    /// the snapshot task is not documented.
    pub task_id: Option<String>,
    /// Init, Queuing, Running, Success or Failed; cleaned, at most 64 characters.
    pub status: Option<String>,
    /// When the step began.
    pub start_time: Option<Timestamp>,
    /// When the step ended.
    pub end_time: Option<Timestamp>,
    /// When the result of the step expires; the API sets it for prechecks alone.
    pub expiry_time: Option<Timestamp>,
}

impl Client {
    /// The upgrade workflows of a cluster, each uid once. `now` dates the signature.
    pub async fn list_upgrades(
        &self,
        target: &Target,
        credential: &Credential,
        now: Timestamp,
    ) -> Result<Vec<Workflow>, Fault> {
        let ask = Ask::of(target, Call::ListUpgrades, target.upgrades_path(), http::MAX_BODY);
        let reply = self.get(&ask, credential, now).await;
        self.decode(&ask, reply, now, decode).await
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;
    use crate::cloud::{
        client::list,
        fault::{FaultKind, Program},
        http::{Body, Reply},
        refusal::Asked,
        skew::Skews,
    };

    fn of(status: u16, body: &str) -> Result<Vec<Workflow>, Fault> {
        let body = Body::Whole(body.as_bytes().to_vec());
        let (now, skews) = (Timestamp::UNIX_EPOCH, &Skews::default());
        let asked = Asked { call: Call::ListUpgrades, program: Program::Operator, endpoint: "", now, skews };
        list(Reply { status, headers: HeaderMap::new(), body, place: None }, &asked, http::MAX_BODY, decode)
    }

    #[test]
    fn a_refusal_says_what_is_missing() {
        let refused = of(403, r#"{"errorCode":"CCE.01403001","errorMessage":"Forbidden"}"#).unwrap_err();
        assert_eq!(refused.kind, FaultKind::PermissionDenied);
        for part in ["may not list the upgrades of this cluster", "cce:cluster:getCluster", "CCE.01403001"] {
            assert!(refused.message.contains(part), "{part}: {}", refused.message);
        }
    }

    #[test]
    fn every_answer_that_is_no_list_is_a_fault() {
        use FaultKind::{
            AuthenticationFailed, CloudUnavailable, ClusterNotFound, InvalidResponse, PermissionDenied,
            Throttled,
        };
        for (status, body, kind) in [
            (200, "", InvalidResponse),
            (200, "<html>", InvalidResponse),
            (200, "{}", InvalidResponse),
            (200, r#"{"items":{}}"#, InvalidResponse),
            (200, r#"{"error_code":"APIGW.0308","items":[]}"#, InvalidResponse),
            (204, "", InvalidResponse),
            (302, "", InvalidResponse),
            (401, "", AuthenticationFailed),
            (403, "", PermissionDenied),
            (404, r#"{"errorCode":"CCE.01404001"}"#, ClusterNotFound),
            (404, "", CloudUnavailable),
            (429, "", Throttled),
            (500, "", CloudUnavailable),
        ] {
            assert_eq!(of(status, body).unwrap_err().kind, kind, "{status} {body}");
        }
        assert_eq!(of(200, r#"{"kind":"List","items":null}"#), Ok(vec![]));
    }

    #[test]
    fn nonsense_is_told_as_such_and_not_as_a_list_of_tasks() {
        for (status, body) in [(200, "{}"), (204, "")] {
            let message = of(status, body).unwrap_err().message;
            assert!(message.starts_with("the answer is no list of upgrades (HTTP"), "{message}");
        }
    }
}
