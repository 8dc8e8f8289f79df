//! What the operator asked of the API server, by the server's own audit log.

use std::{collections::BTreeMap, fs};

use serde_json::Value;

/// All that an operator without replicas ever does.
pub const EXPECTED: [&str; 5] = [
    "create events",
    "get secrets",
    "list clusterbackupwatches",
    "patch clusterbackupwatches/status",
    "watch clusterbackupwatches",
];

/// How often the operator of a namespace made each kind of request, such as `patch clusterbackupwatches/status`.
pub fn requests(namespace: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in lines(namespace) {
        // A watch has a line when it starts and one when it ends.
        if line["verb"] != "watch" || line["stage"] == "ResponseStarted" {
            *counts.entry(kind(&line)).or_default() += 1;
        }
    }
    counts
}

/// The status codes that the writes of a resource's status got, in order.
pub fn status_codes(namespace: &str) -> Vec<u64> {
    let ours = lines(namespace).into_iter().filter(|line| kind(line) == "patch clusterbackupwatches/status");
    ours.filter_map(|line| line["responseStatus"]["code"].as_u64()).collect()
}

/// Fails if the operator of a namespace asked for anything else than it should.
pub fn check(namespace: &str) {
    let unexpected: Vec<_> = requests(namespace)
        .into_keys()
        .filter(|kind| !EXPECTED.contains(&kind.as_str()) && !kind.ends_with(" leases"))
        .collect();
    assert!(unexpected.is_empty(), "the operator should ask for nothing but {EXPECTED:?}: {unexpected:?}");
}

fn lines(namespace: &str) -> Vec<Value> {
    let path = std::env::var("CBW_AUDIT_LOG").unwrap();
    let user = format!("system:serviceaccount:{namespace}:operator");
    let text = fs::read_to_string(path).unwrap();
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
