//! Keys that change, and keys that are wrong: how many requests a refusal costs, and which watches it affects.

use std::time::{Duration, Instant};

use cbw_testkit::{
    operator::{FAILED_RECONCILES, Operator},
    rbac,
    scene::{ACCESS_KEY, CLUSTER, SECRET_KEY, Scene, counts, ready},
    trial::tests,
    wait::{LIMIT, holds, meanwhile},
};
use cce_backup_watch::api::{ClusterBackupWatch, ClusterBackupWatchStatus};
use cce_simulator::Credential;
use k8s_openapi::api::core::v1::Secret;
use kube::api::DeleteParams;
use serde_json::json;

use crate::shared::fleet::Fleet;

tests![
    a_wrong_key_used_by_twenty_watches_is_refused_less_than_five_times_in_its_first_minute,
    a_wrong_key_never_sees_what_another_s_fetched_in_any_order,
    a_request_reads_a_changed_secret_at_once,
    a_secret_that_is_deleted_and_created_anew_is_another_one,
    a_wrong_key_is_tried_once_while_the_status_cannot_be_written,
];

/// How soon a changed Secret must be noticed: it is read again every 30 s, ±10 %; the rest is for a busy machine.
const SECRET_RECHECK: Duration = Duration::from_secs(36);

async fn a_wrong_key_used_by_twenty_watches_is_refused_less_than_five_times_in_its_first_minute(
    scene: Scene,
) {
    scene.secret("huawei", json!({ "accessKey": ACCESS_KEY, "secretKey": "wrong-secret-key" })).await;
    let fleet = Fleet::create(&scene, 20, "Running", 10).await;
    let begun = Instant::now();
    let _operator = Operator::start(&scene, &["--account-rate", "100", "--account-burst", "100"]).await;
    for name in &fleet.names {
        let refused = |status: &ClusterBackupWatchStatus| ready(status) == "False AuthenticationFailed";
        scene.shows(name, "refused", refused).await;
    }
    assert!(scene.cloud.total().refused <= 2, "all of them know by the refusal of two");
    let rest = Duration::from_mins(1).saturating_sub(begun.elapsed());
    meanwhile(rest, async || assert!(scene.cloud.total().refused < 5)).await;
}

async fn a_wrong_key_never_sees_what_another_s_fetched_in_any_order(scene: Scene) {
    let other = scene.neighbour().await;
    other.secret("huawei", json!({ "accessKey": ACCESS_KEY, "secretKey": "wrong-secret-key" })).await;
    scene.task("Running", 10);
    let _operator = Operator::start(&scene, &["--watch-namespace", &other.namespace]).await;
    let sees = async |progress| {
        let polled = |status: &ClusterBackupWatchStatus| {
            ready(status) == "True Polled" && status.progress == Some(progress)
        };
        scene.shows("prod", "its own cluster", polled).await;
    };
    let sees_nothing = async || {
        let refused = |status: &ClusterBackupWatchStatus| ready(status) == "False AuthenticationFailed";
        let status = other.shows("prod", "refused", refused).await;
        assert_eq!((status.tasks, status.phase, status.latest_backup_time), (None, None, None));
        assert_eq!(other.reasons("prod").await, counts([("PollFailed", 1)]));
    };

    // The right key first, so that there is an answer that the wrong key must not get.
    scene.watch("prod", json!({})).await;
    sees(10).await;
    other.watch("prod", json!({})).await;
    sees_nothing().await;
    // Both keys at the same time.
    for n in 0..3_u8 {
        scene.task("Running", 20 + n);
        let request = n.to_string();
        tokio::join!(scene.request("prod", &request), other.asks("prod", &request));
        sees(20 + n).await;
        sees_nothing().await;
    }
    // The wrong key first: its refusal must not stop polls with the right key.
    for there in [&scene, &other] {
        there.api::<ClusterBackupWatch>().delete("prod", &DeleteParams::default()).await.unwrap();
    }
    other.watch("second", json!({})).await;
    let refused = |status: &ClusterBackupWatchStatus| ready(status) == "False AuthenticationFailed";
    assert_eq!(other.shows("second", "refused", refused).await.tasks, None);
    scene.watch("prod", json!({})).await;
    sees(22).await;
    let refusals = scene.cloud.counts(CLUSTER).refused;
    scene.task("Running", 50);
    sees(50).await;
    assert_eq!(scene.cloud.counts(CLUSTER).refused, refusals, "nor is it tried for the right one's polls");
    assert_eq!(other.status("second").await.tasks, None);
}

const NEW_ACCESS_KEY: &str = "NEWACCESSKEY00000000";
const NEW_SECRET_KEY: &str = "new-secret-key-0123456789";

/// A watch that polls once an hour, and a cloud that takes the new key instead of the old one.
async fn rotated(scene: &Scene) -> Operator {
    scene.task("Success", 100);
    let operator = scene.operator().await;
    scene.watch("prod", json!({ "interval": "1h" })).await;
    scene.shows("prod", "polled", |status| ready(status) == "True Polled").await;
    scene.cloud.add_credential(Credential::new(NEW_ACCESS_KEY, NEW_SECRET_KEY));
    scene.cloud.remove_credential(ACCESS_KEY);
    operator
}

async fn a_request_reads_a_changed_secret_at_once(scene: Scene) {
    let _operator = rotated(&scene).await;
    scene.secret("huawei", json!({ "accessKey": NEW_ACCESS_KEY, "secretKey": NEW_SECRET_KEY })).await;
    assert_eq!(ready(&scene.asks("prod", "now").await), "True Polled");
    let counts = scene.cloud.counts(CLUSTER);
    assert_eq!((counts.accepted, counts.refused), (2, 0), "the old key was not tried again");
}

async fn a_secret_that_is_deleted_and_created_anew_is_another_one(scene: Scene) {
    let _operator = rotated(&scene).await;
    assert_eq!(ready(&scene.asks("prod", "refused").await), "False AuthenticationFailed");
    scene.api::<Secret>().delete("huawei", &DeleteParams::default()).await.unwrap();
    assert_eq!(ready(&scene.asks("prod", "deleted").await), "False SecretNotFound");
    scene.secret("huawei", json!({ "accessKey": NEW_ACCESS_KEY, "secretKey": NEW_SECRET_KEY })).await;
    scene.shows_within(SECRET_RECHECK, "prod", "healed", |status| ready(status) == "True Polled").await;
    assert_eq!(scene.cloud.counts(CLUSTER).refused, 1);
}

async fn a_wrong_key_is_tried_once_while_the_status_cannot_be_written(scene: Scene) {
    rbac::revoke(&scene, rbac::STATUS).await;
    scene.secret("huawei", json!({ "accessKey": ACCESS_KEY, "secretKey": SECRET_KEY.to_uppercase() })).await;
    let operator = scene.operator().await;
    scene.watch("prod", json!({})).await;
    let failures = async |operator: &Operator| operator.metric(FAILED_RECONCILES).await.unwrap_or_default();
    holds("two failures to write", LIMIT, async || failures(&operator).await >= 2.0).await;
    assert_eq!(scene.cloud.counts(CLUSTER).refused, 1);
    // A request is one more try of the key, and no further one while its echo cannot be written.
    scene.request("prod", "now").await;
    let before = failures(&operator).await;
    holds("one more", LIMIT, async || failures(&operator).await > before).await;
    assert_eq!(scene.cloud.counts(CLUSTER).refused, 2);
    rbac::grant(&scene, rbac::STATUS).await;
    let status = scene.shows("prod", "told", |status| ready(status) == "False AuthenticationFailed").await;
    assert_eq!(status.last_handled_reconcile_at.as_deref(), Some("now"));
    assert_eq!(scene.cloud.counts(CLUSTER).refused, 2);
}
