//! Counts what an operator requested of the API server, by reading the server's audit log.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader},
    mem,
};

use serde_json::Value;

use super::{
    cluster::Cluster,
    scene::{ACCOUNT, Scene},
};

/// Every kind of request that an operator without a Lease may make. A status is written with either of two verbs.
pub const ALLOWED: [&str; 7] = [
    "create events",
    "get clusterbackupwatches",
    "get secrets",
    "list clusterbackupwatches",
    STATUS_WRITES[0],
    STATUS_WRITES[1],
    "watch clusterbackupwatches",
];

/// What one of several operators may request besides: its Lease, and as a shard the removal of labels.
const ONE_OF_SEVERAL: [&str; 6] = [
    "create leases",
    "get leases",
    "list leases",
    "patch clusterbackupwatches",
    "update leases",
    "watch leases",
];

const STATUS_WRITES: [&str; 2] = ["patch clusterbackupwatches/status", "update clusterbackupwatches/status"];

/// How often the operator of a namespace made each kind of request, such as `patch clusterbackupwatches/status`.
pub fn requests(scene: &Scene) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in Log::open(&scene.cluster, &scene.namespace).filter(is_request) {
        *counts.entry(kind(&line)).or_default() += 1;
    }
    counts
}

/// How many of these requests are writes of a status.
pub fn status_writes(requests: &BTreeMap<String, usize>) -> usize {
    STATUS_WRITES.iter().filter_map(|kind| requests.get(*kind)).sum()
}

/// The status codes that the writes of statuses got, in order.
pub fn status_codes(scene: &Scene) -> Vec<u64> {
    let log = Log::open(&scene.cluster, &scene.namespace);
    let writes = log.filter(|line| STATUS_WRITES.contains(&kind(line).as_str()));
    writes.filter_map(|line| line["responseStatus"]["code"].as_u64()).collect()
}

/// The operators that wrote a watch or its status, in order; consecutive writes of one operator count once. Operators
/// are told apart by the tokens that they were started with.
pub fn writers(scene: &Scene, name: &str) -> Vec<String> {
    let mut writers: Vec<_> = Log::open(&scene.cluster, &scene.namespace)
        .filter(|line| line["objectRef"]["resource"] == "clusterbackupwatches")
        .filter(|line| line["objectRef"]["name"] == name && line["verb"] != "get")
        .filter(|line| line["responseStatus"]["code"] == 200)
        .map(|line| {
            let token = &line["user"]["extra"]["authentication.kubernetes.io/credential-id"][0];
            token.as_str().expect("the audit log names the token").to_owned()
        })
        .collect();
    writers.dedup();
    writers
}

/// Fails if the operator of a namespace of the shared control plane made a request of a kind that it may not.
pub fn check(namespace: &str) {
    let unexpected: Vec<_> = Log::open(&Cluster::shared(), namespace)
        .map(|line| kind(&line))
        .filter(|kind| !ALLOWED.contains(&kind.as_str()) && !ONE_OF_SEVERAL.contains(&kind.as_str()))
        .collect();
    assert!(unexpected.is_empty(), "the operator may ask for nothing but {ALLOWED:?}: {unexpected:?}");
}

/// The requests of a service account, and those of them that the API server forbade, each as its line in the audit log.
pub fn forbidden(cluster: &Cluster, account: &str) -> (usize, Vec<Value>) {
    let mut requests: Vec<_> = Log::of_account(cluster, account).collect();
    let all = requests.len();
    requests.retain(|line| line["annotations"]["authorization.k8s.io/decision"] == "forbid");
    (all, requests)
}

/// What a service account has requested, each line read once, because the log may be long.
pub struct Log {
    reader: BufReader<File>,
    user: String,
    /// The beginning of a line that the server has not written to its end.
    begun: Vec<u8>,
}

impl Log {
    /// Reads from the start of a control plane's log.
    pub fn open(cluster: &Cluster, namespace: &str) -> Self {
        Self::of_account(cluster, &format!("{namespace}:{ACCOUNT}"))
    }

    /// The same of any service account, such as `flux-system:helm-controller`.
    pub fn of_account(cluster: &Cluster, account: &str) -> Self {
        let reader = BufReader::new(File::open(&cluster.audit_log).unwrap());
        Self { reader, user: format!("system:serviceaccount:{account}"), begun: Vec::new() }
    }

    /// How many requests the operator has made since the last line that was read. The server writes a line before it answers.
    pub fn count_new(&mut self) -> usize {
        self.filter(is_request).count()
    }
}

impl Iterator for Log {
    type Item = Value;

    /// The next line; none where there is none yet.
    fn next(&mut self) -> Option<Value> {
        while self.reader.read_until(b'\n', &mut self.begun).unwrap() > 0 && self.begun.ends_with(b"\n") {
            let line = String::from_utf8(mem::take(&mut self.begun)).unwrap();
            let line = line.contains(&self.user).then(|| serde_json::from_str::<Value>(&line).unwrap());
            if let Some(line) = line.filter(|line| line["user"]["username"] == self.user) {
                return Some(line);
            }
        }
        None
    }
}

/// Whether a line is the one that counts for a request: a watch has one when it starts and one when it ends.
fn is_request(line: &Value) -> bool {
    line["verb"] != "watch" || line["stage"] == "ResponseStarted"
}

fn kind(line: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let object = &line["objectRef"];
    let path = if object.is_null() { text(&line["requestURI"]) } else { text(&object["resource"]) };
    let part = object["subresource"].as_str().map(|part| format!("/{part}")).unwrap_or_default();
    format!("{} {path}{part}", text(&line["verb"]))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use serde_json::json;

    use super::*;

    fn line(user: &str, verb: &str, stage: &str) -> String {
        let user = json!({ "username": format!("system:serviceaccount:{user}:operator") });
        format!("{}\n", json!({ "stage": stage, "verb": verb, "user": user }))
    }

    #[test]
    fn a_watch_counts_once_others_do_not_and_a_line_does_when_it_is_whole() {
        let audit_log = std::env::temp_dir().join(format!("cbw-audit-{}.log", std::process::id()));
        let mut file = File::create(&audit_log).unwrap();
        let mut log = Log::open(&Cluster { kubeconfig: "".into(), audit_log: audit_log.clone() }, "a");
        let update = line("a", "update", "ResponseComplete");
        let (first, second) = update.split_at(20);
        for (written, count) in [
            (line("a", "watch", "ResponseStarted"), 1),
            (line("a", "watch", "ResponseComplete") + &line("b", "update", "ResponseComplete") + first, 0),
            (second.to_owned(), 1),
            (update.repeat(2), 2),
        ] {
            file.write_all(written.as_bytes()).unwrap();
            assert_eq!(log.count_new(), count, "{written}");
        }
        std::fs::remove_file(audit_log).unwrap();
    }
}
