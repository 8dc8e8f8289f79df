//! The verdicts on a backup, as time passes by the real clock.

use cbw_testkit::{
    scene::{CLUSTER, Scene, counts, healthy, message, ready, says},
    trial::tests,
    wait::SOON,
};
use cce_simulator::{Item, Task};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

tests![
    a_failed_backup_says_why_and_the_next_success_heals,
    a_success_grows_stale_without_any_change_of_the_api,
    a_backup_without_progress_is_stuck_until_it_moves,
    a_suspended_watch_is_not_polled_until_it_is_resumed,
    a_watch_suspended_from_the_start_says_that_it_was_never_polled,
];

async fn a_failed_backup_says_why_and_the_next_success_heals(scene: Scene) {
    let full = Item { message: Some("no space left on master-2".to_owned()), ..Item::default() };
    // Both end after the watch is made: what was over before is no news.
    let soon = |seconds| Timestamp::now() + SignedDuration::from_secs(seconds);
    let failed = Task::new("backup-1", "Failed").progress(62).item(full).completed(soon(60));
    scene.cloud.set_tasks(CLUSTER, [failed.clone()]);
    let _operator = scene.operator().await;
    scene.watch("prod", json!({})).await;
    let status = scene.shows("prod", "the failure", |status| healthy(status) == "False BackupFailed").await;
    assert_eq!(ready(&status), "True Polled", "the watch itself works");
    assert!(message(&status, "BackupHealthy").contains("no space left on master-2"));
    assert_eq!(status.last_failure.as_ref().unwrap().uid, "backup-1");
    let notes = scene.notes("prod", "BackupFailed").await;
    assert!(notes.len() == 1 && notes[0].contains("no space left on master-2"), "{notes:?}");

    scene
        .cloud
        .set_tasks(CLUSTER, [failed, Task::new("backup-2", "Success").progress(100).completed(soon(120))]);
    let status = scene.shows("prod", "the success", |status| healthy(status) == "True BackupSucceeded").await;
    assert_eq!(status.last_success.unwrap().uid, "backup-2");
    assert_eq!(status.last_failure.unwrap().uid, "backup-1", "it stays on record");
    assert_eq!(scene.notes("prod", "BackupSucceeded").await.len(), 1);
}

async fn a_success_grows_stale_without_any_change_of_the_api(scene: Scene) {
    let ended = Timestamp::now();
    scene.cloud.set_tasks(CLUSTER, [Task::new("backup-1", "Success").completed(ended)]);
    let _operator = scene.operator().await;
    scene.watch("prod", json!({ "interval": "24h", "maxAge": "10s" })).await;
    scene.shows("prod", "a good backup", |status| healthy(status) == "True BackupSucceeded").await;
    scene.shows("prod", "a stale backup", |status| healthy(status) == "False BackupStale").await;
    let age = Timestamp::now().duration_since(ended).as_secs_f64();
    assert!((10.0..15.0).contains(&age), "stale after {age} s");
    assert_eq!(scene.cloud.requests(CLUSTER), 2, "before time alone makes it stale the cloud is asked");
    assert_eq!(scene.notes("prod", "BackupStale").await.len(), 1);

    scene.cloud.set_tasks(CLUSTER, [Task::new("backup-2", "Success")]);
    scene.request("prod", "now").await;
    scene.shows("prod", "a good backup", |status| healthy(status) == "True BackupSucceeded").await;
    scene.shows("prod", "a stale backup", |status| healthy(status) == "False BackupStale").await;
    assert_eq!(scene.notes("prod", "BackupStale").await.len(), 2, "each time is an Event");
}

async fn a_backup_without_progress_is_stuck_until_it_moves(scene: Scene) {
    scene.task("Running", 40);
    let _operator = scene.operator().await;
    scene.watch("prod", json!({ "interval": "1h", "activeInterval": "1h", "stuckAfter": "10s" })).await;
    scene.shows("prod", "a running backup", |status| healthy(status) == "Unknown BackupRunning").await;
    let status = scene.shows("prod", "a stuck backup", |status| healthy(status) == "False BackupStuck").await;
    // Times in the status are whole seconds, so the verdict may come up to a second early.
    let moved = status.tasks.as_ref().unwrap()[0].progress_time.unwrap();
    let still = Timestamp::now().duration_since(moved).as_secs_f64();
    assert!((9.0..15.0).contains(&still), "stuck after {still} s");
    assert_eq!(ready(&status), "True Polled");
    assert_eq!(scene.cloud.requests(CLUSTER), 2, "before time alone makes it stuck the cloud is asked");
    assert_eq!(scene.notes("prod", "BackupStuck").await.len(), 1);

    scene.task("Running", 41);
    scene.request("prod", "now").await;
    scene.shows("prod", "a running backup", |status| healthy(status) == "Unknown BackupRunning").await;
}

async fn a_suspended_watch_is_not_polled_until_it_is_resumed(scene: Scene) {
    scene.task("Running", 40);
    let other = "99999999-2222-3333-4444-555555555555";
    scene.cloud.set_tasks(other, [Task::new("backup-9", "Running").progress(1)]);
    let _operator = scene.operator().await;
    scene.watch("prod", json!({ "interval": "24h" })).await;
    scene.watch("other", json!({ "clusterID": other })).await;
    let before = scene.shows("prod", "40 %", |status| status.progress == Some(40)).await;

    scene.change("prod", json!({ "spec": { "suspend": true } })).await;
    let status = scene.shows("prod", "Suspended", |status| ready(status) == "True Suspended").await;
    assert_eq!((healthy(&status), status.observed_generation), (healthy(&before), Some(2)));
    let polls = scene.cloud.requests(CLUSTER);
    scene.task("Success", 100);
    scene.polled(other, 3).await;
    assert_eq!(scene.cloud.requests(CLUSTER), polls);
    assert_eq!(scene.status("prod").await, status);

    scene.change("prod", json!({ "spec": { "suspend": false } })).await;
    let what = "the success, at once";
    scene.shows_within(SOON, "prod", what, |status| healthy(status) == "True BackupSucceeded").await;
    assert_eq!(scene.reasons("prod").await, counts([("BackupStarted", 1), ("BackupSucceeded", 1)]));
}

async fn a_watch_suspended_from_the_start_says_that_it_was_never_polled(scene: Scene) {
    let _operator = scene.operator().await;
    scene.watch("prod", json!({ "suspend": true })).await;
    let status = scene.shows("prod", "Suspended", |status| ready(status) == "True Suspended").await;
    assert_eq!(healthy(&status), "Unknown NotYetPolled");
    assert_eq!(says(&status, "Reconciling") + &says(&status, "Stalled"), "");
    assert_eq!(scene.cloud.requests(CLUSTER), 0);

    scene.task("Success", 100);
    scene.change("prod", json!({ "spec": { "suspend": false } })).await;
    scene.shows("prod", "the success", |status| healthy(status) == "True BackupSucceeded").await;
}
