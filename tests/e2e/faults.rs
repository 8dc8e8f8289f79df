//! A cloud that fails for a while: the failure is reported a minute after the first poll that brought no answer, and the
//! rest of the status stays.

use cbw_testkit::{
    operator::Operator,
    scene::{CLUSTER, Scene, counts, healthy, ready, says},
    trial::tests,
    wait::{LIMIT, holds},
};
use cce_simulator::{Fault, Task};
use serde_json::json;

tests![
    two_failures_in_a_row_change_nothing,
    a_cloud_that_fails_for_a_minute_makes_the_watch_blind_and_forgets_nothing,
];

/// A watch that has seen a success and sees the next backup running.
async fn running(scene: &Scene) -> Operator {
    let tasks =
        [Task::new("backup-2", "Running").progress(30), Task::new("backup-1", "Success").progress(100)];
    scene.cloud.set_tasks(CLUSTER, tasks);
    let operator = scene.operator().await;
    scene.watch("prod", json!({})).await;
    scene.shows("prod", "30 %", |status| status.progress == Some(30)).await;
    operator
}

async fn two_failures_in_a_row_change_nothing(scene: Scene) {
    let _operator = running(&scene).await;
    let before = scene.status("prod").await;
    scene.cloud.set_fault(CLUSTER, Fault::status(503).times(2)).unwrap();
    holds("two failures and answers after them", LIMIT, async || {
        let counts = scene.cloud.counts(CLUSTER);
        counts.faulted == 2 && counts.accepted >= 5
    })
    .await;
    assert_eq!(scene.status("prod").await, before);
    assert_eq!(scene.reasons("prod").await, counts([("BackupStarted", 1)]));
}

async fn a_cloud_that_fails_for_a_minute_makes_the_watch_blind_and_forgets_nothing(scene: Scene) {
    let _operator = running(&scene).await;
    let before = scene.status("prod").await;
    scene.cloud.set_fault(CLUSTER, Fault::status(503)).unwrap();
    let blind = scene.shows("prod", "blind", |status| ready(status) == "False CloudUnavailable").await;
    let refused = scene.cloud.counts(CLUSTER).faulted;
    assert_eq!(healthy(&blind), "Unknown PollFailing");
    assert_eq!(says(&blind, "Reconciling"), "True CloudUnavailable");
    assert_eq!(says(&blind, "Stalled"), "");
    let mut known = blind.clone();
    known.conditions.clone_from(&before.conditions);
    assert_eq!(known, before, "tasks, phase, progress and lastSuccess stay");
    assert_eq!(scene.notes("prod", "PollFailed").await.len(), 1);

    // Further failures make no further Event.
    holds("another failure", LIMIT, async || scene.cloud.counts(CLUSTER).faulted > refused).await;
    assert_eq!(scene.status("prod").await, blind);

    // Whoever knows that the cloud is back need not wait for the backoff, which has doubled for a minute.
    scene.cloud.clear_fault(CLUSTER);
    scene.request("prod", "it is back").await;
    let seeing = scene.shows("prod", "seeing again", |status| ready(status) == "True Polled").await;
    assert_eq!(
        (healthy(&seeing), says(&seeing, "Reconciling")),
        ("True BackupSucceeded".into(), String::new())
    );
    assert_eq!(
        scene.reasons("prod").await,
        counts([("BackupStarted", 1), ("PollFailed", 1), ("PollRecovered", 1)])
    );
}
