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
    skew::{self, Skew, Skews},
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
        let theirs = date(headers);
        let skew = skew::clocks(status, &said.codes, &said.sentences, theirs, self.now);
        let (kind, message) = if let Some(skew) = skew {
            let off = match skew {
                Skew::Told(clocks) => self.skews.steady(self.endpoint, clocks).told(),
                Skew::Untold => "more than 15 minutes off the cloud's".to_owned(),
            };
            let advice = "set the clock of the machine, as by NTP; the key is not refused";
            (FaultKind::ClockSkew, format!("the clock of this host is {off} ({place}): {advice}"))
        } else {
            let mut message = format!("{what} ({place}): {advice}");
            let words = said.sentences.iter().map(|words| steady(words, request_id)).collect::<Vec<_>>();
            if !words.is_empty() {
                message = format!("{message}; the cloud says: {}", words.join("; "));
            }
            (kind, message)
        };
        Fault {
            http_status: Some(status),
            request_id: request_id.map(|id| clean(id, MAX_REQUEST_ID)),
            // A date is one of the cloud's clock.
            retry_after: header(RETRY_AFTER.as_str())
                .and_then(|value| retry_after(value, theirs.unwrap_or(self.now))),
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
mod tests;
