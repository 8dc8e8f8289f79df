//! Of two operators one works. The other takes over when it ends, or when it is killed.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use serde_json::json;

use crate::{
    audit,
    operator::Operator,
    scene::{CLUSTER, Scene, kubectl, ready},
    trial::tests,
    wait::{LIMIT, meanwhile, until},
};

tests![
    a_standby_takes_over_when_the_leader_is_killed,
    a_standby_takes_over_at_once_when_the_leader_ends,
    a_leader_that_loses_its_lease_ends,
];

/// A Lease holds for 15 s; the rest is for a busy machine.
const LEASE: Duration = Duration::from_secs(15 + 10);

const RIGHTS: &str = r"
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: leases}
rules: [{apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get, create, update, patch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: leases}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: leases}
subjects: [{kind: ServiceAccount, name: operator}]
";

async fn replica(scene: &Scene, name: &str) -> Operator {
    let flags = ["--leader-elect", "--lease-namespace", &scene.namespace, "--lease-name", "cbw"];
    Operator::start_as(&format!("{}-{name}", scene.test), None, scene, &flags, &[("HOSTNAME", name)]).await
}

async fn leads(operator: &Operator) {
    until("it leads", LIMIT, async || operator.metric("leader").await.filter(|leads| *leads > 0.0)).await;
}

/// Gives the operators of a scene what they need to elect one.
pub fn may_elect(scene: &Scene) {
    audit::elects(&scene.namespace);
    let rights =
        RIGHTS.replace("name: operator}", &format!("name: operator, namespace: {}}}", scene.namespace));
    kubectl(&scene.namespace, &["apply", "--filename", "-"], &rights).unwrap();
}

/// A leader at work, and a standby.
async fn two(scene: &Scene) -> (Operator, Operator) {
    may_elect(scene);
    scene.task("Running", 10);
    let leader = replica(scene, "first").await;
    leads(&leader).await;
    let standby = replica(scene, "second").await;
    until("a standby is ready", LIMIT, async || (standby.get("/readyz").await.0 == 200).then_some(())).await;
    scene.watch("prod", json!({})).await;
    scene.shows("prod", "10 %", |status| status.progress == Some(10)).await;
    assert_eq!(standby.metric("leader").await, Some(0.0));
    assert_eq!(
        standby.metric(r#"reconcile_total{result="success"}"#).await,
        Some(0.0),
        "a standby only waits"
    );
    (leader, standby)
}

async fn works(scene: &Scene, standby: &Operator) {
    leads(standby).await;
    scene.task("Success", 100);
    let status = scene.shows("prod", "the end", |status| status.phase.as_deref() == Some("Success")).await;
    assert_eq!(ready(&status), "True Polled");
    let expected = [("BackupStarted".to_owned(), 1), ("BackupSucceeded".to_owned(), 1)];
    assert_eq!(scene.reasons("prod").await, expected.into());
    assert_eq!(standby.get("/readyz").await.0, 200);
}

async fn a_standby_takes_over_when_the_leader_is_killed(scene: Scene) {
    let (mut leader, standby) = two(&scene).await;
    leader.kill();
    let polls = scene.cloud.requests(CLUSTER);
    // Not before the Lease has run out: it cannot know.
    meanwhile(Duration::from_secs(4), async || assert_eq!(scene.cloud.requests(CLUSTER), polls)).await;
    let takes_over = async || standby.metric("leader").await.filter(|leads| *leads > 0.0);
    until("the standby leads", LEASE, takes_over).await;
    works(&scene, &standby).await;
}

async fn a_standby_takes_over_at_once_when_the_leader_ends(scene: Scene) {
    let (mut leader, standby) = two(&scene).await;
    leader.signal("TERM");
    assert_eq!(leader.ended(Duration::from_secs(5)).await.code(), Some(0));
    let lease = scene.api::<Lease>().get("cbw").await.unwrap();
    let holder = lease.spec.unwrap().holder_identity.unwrap_or_default();
    assert!(!holder.starts_with("first"), "{holder} gave it back");
    works(&scene, &standby).await;
}

async fn a_leader_that_loses_its_lease_ends(scene: Scene) {
    let (mut leader, standby) = two(&scene).await;
    drop(standby);
    let now = jiff::Timestamp::now();
    let patch = json!({ "spec": {
        "holderIdentity": "somebody-else", "leaseDurationSeconds": 3600,
        "acquireTime": format!("{now:.6}"), "renewTime": format!("{now:.6}"),
    } });
    let patch = ["patch", "lease", "cbw", "--type=merge", "-p", &patch.to_string()];
    kubectl(&scene.namespace, &patch, "").unwrap();
    assert_eq!(leader.ended(LEASE).await.code(), Some(1));
    let lease = scene.api::<Lease>().get("cbw").await.unwrap();
    assert_eq!(lease.spec.unwrap().holder_identity.as_deref(), Some("somebody-else"));
}
