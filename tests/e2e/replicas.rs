//! More than one operator: replicas that elect a leader, and two that know nothing of each other.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::harness::{
    operator::Operator,
    rbac,
    scene::Scene,
    trial::tests,
    wait::{LIMIT, until},
};

tests![
    a_standby_takes_over_from_a_killed_leader_and_makes_no_event_twice,
    a_leader_that_is_told_to_stop_gives_the_lease_back,
    a_leader_that_loses_the_lease_ends,
    two_operators_that_know_nothing_of_each_other_make_no_event_twice,
];

fn flags(scene: &Scene) -> [&str; 3] {
    ["--leader-elect", "--lease-namespace", &scene.namespace]
}

async fn leads(operator: &Operator) {
    until("it leads", LIMIT, async || (operator.metric("leader").await == Some(1.0)).then_some(())).await;
}

/// A leader and a standby, and a watch that the leader has seen at 10 %.
async fn replicas(scene: &Scene) -> (Operator, Operator) {
    rbac::grant(scene, rbac::LEASES).await;
    let leader = Operator::start(scene, &flags(scene)).await;
    leads(&leader).await;
    let standby = Operator::start(scene, &flags(scene)).await;
    until("the other is ready", LIMIT, async || (standby.get("/readyz").await.0 == 200).then_some(())).await;
    scene.task("Running", 10);
    scene.watch("prod", json!({})).await;
    scene.shows("prod", "10 %", |status| status.progress == Some(10)).await;
    assert_ne!(standby.metric("leader").await, Some(1.0));
    (leader, standby)
}

async fn a_standby_takes_over_from_a_killed_leader_and_makes_no_event_twice(scene: Scene) {
    let (mut leader, standby) = replicas(&scene).await;
    leader.kill();
    scene.task("Running", 60);
    scene.shows("prod", "60 %", |status| status.progress == Some(60)).await;
    leads(&standby).await;
    scene.task("Success", 100);
    scene.shows("prod", "Success", |status| status.last_success.is_some()).await;
    let expected = [("BackupStarted", 1), ("BackupProgressing", 1), ("BackupSucceeded", 1)];
    assert_eq!(
        scene.reasons("prod").await,
        expected.map(|(reason, count)| (reason.to_owned(), count)).into()
    );
}

async fn a_leader_that_is_told_to_stop_gives_the_lease_back(scene: Scene) {
    let (mut leader, standby) = replicas(&scene).await;
    drop(standby);
    leader.signal("TERM");
    assert_eq!(leader.ended(Duration::from_secs(5)).await.code(), Some(0));
    // A Lease that is not given back holds for 15 s.
    let begun = Instant::now();
    let next = Operator::start(&scene, &flags(&scene)).await;
    leads(&next).await;
    assert!(begun.elapsed() < Duration::from_secs(8), "after {:?}", begun.elapsed());
    scene.task("Running", 11);
    scene.shows("prod", "11 %", |status| status.progress == Some(11)).await;
}

async fn a_leader_that_loses_the_lease_ends(scene: Scene) {
    let (mut leader, standby) = replicas(&scene).await;
    drop(standby);
    let now = Timestamp::now();
    let lease = json!({ "spec": {
        "holderIdentity": "somebody-else", "leaseDurationSeconds": 3600,
        "acquireTime": format!("{now:.6}"), "renewTime": format!("{now:.6}"),
    } });
    let leases = scene.api::<Lease>();
    leases.patch("cce-backup-watch", &PatchParams::default(), &Patch::Merge(lease)).await.unwrap();
    // It looks at the Lease when it renews it, after 10 s.
    assert_eq!(leader.ended(LIMIT).await.code(), Some(1));
    let holder = leases.get("cce-backup-watch").await.unwrap().spec.unwrap().holder_identity;
    assert_eq!(holder.as_deref(), Some("somebody-else"), "it is not taken from who has it");
}

async fn two_operators_that_know_nothing_of_each_other_make_no_event_twice(scene: Scene) {
    scene.task("Init", 0);
    let _operators = (Operator::start(&scene, &[]).await, Operator::start(&scene, &[]).await);
    scene.watch("prod", json!({})).await;
    for (phase, progress) in
        [("Init", 0), ("Running", 10), ("Running", 30), ("Running", 55), ("Success", 100)]
    {
        scene.task(phase, progress);
        scene
            .shows("prod", phase, |status| {
                status.progress == Some(progress) && status.phase.as_deref() == Some(phase)
            })
            .await;
    }
    scene.request("prod", "once more").await;
    scene.shows("prod", "the echo", |status| status.last_handled_reconcile_at.is_some()).await;
    let expected =
        [("BackupStarted", 1), ("BackupPhaseChanged", 1), ("BackupProgressing", 2), ("BackupSucceeded", 1)];
    assert_eq!(
        scene.reasons("prod").await,
        expected.map(|(reason, count)| (reason.to_owned(), count)).into()
    );
}
