//! Watches in every state that an alert or a panel is about.

use cbw_testkit::{
    scene::{self, Scene},
    wait::{LIMIT, until},
};
use cce_simulator::{Fault, Task, Workflow, WorkflowStep};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// A region whose endpoint nothing answers.
pub const UNREACHABLE: &str = "cn-south-1";
/// The project of more watches than the rate of an account allows.
const CROWD: usize = 900;

/// The states by name. The number of one is its place in this list.
const NAMES: [&str; 11] = [
    "good",
    "failed",
    "stale",
    "none",
    "stuck",
    "missing",
    "refused",
    "throttled",
    "unprotected",
    "unreachable",
    "paused",
];

/// The id of the cluster of a watch.
pub fn cluster(name: &str) -> String {
    format!("{:08}-2222-3333-4444-555555555555", number(name))
}

/// The id of the project of a watch. Each state has one of its own, because an account has one rate.
pub fn project(name: &str) -> String {
    format!("{:032}", if name.starts_with("crowd-") { CROWD } else { number(name) })
}

/// What people call the cluster of a watch: with what a label must escape.
pub fn display_name(name: &str) -> String {
    format!("集群 \"{name}\"")
}

fn number(name: &str) -> usize {
    // crowd-20, broken-40
    let numbered = name.rsplit_once('-').map(|(_, number)| number.parse().unwrap());
    numbered.unwrap_or_else(|| 1 + NAMES.iter().position(|known| *known == name).unwrap())
}

/// Makes every state: in the cloud, and a watch of it.
pub async fn make(scene: &Scene) {
    scene.secret("wrong", json!({ "accessKey": "OTHERACCESSKEY000000", "secretKey": "another" })).await;
    let failing = (40..50).map(|n| format!("broken-{n}"));
    let crowd = (20..32).map(|n| format!("crowd-{n}"));
    let names: Vec<_> = NAMES.map(str::to_owned).into_iter().chain(failing).chain(crowd).collect();
    let mut watches = Vec::new();
    for name in &names {
        watches.push(manifest(name, &state(scene, name)));
    }
    apply(scene, &watches).expect("the watches of every state are accepted");

    loosen_definition(scene);
    let unreadable = [manifest("good", &json!({ "interval": "soon" }))].map(|mut watch| {
        watch["metadata"]["name"] = json!("unreadable");
        watch
    });
    until("the loosened definition is served", LIMIT, async || apply(scene, &unreadable).ok()).await;
}

/// Makes the state of one watch in the cloud, and returns what its spec has of its own.
pub fn state(scene: &Scene, name: &str) -> Value {
    let now = Timestamp::now();
    let task = |phase, progress| Task::new("backup", phase).progress(progress).created(now);
    let success = |at| task("Success", 100).created(at).completed(at);
    let fails = |fault| scene.cloud.set_fault(&cluster(name), fault).unwrap();
    let lists = |tasks: Vec<Task>| scene.cloud.set_tasks(&cluster(name), tasks);
    lists(vec![]);
    match name {
        "failed" => lists(vec![task("Failed", 62)]),
        "stale" => lists(vec![success(now - SignedDuration::from_hours(1))]),
        "stuck" => lists(vec![task("Running", 40)]),
        "none" | "missing" | "refused" | "unreachable" | "paused" => {}
        "throttled" => fails(Fault::error(429, "APIGW.0308", "slow down")),
        "unprotected" => scene.cloud.set_upgrades(&cluster(name), [upgrade(now)]),
        // So many that they make a quarter of all requests while their backoff is still short.
        name if name.starts_with("broken-") => fails(Fault::error(500, "CCE.01500001", "internal error")),
        _ => lists(vec![success(now)]),
    }
    match name {
        "failed" | "missing" => json!({}),
        "stale" | "none" => json!({ "maxAge": "10s" }),
        "stuck" => json!({ "stuckAfter": "10s" }),
        "refused" => json!({ "maxAge": "1h", "credentials": { "secretRef": { "name": "wrong" } } }),
        "unreachable" => json!({ "maxAge": "1h", "region": UNREACHABLE }),
        "unprotected" => json!({ "maxAge": "1h", "upgrades": "Watch" }),
        "paused" => json!({ "maxAge": "1h", "suspend": true }),
        _ => json!({ "maxAge": "1h" }),
    }
}

/// The manifest of a watch.
fn manifest(name: &str, spec: &Value) -> Value {
    let mut watch = scene::watch(name, spec);
    watch["spec"]["clusterID"] = json!(cluster(name));
    watch["spec"]["projectID"] = json!(project(name));
    watch["metadata"]["annotations"] = json!({ "cce.backupwatch.io/display-name": display_name(name) });
    watch
}

/// Creates one watch.
pub fn watch(scene: &Scene, name: &str) {
    apply(scene, &[manifest(name, &state(scene, name))]).unwrap();
}

fn apply(scene: &Scene, watches: &[Value]) -> Result<String, String> {
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": watches });
    scene.cluster.kubectl(&scene.namespace, &["apply", "--filename=-"], &list.to_string())
}

/// An upgrade whose step Cluster runs, without a backup before it.
fn upgrade(now: Timestamp) -> Workflow {
    let step = WorkflowStep {
        type_: "Cluster".to_owned(),
        status: Some("Running".to_owned()),
        start_time: Some(now),
        ..WorkflowStep::default()
    };
    Workflow {
        uid: "upgrade".to_owned(),
        phase: Some("Running".to_owned()),
        creation_time: Some(now),
        steps: vec![step],
        ..Workflow::default()
    }
}

/// Removes rules from the definition, because only a loosened one accepts a resource that the operator cannot decode.
fn loosen_definition(scene: &Scene) {
    let kubectl =
        |arguments: &[&str], input: &str| scene.cluster.kubectl("default", arguments, input).unwrap();
    let text = kubectl(&["get", "crd", "clusterbackupwatches.cce.backupwatch.io", "--output=json"], "");
    let mut definition: Value = serde_json::from_str(&text).unwrap();
    let spec = &mut definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    spec.as_object_mut().unwrap().remove("x-kubernetes-validations");
    spec["properties"]["interval"] = json!({ "type": "string" });
    kubectl(&["replace", "--filename=-"], &definition.to_string());
}
