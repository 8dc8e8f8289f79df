//! Turns an answer other than a good 200 into a fault: the fault table, as one pure function.
//!
//! The cloud sends errors in several shapes of JSON, as HTML, or without a body, so the HTTP status and the error code
//! alone decide. The cloud's own message is appended where it helps a person, without the words that differ in every
//! answer.

use jiff::Timestamp;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::{
    error_body::ErrorBody,
    fault::{Fault, FaultKind},
    retry_after::retry_after,
    text::clean,
};

/// The header that names a request in the cloud's own logs.
const REQUEST_ID: &str = "x-request-id";
const MAX_REQUEST_ID: usize = 128;

/// The call that an answer belongs to. It decides the words of a fault, never its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// The list of a cluster's snapshot tasks.
    ListTasks,
    /// The start of a backup.
    StartBackup,
    /// The list of a project's clusters.
    ListClusters,
}

/// The fault that an answer to the list of tasks means. `body` may be cut off, empty or anything else.
pub fn fault(status: u16, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Fault {
    fault_of(Call::ListTasks, status, headers, body, now)
}

/// The fault that an answer to this call means.
pub fn fault_of(call: Call, status: u16, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Fault {
    let said = ErrorBody::read(body);
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let request_id = header(REQUEST_ID).or(said.request_id.as_deref()).filter(|id| !id.is_empty());
    let code = said.code.as_deref();
    let (kind, what, advice) = classify(status, code);
    let (what, advice) = words(call, kind, status).unwrap_or((what, advice));

    let place = code.map_or_else(|| format!("HTTP {status}"), |code| format!("HTTP {status}, {code}"));
    let mut message = format!("{what} ({place}): {advice}");
    let helps = matches!(
        kind,
        FaultKind::AuthenticationFailed | FaultKind::PermissionDenied | FaultKind::RequestRejected
    );
    if let Some(words) = said.message.as_deref().filter(|_| helps).map(|words| steady(words, request_id)) {
        message = format!("{message}; the cloud says: {words}");
    }
    Fault {
        http_status: Some(status),
        request_id: request_id.map(|id| clean(id, MAX_REQUEST_ID)),
        retry_after: header(RETRY_AFTER.as_str()).and_then(|value| retry_after(value, now)),
        code: said.code,
        ..Fault::new(kind, message)
    }
}

/// The table: what an answer means, what happened, and what to do about it.
fn classify(status: u16, code: Option<&str>) -> (FaultKind, &'static str, &'static str) {
    use FaultKind::{
        AuthenticationFailed, ClockSkew, CloudUnavailable, ClusterNotFound, InvalidResponse,
        PermissionDenied, RequestRejected, Throttled,
    };
    match (status, code) {
        (401, Some("APIGW.0303")) => (
            ClockSkew,
            "the time of the request was refused",
            "set the clock of this host: the cloud accepts a difference of 15 minutes at most",
        ),
        (401, _) => (
            AuthenticationFailed,
            "the access key or its signature was refused",
            "check accessKey and secretKey, and securityToken if the key is a temporary one",
        ),
        (403, _) => (
            PermissionDenied,
            "the credential may not read this cluster",
            "grant it the IAM action cce:cluster:getCluster, and check that projectID is its project",
        ),
        (404, Some("CCE.01404001")) => (
            ClusterNotFound,
            "there is no such cluster",
            "check clusterID, projectID, region and clusterType",
        ),
        (404, _) => (
            CloudUnavailable,
            "the endpoint does not offer this API",
            "check region, clusterType and the operator's --region-endpoint",
        ),
        (429, _) => (
            Throttled,
            "the cloud throttles this account",
            "make fewer requests: raise the interval or lower --account-rate",
        ),
        (400..=499, _) => (
            RequestRejected,
            "the cloud rejects the request",
            "check region, projectID, clusterID and clusterType",
        ),
        (500..=599, _) => (
            CloudUnavailable,
            "the cloud reports an error of its own",
            "only Huawei Cloud can repair this; the next poll tries again",
        ),
        (300..=399, _) => (
            InvalidResponse,
            "the endpoint redirects elsewhere, which is never followed",
            "check region and the operator's --region-endpoint",
        ),
        _ => (
            InvalidResponse,
            "the answer is no list of tasks",
            "check that region and the operator's --region-endpoint lead to the CCE API",
        ),
    }
}

/// What a call other than the list of tasks says instead of the table's words.
fn words(call: Call, kind: FaultKind, status: u16) -> Option<(&'static str, &'static str)> {
    match (call, kind) {
        (Call::StartBackup, FaultKind::PermissionDenied) => Some((
            "the credential may not start a backup of this cluster",
            "grant it more than reading (for Autopilot the IAM action cce:cluster:upgrade), and check the project",
        )),
        (Call::StartBackup, FaultKind::RequestRejected) => Some((
            "the cloud refuses to start a backup",
            "one may be running already, or the cluster allows none now",
        )),
        (Call::StartBackup, FaultKind::InvalidResponse) if !(300..=399).contains(&status) => Some((
            "the answer names no backup",
            "check that region and --region-endpoint lead to the CCE API",
        )),
        (Call::ListClusters, FaultKind::PermissionDenied) => Some((
            "the credential may not list the clusters of this project",
            "grant it the IAM action cce:cluster:list, and check that the project is its own",
        )),
        (Call::ListClusters, FaultKind::InvalidResponse) if !(300..=399).contains(&status) => Some((
            "the answer is no list of clusters",
            "check that region and --region-endpoint lead to the CCE API",
        )),
        (Call::ListClusters, FaultKind::RequestRejected) => {
            Some(("the cloud rejects the request", "check region and project"))
        }
        _ => None,
    }
}

/// The cloud's message with `#` for the request id and for every word that holds a digit: ids, addresses, times and
/// counts differ in every answer, or tell of other people's objects.
fn steady(words: &str, request_id: Option<&str>) -> String {
    let words = request_id.map_or_else(|| words.to_owned(), |id| words.replace(id, "#"));
    let in_word = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '/' | '#' | '+' | '=');
    let mut steady = String::new();
    let mut rest = words.as_str();
    while !rest.is_empty() {
        let end = rest.find(|c| !in_word(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        steady.push_str(if word.contains(|c: char| c.is_numeric() || c == '#') { "#" } else { word });
        let next = after.find(in_word).unwrap_or(after.len());
        steady.push_str(&after[..next]);
        rest = &after[next..];
    }
    steady.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::HeaderValue;

    use super::*;

    const NOW: &str = "2023-11-25T09:03:46Z";

    fn now() -> Timestamp {
        NOW.parse().unwrap()
    }

    fn of(status: u16, body: &str) -> Fault {
        fault(status, &HeaderMap::new(), body.as_bytes(), now())
    }

    #[test]
    fn the_fault_table() {
        use FaultKind::{
            AuthenticationFailed, ClockSkew, CloudUnavailable, ClusterNotFound, InvalidResponse,
            PermissionDenied, RequestRejected, Throttled,
        };
        for (status, code, kind) in [
            (401, "APIGW.0301", AuthenticationFailed),
            (401, "CCE.01401001", AuthenticationFailed),
            (401, "APIGW.9999", AuthenticationFailed),
            (401, "APIGW.0303", ClockSkew),
            (403, "CCE.01403001", PermissionDenied),
            (403, "PAAS.0", PermissionDenied),
            (404, "CCE.01404001", ClusterNotFound),
            (404, "APIGW.0101", CloudUnavailable),
            (404, "CCE.99404001", CloudUnavailable),
            (429, "APIGW.0308", Throttled),
            (429, "CCE.02429001", Throttled),
            (429, "CCE.01429002", Throttled),
            (429, "X.1", Throttled),
            (400, "CCE.01400001", RequestRejected),
            (405, "X.1", RequestRejected),
            (409, "APIGW.0308", RequestRejected),
            (500, "CCE.01500001", CloudUnavailable),
            (503, "APIGW.0301", CloudUnavailable),
            (302, "X.1", InvalidResponse),
            (204, "X.1", InvalidResponse),
            (200, "APIGW.0301", InvalidResponse),
            (299, "X.1", InvalidResponse),
        ] {
            for body in [
                format!(r#"{{"errorCode":"{code}","errorMessage":"m"}}"#),
                format!(r#"{{"error_code":"{code}","error_msg":"m","request_id":"r"}}"#),
                format!(r#"{{"code":"{code}","message":"m"}}"#),
                format!(r#"{{"error":{{"code":"{code}","message":"m","title":"t"}}}}"#),
            ] {
                let fault = of(status, &body);
                assert_eq!((fault.kind, fault.code.as_deref()), (kind, Some(code)), "{status} {body}");
                assert_eq!(fault.http_status, Some(status));
                assert!(fault.message.contains(&format!("(HTTP {status}, {code}): ")), "{}", fault.message);
            }
        }
    }

    #[test]
    fn without_a_known_body_the_status_alone_decides() {
        use FaultKind::{
            AuthenticationFailed, CloudUnavailable, InvalidResponse, PermissionDenied, Throttled,
        };
        for (status, kind) in [
            (401, AuthenticationFailed),
            (403, PermissionDenied),
            (404, CloudUnavailable),
            (429, Throttled),
            (502, CloudUnavailable),
            (301, InvalidResponse),
            (204, InvalidResponse),
            (999, InvalidResponse),
        ] {
            for body in
                ["", "<html>404</html>", "{}", "[]", "null", r#"{"errorCode":{}}"#, r#"{"errorCode":"a b"}"#]
            {
                let fault = of(status, body);
                assert_eq!((fault.kind, fault.code), (kind, None), "{status} {body}");
            }
        }
    }

    #[test]
    fn a_message_says_what_to_do() {
        let fault = of(401, r#"{"error_code":"APIGW.0301","error_msg":"verify aksk signature fail"}"#);
        let message = "the access key or its signature was refused (HTTP 401, APIGW.0301): check accessKey and secretKey, \
                       and securityToken if the key is a temporary one; the cloud says: verify aksk signature fail";
        assert_eq!(fault.to_string(), message);
    }

    #[test]
    fn a_message_is_the_same_from_try_to_try() {
        let ask = |id: &str, rest: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_str(id).unwrap());
            let body =
                format!(r#"{{"errorCode":"CCE.01400001","errorMessage":"bad (id: {id}), {rest}\u202e"}}"#);
            fault(400, &headers, body.as_bytes(), now())
        };
        let one = ask("abcdef", "took 12.5ms on 10.0.0.7:8443 at 2023-11-25T17:03:46Z");
        let other = ask("fedcba", "took 3s on 10.0.0.12:8443 at 2024-01-02T00:00:00Z");
        assert_eq!(one.message, other.message);
        assert!(
            one.message.ends_with("the cloud says: bad (id: #), took # on # at #\u{fffd}"),
            "{}",
            one.message
        );
        assert_eq!(
            (one.request_id.as_deref(), other.request_id.as_deref()),
            (Some("abcdef"), Some("fedcba"))
        );
    }

    #[test]
    fn hostile_words_are_cleaned_and_cut() {
        let words = "\\u001b[31m\\u202e\\n".repeat(2_000);
        let fault = of(400, &format!(r#"{{"errorCode":"CCE.01400001","errorMessage":"{words}"}}"#));
        assert_eq!(fault.message.chars().count(), Fault::MAX_MESSAGE);
        assert!(!fault.message.contains(|c: char| c.is_control() || c == '\u{202e}'));
        let long = "r".repeat(5_000);
        let fault = of(400, &format!(r#"{{"error_code":"{long}","request_id":"{long}"}}"#));
        assert_eq!((fault.code, fault.request_id.unwrap().chars().count()), (None, MAX_REQUEST_ID));
    }

    proptest! {
        #[test]
        fn any_answer_is_some_fault(
            status in 0_u16..1_000, body in proptest::collection::vec(any::<u8>(), 0..80),
            words in any::<String>(), id in "[ -~]{0,20}",
        ) {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_str(&id).unwrap());
            let said = serde_json::json!({"errorCode": "CCE.1", "errorMessage": words}).to_string();
            for body in [&body[..], said.as_bytes()] {
                let fault = fault(status, &headers, body, now());
                prop_assert!(fault.message.chars().count() <= Fault::MAX_MESSAGE);
            }
        }
    }
}
