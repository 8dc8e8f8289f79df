//! The annotation that asks for a poll now.

use cbw_testkit::{
    scene::{CLUSTER, Scene, ready},
    trial::tests,
    wait::SOON,
};
use cce_backup_watch::api::{ClusterBackupWatchStatus, condition::types};
use cce_simulator::Fault;
use serde_json::json;

tests![
    a_request_polls_at_once_and_is_echoed,
    a_request_whose_poll_fails_is_echoed,
    a_request_waits_for_the_end_of_a_suspension,
];

fn echoes(value: &str) -> impl Fn(&ClusterBackupWatchStatus) -> bool {
    move |status| status.last_handled_reconcile_at.as_deref() == Some(value)
}

async fn a_request_polls_at_once_and_is_echoed(scene: Scene) {
    let _operator = scene.operator().await;
    scene.watch("prod", json!({ "interval": "24h" })).await;
    scene.shows("prod", "the first poll", |status| ready(status) == "True Polled").await;
    for (count, value) in ["one", "2026-01-01T00:00:00Z", "one"].into_iter().enumerate() {
        scene.task("Running", u8::try_from(count).unwrap());
        scene.request("prod", value).await;
        let status = scene.shows_within(SOON, "prod", "the echo", echoes(value)).await;
        assert_eq!(status.progress.map(usize::from), Some(count), "the echo comes with the answer");
    }
}

async fn a_request_whose_poll_fails_is_echoed(scene: Scene) {
    let _operator = scene.operator().await;
    scene.watch("prod", json!({ "interval": "24h" })).await;
    let before = scene.shows("prod", "the first poll", |status| ready(status) == "True Polled").await;
    scene.cloud.set_fault(CLUSTER, Fault::status(503)).unwrap();
    scene.request("prod", "now").await;
    let status = scene.shows_within(SOON, "prod", "the echo", echoes("now")).await;
    let (reconciling, verdicts): (Vec<_>, Vec<_>) =
        status.conditions.into_iter().partition(|condition| condition.type_ == types::RECONCILING);
    assert_eq!(verdicts, before.conditions, "one failure does not decide");
    assert_eq!(reconciling[0].reason, "CloudUnavailable", "but who waited for the echo is told of it");

    scene.cloud.clear_fault(CLUSTER);
    scene.request("prod", "again").await;
    let status = scene.shows_within(SOON, "prod", "the echo", echoes("again")).await;
    assert_eq!(status.conditions, before.conditions);
}

async fn a_request_waits_for_the_end_of_a_suspension(scene: Scene) {
    let _operator = scene.operator().await;
    scene.watch("prod", json!({ "interval": "24h", "suspend": true })).await;
    scene.watch("other", json!({ "interval": "24h" })).await;
    scene.shows("prod", "Suspended", |status| ready(status) == "True Suspended").await;
    scene.request("prod", "now").await;
    // A later request to another watch is echoed, so the missing echo of the first is not a delay.
    scene.asks("other", "now").await;
    assert_eq!(scene.status("prod").await.last_handled_reconcile_at, None);

    scene.change("prod", json!({ "spec": { "suspend": false } })).await;
    let status = scene.shows_within(SOON, "prod", "the echo", echoes("now")).await;
    assert_eq!(ready(&status), "True Polled");
}
