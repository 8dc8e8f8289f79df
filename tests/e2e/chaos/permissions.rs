//! A permission is taken from the operator while it works, and given back.

use std::time::Duration;

use cbw_testkit::{
    rbac,
    scene::{Scene, ready},
    trial::tests,
    wait::{LIMIT, holds, meanwhile},
};
use serde_json::json;

use crate::shared::twins::Twins;

tests![
    a_permission_for_secrets_that_was_taken_and_given_back_is_told_once_each_way,
    a_permission_for_events_that_was_taken_and_given_back_cost_the_events_of_the_time_between_and_counts_them,
    a_permission_for_statuses_that_was_taken_and_given_back_loses_nothing,
    a_permission_for_statuses_that_comes_back_after_a_minute_is_used_within_half_a_minute,
];

async fn a_permission_for_secrets_that_was_taken_and_given_back_is_told_once_each_way(scene: Scene) {
    let mut twins = Twins::start(scene, 2, &[]).await;
    rbac::take(&twins.scene, "secrets").await;
    // The operator uses a resolved credential for minutes; a requested poll reads the Secret again.
    twins.moved("Running", 30).await;
    twins.recovers().await;
    let request = json!({ "metadata": { "annotations": { "cce.backupwatch.io/requestedAt": "now" } } });
    twins.change("watch-0", &request).await;
    for name in ["watch-0", "watch-1"] {
        let stalled = |status: &_| ready(status) == "False SecretNotFound";
        twins.scene.shows(name, "a Secret that may not be read", stalled).await;
    }
    // The Secret is read again 30 s after the failure, ±10 %, so the permission comes back well before that.
    meanwhile(Duration::from_secs(4), async || {}).await;
    twins.lives().await;
    rbac::give_back(&twins.scene, "secrets").await;
    // Each of the two tells two transitions more, each an Event, a live read and a status; and the Secret is read again.
    twins.afterwards(&[("PollFailed", 1), ("PollRecovered", 1)], 2 * 10).await;
}

async fn a_permission_for_events_that_was_taken_and_given_back_cost_the_events_of_the_time_between_and_counts_them(
    scene: Scene,
) {
    let mut twins = Twins::start(scene, 2, &[]).await;
    rbac::take(&twins.scene, "events").await;
    twins.moved("Pause", 10).await;
    twins.recovers().await;
    let lost = r#"events_total{reason="BackupPhaseChanged",result="error"}"#;
    holds("both are counted", LIMIT, async || twins.operator.metric(lost).await == Some(2.0)).await;
    twins.lives().await;
    rbac::give_back(&twins.scene, "events").await;
    // A refused Event is not retried; each status may have needed one more write.
    twins.afterwards(&[("BackupPhaseChanged", -1)], 2).await;
}

async fn a_permission_for_statuses_that_was_taken_and_given_back_loses_nothing(scene: Scene) {
    // A backoff that doubles from one second makes four tries in this time; jitter may add a fifth.
    without_statuses(scene, Duration::from_secs(10), 5).await;
}

async fn a_permission_for_statuses_that_comes_back_after_a_minute_is_used_within_half_a_minute(scene: Scene) {
    // A backoff that doubles from one second to fifteen makes eight tries in this time; jitter may add a ninth.
    without_statuses(scene, Duration::from_secs(72), 9).await;
}

/// Takes the permission for statuses for the given time, in which the operator may try each of two writes `tries`
/// times.
async fn without_statuses(scene: Scene, time: Duration, tries: usize) {
    let mut twins = Twins::start(scene, 2, &[]).await;
    rbac::revoke(&twins.scene, rbac::STATUS).await;
    twins.moved("Pause", 10).await;
    meanwhile(time, async || {}).await;
    twins.lives().await;
    rbac::grant(&twins.scene, rbac::STATUS).await;
    // Each try is two requests: the Event, which exists already, and the status. There are two watches.
    twins.afterwards(&[], 2 * tries * 2).await;
}
