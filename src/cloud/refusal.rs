//! Turns an answer other than a good 200 into a fault: the fault table.
//!
//! The HTTP status and the error codes decide, whichever field of the body holds a code. What the cloud says is appended,
//! without the words that differ in every answer. Which fields those are is left to [`super::error_body`], and a wrong
//! clock to [`super::skew`].

use jiff::Timestamp;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::{
    error_body::ErrorBody,
    fault::{Fault, FaultKind, Program},
    http::{Reply, date},
    retry_after::retry_after,
    skew::{self, Skews},
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
    /// The list of a cluster's upgrades.
    ListUpgrades,
}

/// The request that an answer belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// What was asked.
    pub call: Call,
    /// Who asked, whose flags a message may name.
    pub program: Program,
    /// The base URL of the endpoint.
    pub endpoint: &'a str,
    /// The time that dated the signature.
    pub now: Timestamp,
    /// What earlier refusals said of the clock.
    pub skews: &'a Skews,
}

impl Asked<'_> {
    /// The fault that a reply means.
    pub(super) fn refused(&self, reply: &Reply) -> Fault {
        self.fault(reply.status, &reply.headers, reply.prefix())
    }

    /// The fault that an answer means. `body` may be cut off, empty or anything else.
    pub fn fault(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> Fault {
        let said = ErrorBody::read(body);
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let request_id = header(REQUEST_ID).or(said.request_id.as_deref()).filter(|id| !id.is_empty());
        let decisive = said.codes.iter().find_map(|code| Some((code, by_code(self.call, status, code)?)));
        let (code, Meaning(kind, what, advice)) = match decisive {
            Some((code, meaning)) => (Some(code), meaning),
            None => (said.codes.first(), by_status(self.call, status, self.program)),
        };
        let place = code.map_or_else(|| format!("HTTP {status}"), |code| format!("HTTP {status}, {code}"));
        let skew = skew::clocks(status, &said.codes, &said.sentences, date(headers), self.now);
        let (kind, message) = match skew {
            Some(clocks) => {
                let clocks = clocks.map(|clocks| self.skews.steady(self.endpoint, clocks).told());
                let off = clocks.unwrap_or_else(|| "more than 15 minutes off the cloud's".to_owned());
                let advice = "set the clock of the machine, as by NTP; the key is not refused";
                (FaultKind::ClockSkew, format!("the clock of this host is {off} ({place}): {advice}"))
            }
            None => {
                let mut message = format!("{what} ({place}): {advice}");
                let words = said.sentences.iter().map(|words| steady(words, request_id)).collect::<Vec<_>>();
                if !words.is_empty() {
                    message = format!("{message}; the cloud says: {}", words.join("; "));
                }
                (kind, message)
            }
        };
        Fault {
            http_status: Some(status),
            request_id: request_id.map(|id| clean(id, MAX_REQUEST_ID)),
            retry_after: header(RETRY_AFTER.as_str()).and_then(|value| retry_after(value, self.now)),
            code: code.cloned(),
            ..Fault::new(kind, message)
        }
    }
}

/// The fault that an answer to the operator's list of tasks means, for whoever has no client.
pub fn fault(status: u16, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Fault {
    let (program, skews) = (Program::Operator, &Skews::default());
    Asked { call: Call::ListTasks, program, endpoint: "", now, skews }.fault(status, headers, body)
}

/// A row of the table: what an answer means, what happened, and what to do about it.
struct Meaning(FaultKind, &'static str, &'static str);

/// The rows with a code. Any other code means what its status means.
fn by_code(call: Call, status: u16, code: &str) -> Option<Meaning> {
    // The three products of CCE number their errors alike, after one digit of their own.
    let of_cce = code.strip_prefix("CCE.0").and_then(|number| number.strip_prefix(['1', '2', '3']));
    Some(match (status, of_cce, code) {
        (403, Some("403002"), _) => Meaning(
            FaultKind::PermissionDenied,
            "the account is restricted, as for arrears or when it is frozen",
            "settle that in Huawei Cloud's console; no permission is missing",
        ),
        (403, Some(number), _) if ("403003"..="403009").contains(&number) => Meaning(
            FaultKind::CloudUnavailable,
            match call {
                Call::StartBackup => "the state of the cluster does not allow a backup",
                _ => "the state of the cluster does not allow the request",
            },
            "look at the cluster in the console; it passes when the operation under way ends",
        ),
        (404, Some("404001"), _) | (404, _, "CCE_CM.0003") => NO_CLUSTER,
        (404, _, code) if code.starts_with("E.CFE.404") => NO_CLUSTER,
        // Only this cluster is busy: the account may go on with all others.
        (429, _, "CCE.01429002" | "CCE.01429003") => Meaning(
            FaultKind::CloudUnavailable,
            "the cluster is busy with another task",
            "it passes when that task ends; other clusters are not affected",
        ),
        _ => return None,
    })
}

const NO_CLUSTER: Meaning = Meaning(
    FaultKind::ClusterNotFound,
    "there is no such cluster",
    "check clusterID, projectID, region and clusterType",
);

/// The rows with a status alone, in the words of the call.
fn by_status(call: Call, status: u16, program: Program) -> Meaning {
    use Call::{ListClusters, ListTasks, ListUpgrades, StartBackup};
    let (kind, what, advice) = match (status, call) {
        (401, _) => (
            FaultKind::AuthenticationFailed,
            "the access key or its signature was refused",
            "check accessKey and secretKey, and securityToken if the key is a temporary one",
        ),
        (403, ListTasks) => (
            FaultKind::PermissionDenied,
            "the credential may not read this cluster",
            "grant it the IAM action cce:cluster:getCluster, and check that projectID is its project",
        ),
        (403, StartBackup) => (
            FaultKind::PermissionDenied,
            "the credential may not start a backup of this cluster",
            "grant it more than reading (for Autopilot the IAM action cce:cluster:upgrade), and check the project",
        ),
        (403, ListClusters) => (
            FaultKind::PermissionDenied,
            "the credential may not list the clusters of this project",
            "grant it the IAM action cce:cluster:list, and check that the project is its own",
        ),
        (403, ListUpgrades) => (
            FaultKind::PermissionDenied,
            "the credential may not list the upgrades of this cluster",
            "grant it the IAM action cce:cluster:getCluster, or set spec.upgrades to Ignore",
        ),
        (404, _) => (
            FaultKind::CloudUnavailable,
            "the endpoint does not offer this API",
            program.either(
                "check region, clusterType and the operator's --region-endpoint",
                "check region, clusterType and --region-endpoint",
            ),
        ),
        (429, _) => (
            FaultKind::Throttled,
            "the cloud throttles this account",
            program.either(
                "make fewer requests: raise the interval or lower --account-rate",
                "wait a minute and ask less often: all who use the account and key share its limit",
            ),
        ),
        (400..=499, StartBackup) => (
            FaultKind::RequestRejected,
            "the cloud refuses to start a backup",
            "one may be running already, or the cluster allows none now",
        ),
        (400..=499, ListClusters) => {
            (FaultKind::RequestRejected, "the cloud rejects the request", "check region and project")
        }
        (400..=499, ListTasks | ListUpgrades) => (
            FaultKind::RequestRejected,
            "the cloud rejects the request",
            "check region, projectID, clusterID and clusterType",
        ),
        (500..=599, _) => (
            FaultKind::CloudUnavailable,
            "the cloud reports an error of its own",
            program.either(
                "only Huawei Cloud can repair this; the next poll tries again",
                "only Huawei Cloud can repair this; try again later",
            ),
        ),
        (300..=399, _) => (
            FaultKind::InvalidResponse,
            "the endpoint redirects elsewhere, which is never followed",
            program.either(
                "check region and the operator's --region-endpoint",
                "check region and --region-endpoint",
            ),
        ),
        (_, call) => (
            FaultKind::InvalidResponse,
            match call {
                ListTasks => "the answer is no list of tasks",
                StartBackup => "the answer names no backup",
                ListClusters => "the answer is no list of clusters",
                ListUpgrades => "the answer is no list of upgrades",
            },
            program.no_cce(),
        ),
    };
    Meaning(kind, what, advice)
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
    use reqwest::header::{DATE, HeaderValue};

    use super::*;
    use FaultKind::{
        AuthenticationFailed, ClockSkew, CloudUnavailable, ClusterNotFound, InvalidResponse,
        PermissionDenied, RequestRejected, Throttled,
    };

    const NOW: &str = "2021-12-17T06:43:03Z";

    fn now() -> Timestamp {
        NOW.parse().unwrap()
    }

    fn of(status: u16, body: &str) -> Fault {
        fault(status, &HeaderMap::new(), body.as_bytes(), now())
    }

    #[test]
    fn the_fault_table() {
        for (status, code, kind) in [
            (401, "APIGW.0301", AuthenticationFailed),
            (401, "CCE.01401001", AuthenticationFailed),
            (401, "APIGW.9999", AuthenticationFailed),
            (401, "APIGW.0303", ClockSkew),
            (401, "APIG.0303", ClockSkew),
            (403, "CCE.01403001", PermissionDenied),
            (403, "CCE.02403001", PermissionDenied),
            (403, "CCE.03403001", PermissionDenied),
            (403, "CCE.01403002", PermissionDenied),
            (403, "CCE.01403003", CloudUnavailable),
            (403, "CCE.01403009", CloudUnavailable),
            (403, "CCE.01403010", PermissionDenied),
            (403, "PAAS.0", PermissionDenied),
            (404, "CCE.01404001", ClusterNotFound),
            (404, "CCE.02404001", ClusterNotFound),
            (404, "CCE.03404001", ClusterNotFound),
            (404, "CCE_CM.0003", ClusterNotFound),
            (404, "E.CFE.4040404", ClusterNotFound),
            (404, "APIGW.0101", CloudUnavailable),
            (404, "CCE.99404001", CloudUnavailable),
            (409, "CCE.01409001", RequestRejected),
            (409, "CCE.01409002", RequestRejected),
            (429, "APIGW.0308", Throttled),
            (429, "CCE.02429001", Throttled),
            (429, "CCE.01429002", CloudUnavailable),
            (429, "CCE.01429003", CloudUnavailable),
            (429, "X.1", Throttled),
            (400, "CCE.01400001", RequestRejected),
            (400, "CCE.01404001", RequestRejected),
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
    fn whichever_field_holds_the_code_that_decides_is_the_one_that_is_told() {
        for (status, body, kind, code) in [
            (
                404,
                r#"{"errorCode":"CCE.99999999","error_code":"CCE_CM.0003"}"#,
                ClusterNotFound,
                "CCE_CM.0003",
            ),
            (404, r#"{"error_code":"APIGW.1","code":"CCE.03404001"}"#, ClusterNotFound, "CCE.03404001"),
            (
                429,
                r#"{"errorCode":"CCE.01429002","error_code":"CCE_CM.0001","code":429}"#,
                CloudUnavailable,
                "CCE.01429002",
            ),
            (
                401,
                r#"{"errorCode":"CCE.01401001","error_code":"CCE_CM.0001"}"#,
                AuthenticationFailed,
                "CCE.01401001",
            ),
        ] {
            let fault = of(status, body);
            assert_eq!((fault.kind, fault.code.as_deref()), (kind, Some(code)), "{body}");
        }
    }

    #[test]
    fn without_a_known_body_the_status_alone_decides() {
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
    fn the_words_of_a_wrong_clock_are_no_word_against_the_key() {
        let body = r#"{"error_code":"APIGW.0301","error_msg":"Incorrect IAM authentication information: signature expired, signature time:20211217T064303Z,server time:20211217T065804Z","request_id":"r"}"#;
        let fault = of(401, body);
        assert_eq!(fault.kind, ClockSkew);
        let message = "the clock of this host is 15 min behind the cloud's: 2021-12-17T06:43:03Z here, \
                       2021-12-17T06:58:04Z there (HTTP 401, APIGW.0301): set the clock of the machine, as by NTP; the key \
                       is not refused";
        assert_eq!(fault.message, message);
        let mut headers = HeaderMap::new();
        headers.insert(DATE, HeaderValue::from_static("Fri, 17 Dec 2021 05:00:00 GMT"));
        let fault = super::fault(403, &headers, b"", now());
        assert_eq!(fault.kind, ClockSkew);
        assert!(fault.message.starts_with("the clock of this host is 103 min ahead of"), "{fault}");
    }

    #[test]
    fn the_cause_is_told_before_the_general_sentences() {
        let fault = of(
            400,
            r#"{"code":400,"errorCode":"CCE.01400001","errorMessage":"Invalid request.","error_code":"CCE_CM.0004",
                "error_msg":"Request is invalid","message":"the nodes are being drained","reason":"BadRequest"}"#,
        );
        assert_eq!(
            fault.message,
            "the cloud rejects the request (HTTP 400, CCE.01400001): check region, projectID, clusterID and clusterType; \
             the cloud says: the nodes are being drained; Request is invalid; Invalid request."
        );
    }

    #[test]
    fn advice_names_only_what_the_program_has() {
        let told = |call, program, status| {
            let skews = &Skews::default();
            let asked = Asked { call, program, endpoint: "", now: now(), skews };
            asked.fault(status, &HeaderMap::new(), b"").message
        };
        for call in [Call::ListTasks, Call::StartBackup, Call::ListClusters] {
            for status in (200..600).step_by(1) {
                let told = told(call, Program::Command, status);
                assert!(!told.contains("--account-rate") && !told.contains("operator"), "{told}");
            }
        }
        assert!(told(Call::ListTasks, Program::Operator, 429).contains("--account-rate"));
        assert!(told(Call::ListTasks, Program::Operator, 302).contains("the operator's --region-endpoint"));
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
