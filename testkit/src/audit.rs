//! Counts what an operator requested of the API server, by reading the server's audit log.

use std::{collections::BTreeMap, fs};

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
    for line in lines(&scene.cluster, &scene.namespace) {
        // A watch has a line when it starts and one when it ends.
        if line["verb"] != "watch" || line["stage"] == "ResponseStarted" {
            *counts.entry(kind(&line)).or_default() += 1;
        }
    }
    counts
}

/// How many of these requests are writes of a status.
pub fn status_writes(requests: &BTreeMap<String, usize>) -> usize {
    STATUS_WRITES.iter().filter_map(|kind| requests.get(*kind)).sum()
}

/// The status codes that the writes of statuses got, in order.
pub fn status_codes(scene: &Scene) -> Vec<u64> {
    let lines = lines(&scene.cluster, &scene.namespace).into_iter();
    let writes = lines.filter(|line| STATUS_WRITES.contains(&kind(line).as_str()));
    writes.filter_map(|line| line["responseStatus"]["code"].as_u64()).collect()
}

/// The operators that wrote a watch or its status, in order; consecutive writes of one operator count once. Operators
/// are told apart by the tokens that they were started with.
pub fn writers(scene: &Scene, name: &str) -> Vec<String> {
    let mut writers: Vec<_> = lines(&scene.cluster, &scene.namespace)
        .iter()
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
    let unexpected: Vec<_> = lines(&Cluster::shared(), namespace)
        .iter()
        .map(kind)
        .filter(|kind| !ALLOWED.contains(&kind.as_str()) && !ONE_OF_SEVERAL.contains(&kind.as_str()))
        .collect();
    assert!(unexpected.is_empty(), "the operator may ask for nothing but {ALLOWED:?}: {unexpected:?}");
}

/// The requests of a service account, and those of them that the API server forbade, each as its line in the audit log.
pub fn forbidden(cluster: &Cluster, account: &str) -> (usize, Vec<Value>) {
    let mut requests = of_account(cluster, account);
    let all = requests.len();
    requests.retain(|line| line["annotations"]["authorization.k8s.io/decision"] == "forbid");
    (all, requests)
}

fn lines(cluster: &Cluster, namespace: &str) -> Vec<Value> {
    of_account(cluster, &format!("{namespace}:{ACCOUNT}"))
}

fn of_account(cluster: &Cluster, account: &str) -> Vec<Value> {
    let user = format!("system:serviceaccount:{account}");
    let text = fs::read_to_string(&cluster.audit_log).unwrap();
    // The last line may still be being written.
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n') && line.contains(&user));
    whole
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| line["user"]["username"] == user)
        .collect()
}

fn kind(line: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let object = &line["objectRef"];
    let path = if object.is_null() { text(&line["requestURI"]) } else { text(&object["resource"]) };
    let part = object["subresource"].as_str().map(|part| format!("/{part}")).unwrap_or_default();
    format!("{} {path}{part}", text(&line["verb"]))
}
