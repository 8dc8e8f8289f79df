//! More than one operator: replicas that elect a leader, and two that know nothing of each other.

use std::time::{Duration, Instant};

use cbw_testkit::{
    api_proxy::ApiProxy,
    operator::Operator,
    rbac,
    scene::{CLUSTER, Scene, counts},
    trial::tests,
    wait::{LIMIT, holds},
};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::shared::polls::gap_while;

tests![
    a_standby_takes_over_from_a_killed_leader_and_makes_no_event_twice,
    a_standby_takes_over_at_once_from_a_leader_that_is_told_to_stop,
    a_leader_that_is_told_to_stop_gives_the_lease_back,
    a_leader_that_loses_the_lease_ends,
    a_leader_whose_lease_is_deleted_ends_and_the_standby_takes_over,
    a_leader_that_is_cut_off_ends_before_its_lease_does,
    a_leader_that_was_frozen_writes_nothing_when_it_wakes_up,
    two_operators_that_know_nothing_of_each_other_make_no_event_twice,
];

const LEASE: &str = "cce-backup-watch";
/// How soon a standby leads after a clean stop, as the documentation promises.
const HANDOVER: Duration = Duration::from_secs(2);
/// How soon a standby leads after the leader was killed: the Lease of the leader has to expire.
const TAKEOVER: Duration = Duration::from_secs(20);
/// How soon a leader that cannot renew its Lease must have ended: it works for 10 s without a renewal, and has 5 s to
/// end.
const DEADLINE: Duration = Duration::from_secs(10 + 5);

fn flags(scene: &Scene) -> [&str; 3] {
    ["--leader-elect", "--lease-namespace", &scene.namespace]
}

/// A leader and a standby, and a watch that the leader has seen at 10 %.
async fn replicas(scene: &Scene) -> (Operator, Operator) {
    rbac::grant(scene, rbac::LEASES).await;
    let leader = Operator::start(scene, &flags(scene)).await;
    with_standby(scene, leader).await
}

async fn with_standby(scene: &Scene, leader: Operator) -> (Operator, Operator) {
    leader.leads(LIMIT).await;
    let standby = Operator::start(scene, &flags(scene)).await;
    standby.is_ready().await;
    scene.task("Running", 10);
    scene.watch("prod", json!({})).await;
    scene.shows("prod", "10 %", |status| status.progress == Some(10)).await;
    assert_ne!(standby.metric("leader").await, Some(1.0));
    (leader, standby)
}

/// Waits until the watch shows a progress that only the current leader can have seen.
async fn goes_on(scene: &Scene, progress: u8) {
    scene.task("Running", progress);
    scene.shows("prod", "progress", |status| status.progress == Some(progress)).await;
}

async fn a_standby_takes_over_from_a_killed_leader_and_makes_no_event_twice(scene: Scene) {
    let (mut leader, standby) = replicas(&scene).await;
    let (gap, took) = gap_while(&scene, &[CLUSTER], async {
        leader.kill();
        let took = standby.leads(TAKEOVER).await;
        goes_on(&scene, 60).await;
        took
    })
    .await;
    println!(
        "kill -9 of the leader: the standby leads after {took:.1?}, longest time between polls {gap:.1?}"
    );
    scene.task("Success", 100);
    scene.shows("prod", "Success", |status| status.last_success.is_some()).await;
    assert_eq!(
        scene.reasons("prod").await,
        counts([("BackupStarted", 1), ("BackupProgressing", 1), ("BackupSucceeded", 1)])
    );
}

async fn a_standby_takes_over_at_once_from_a_leader_that_is_told_to_stop(scene: Scene) {
    let (mut leader, standby) = replicas(&scene).await;
    let (gap, took) = gap_while(&scene, &[CLUSTER], async {
        leader.signal("TERM");
        let took = standby.leads(HANDOVER).await;
        goes_on(&scene, 11).await;
        took
    })
    .await;
    println!(
        "clean stop of the leader: the standby leads after {took:.1?}, longest time between polls {gap:.1?}"
    );
    assert_eq!(leader.ended(LIMIT).await.code(), Some(0));

    let lease = scene.api::<Lease>().get(LEASE).await.unwrap();
    let holder = lease.spec.unwrap().holder_identity.unwrap();
    let managers = lease.metadata.managed_fields.unwrap_or_default();
    let is_its_own =
        managers.iter().filter_map(|entry| entry.manager.as_ref()).any(|it| it.ends_with(&holder));
    assert!(is_its_own, "each replica is a field manager of its own: {holder} of {managers:?}");
}

async fn a_leader_that_is_told_to_stop_gives_the_lease_back(scene: Scene) {
    let (mut leader, standby) = replicas(&scene).await;
    drop(standby);
    leader.signal("TERM");
    assert_eq!(leader.ended(Duration::from_secs(5)).await.code(), Some(0));
    // A Lease that is not released is valid for 15 s.
    let begun = Instant::now();
    let next = Operator::start(&scene, &flags(&scene)).await;
    next.leads(LIMIT).await;
    assert!(begun.elapsed() < Duration::from_secs(12), "after {:?}", begun.elapsed());
    goes_on(&scene, 11).await;
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
    leases.patch(LEASE, &PatchParams::default(), &Patch::Merge(lease)).await.unwrap();
    assert_eq!(leader.ended(DEADLINE).await.code(), Some(1));
    assert!(leader.text().contains("the Lease cce-backup-watch was lost: its holder is somebody-else"));
    let holder = leases.get(LEASE).await.unwrap().spec.unwrap().holder_identity;
    assert_eq!(holder.as_deref(), Some("somebody-else"), "it is not taken from who has it");
}

async fn a_leader_whose_lease_is_deleted_ends_and_the_standby_takes_over(scene: Scene) {
    let (mut leader, standby) = replicas(&scene).await;
    scene.api::<Lease>().delete(LEASE, &DeleteParams::default()).await.unwrap();
    assert_eq!(leader.ended(DEADLINE).await.code(), Some(1));
    standby.leads(LIMIT).await;
    goes_on(&scene, 11).await;
}

async fn a_leader_that_is_cut_off_ends_before_its_lease_does(scene: Scene) {
    rbac::grant(&scene, rbac::LEASES).await;
    let proxy = ApiProxy::start(&scene).await;
    let leader = Operator::start_through(&proxy, &scene, &flags(&scene)).await;
    let (mut leader, standby) = with_standby(&scene, leader).await;
    proxy.block();
    assert_eq!(leader.ended(DEADLINE).await.code(), Some(1));
    assert_ne!(standby.metric("leader").await, Some(1.0), "the Lease is not free yet");
    assert!(leader.text().contains("could not be renewed"));
    standby.leads(TAKEOVER).await;
    goes_on(&scene, 11).await;
}

async fn a_leader_that_was_frozen_writes_nothing_when_it_wakes_up(scene: Scene) {
    rbac::grant(&scene, rbac::LEASES).await;
    let proxy = ApiProxy::start(&scene).await;
    let leader = Operator::start_through(&proxy, &scene, &flags(&scene)).await;
    let (mut leader, standby) = with_standby(&scene, leader).await;

    // The leader is frozen while an answer is on its way that would make an Event: 25 % was reached. It is one that takes
    // long: a poll from before has been answered.
    scene.cloud.set_latency(Duration::from_secs(5));
    scene.polled(CLUSTER, 1).await;
    let polls = async || leader.metric_sum("polls_in_flight").await > 0.0;
    holds("no poll", LIMIT, async || !polls().await).await;
    scene.task("Running", 30);
    holds("a poll", LIMIT, polls).await;
    leader.signal("STOP");
    scene.polled(CLUSTER, 1).await;
    scene.cloud.set_latency(Duration::ZERO);
    let written = |kind| proxy.requests(kind);
    let before = (written("create events"), written("update clusterbackupwatches/status"));

    scene.task("Running", 60);
    standby.leads(TAKEOVER).await;
    scene.shows("prod", "60 %", |status| status.progress == Some(60)).await;
    leader.signal("CONT");
    assert_eq!(leader.ended(LIMIT).await.code(), Some(1));
    assert_eq!(before, (written("create events"), written("update clusterbackupwatches/status")));
    assert_eq!(
        scene.reasons("prod").await,
        counts([("BackupStarted", 1), ("BackupProgressing", 1)]),
        "nobody tells that 25 % was reached once 60 % was"
    );
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
    scene.asks("prod", "once more").await;
    assert_eq!(
        scene.reasons("prod").await,
        counts([
            ("BackupStarted", 1),
            ("BackupPhaseChanged", 1),
            ("BackupProgressing", 2),
            ("BackupSucceeded", 1)
        ])
    );
}
