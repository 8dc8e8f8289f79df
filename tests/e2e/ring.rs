//! Shards of a ring: each works only on what the sharder assigns to it. A move makes a poll late by two intervals at
//! most, repeats no Event, and lets no two shards write one resource.

use std::time::Duration;

use cbw_testkit::{
    audit,
    operator::Operator,
    rbac,
    scene::{ACTIVE, Scene, counts, says},
    trial::tests,
    wait::{LIMIT, holds, meanwhile},
};
use futures::future::join_all;
use serde_json::json;

use crate::shared::{
    fleet::Fleet,
    polls::gap_while,
    sharder::{self, RING},
};

tests![
    two_shards_become_three_and_two_again_under_load,
    a_suspended_watch_is_given_up_too,
    a_shard_that_loses_its_lease_ends,
    a_shard_that_was_killed_is_back_at_once,
];

/// The longest time between polls during a move: the interval, two more because of the move, and 10 % of jitter.
const GAP: Duration = ACTIVE.saturating_mul(3).saturating_add(Duration::from_millis(600));

/// Starts an operator as the shard of this name, and waits until the sharder would count it as available.
async fn shard(scene: &Scene, name: &str) -> Operator {
    let flags = ["--sharding-ring", RING, "--lease-namespace", &scene.namespace];
    let operator = Operator::start_with(scene, &flags, &[("HOSTNAME", name)]).await;
    sharder::available(scene, name).await;
    operator.leads(LIMIT).await;
    operator
}

/// Changes the progress while some work is done, so that every poll makes a write.
async fn busy_while<T>(fleet: &Fleet<'_>, from: u8, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    for progress in (from..from + 10).cycle() {
        fleet.moves("Running", progress);
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(Duration::from_millis(300)) => {}
        }
    }
    unreachable!("the progress goes round")
}

async fn two_shards_become_three_and_two_again_under_load(scene: Scene) {
    rbac::grant(&scene, rbac::SHARD).await;
    let _first = shard(&scene, "shard-a").await;
    let _second = shard(&scene, "shard-b").await;
    let fleet = Fleet::create(&scene, 6, "Running", 10).await;
    meanwhile(ACTIVE, async || {
        assert_eq!(scene.cloud.total().accepted, 0, "nobody works on what is assigned to nobody");
    })
    .await;
    let names = &fleet.names;
    for (n, name) in names.iter().enumerate() {
        sharder::assign(&scene, name, ["shard-a", "shard-b"][n % 2]).await;
    }
    fleet.shows(10).await;
    fleet.moves("Running", 30);
    fleet.shows(30).await;

    let moves = async {
        // The new shard gets one watch of each of the others.
        let mut third = shard(&scene, "shard-c").await;
        join_all(names[..2].iter().map(|name| sharder::move_to(&scene, name, "shard-c"))).await;
        holds("the new shard writes", LIMIT, async || {
            names[..2].iter().all(|name| audit::writers(&scene, name).len() == 2)
        })
        .await;
        // The new shard is told to stop, and the watches that it leaves behind are moved at once.
        third.signal("TERM");
        assert_eq!(third.ended(LIMIT).await.code(), Some(0));
        let lease = sharder::lease(&scene, "shard-c").await.unwrap().spec.unwrap();
        assert_eq!(lease.holder_identity.as_deref(), Some(""), "its Lease has no holder any more");
        assert!(lease.acquire_time.is_some() && lease.renew_time.is_some(), "so that it is cleared away");
        for (name, shard) in names[..2].iter().zip(["shard-a", "shard-b"]) {
            sharder::move_left_behind(&scene, name, shard).await;
        }
        holds("the old shards write again", LIMIT, async || {
            names[..2].iter().all(|name| audit::writers(&scene, name).len() == 3)
        })
        .await;
    };
    let (gap, ()) = Box::pin(gap_while(&scene, &fleet.clusters, busy_while(&fleet, 31, moves))).await;
    println!("moves between shards, polls every {ACTIVE:?}: longest time between polls {gap:.1?}");
    assert!(gap <= GAP, "a move may make a poll late by two intervals: {gap:?}");

    fleet.moves("Running", 60);
    fleet.shows(60).await;
    fleet.moves("Success", 100);
    for name in names {
        scene.shows(name, "the end", |status| status.last_success.is_some()).await;
    }
    let expected = counts([("BackupStarted", 1), ("BackupProgressing", 2), ("BackupSucceeded", 1)]);
    for (n, name) in names.iter().enumerate() {
        assert_eq!(scene.reasons(name).await, expected, "{name}");
        let writers = audit::writers(&scene, name);
        assert_eq!(
            writers.len(),
            if n < 2 { 3 } else { 1 },
            "no two shards write {name} by turns: {writers:?}"
        );
    }
}

async fn a_suspended_watch_is_given_up_too(scene: Scene) {
    rbac::grant(&scene, rbac::SHARD).await;
    let (_first, _second) = (shard(&scene, "shard-a").await, shard(&scene, "shard-b").await);
    scene.watch("prod", json!({ "suspend": true })).await;
    sharder::assign(&scene, "prod", "shard-a").await;
    scene.shows("prod", "suspended", |status| says(status, "Ready") == "True Suspended").await;
    sharder::move_to(&scene, "prod", "shard-b").await;
    scene.task("Success", 100);
    scene.change("prod", json!({ "spec": { "suspend": false } })).await;
    scene.shows("prod", "polled", |status| says(status, "Ready") == "True Polled").await;
    assert_eq!(audit::writers(&scene, "prod").len(), 2);
}

async fn a_shard_that_loses_its_lease_ends(scene: Scene) {
    rbac::grant(&scene, rbac::SHARD).await;
    let mut first = shard(&scene, "shard-a").await;
    sharder::take_lease(&scene, "shard-a").await;
    assert_eq!(first.ended(Duration::from_secs(15)).await.code(), Some(1));
    assert!(first.text().contains("the Lease shard-a was lost: its holder is shardlease-controller"));
}

async fn a_shard_that_was_killed_is_back_at_once(scene: Scene) {
    rbac::grant(&scene, rbac::SHARD).await;
    let mut first = shard(&scene, "shard-a").await;
    let before = sharder::available(&scene, "shard-a").await.spec.unwrap();
    first.kill();
    first.restart().await;
    // Sooner than the 15 s for which the Lease of the killed process is valid.
    first.leads(Duration::from_secs(12)).await;
    let after = sharder::available(&scene, "shard-a").await.spec.unwrap();
    assert!(after.acquire_time > before.acquire_time);
    assert_eq!(after.lease_transitions, before.lease_transitions, "its holder is the same");
}
