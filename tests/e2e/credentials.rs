//! Credentials that are missing or wrong stall a watch, and the watch heals once they are right.

use std::time::Duration;

use cbw_testkit::{
    operator::Operator,
    scene::{ACCESS_KEY, CLUSTER, SECRET_KEY, Scene, healthy, message, ready, says},
    trial::tests,
};
use cce_backup_watch::api::ClusterBackupWatchStatus;
use k8s_openapi::api::core::v1::Secret;
use kube::api::DeleteParams;
use serde_json::{Value, json};

tests![
    a_wrong_secret_key_stalls_the_watch_with_one_request_until_it_is_corrected,
    a_missing_secret_stalls_the_watch_until_it_is_there,
    an_incomplete_secret_stalls_the_watch_until_it_is_complete,
    a_watch_without_credentials_is_not_allowed_the_operators_own,
    an_unknown_cluster_is_told_and_found_once_it_is_there,
];

/// How soon a corrected Secret must be noticed: it is read again every 30 s, ±10 %; the rest is for a busy machine.
const SECRET_RECHECK: Duration = Duration::from_secs(36);

/// Creates a watch, and waits until it is stalled for a reason.
async fn stalls(scene: &Scene, changes: Value, reason: &str) -> (Operator, ClusterBackupWatchStatus) {
    let operator = scene.operator().await;
    scene.task("Success", 100);
    scene.watch("prod", changes).await;
    let status = scene.shows("prod", reason, |status| ready(status) == format!("False {reason}")).await;
    assert_eq!(says(&status, "Stalled"), format!("True {reason}"));
    assert_eq!(says(&status, "Reconciling"), "", "never both");
    assert_eq!(healthy(&status), "Unknown PollFailing");
    assert_eq!(message(&status, "Stalled"), message(&status, "Ready"));
    assert_eq!(scene.notes("prod", "PollFailed").await.len(), 1);
    (operator, status)
}

async fn heals(scene: &Scene) {
    let status =
        scene.shows_within(SECRET_RECHECK, "prod", "healed", |status| ready(status) == "True Polled").await;
    assert_eq!(healthy(&status), "True BackupSucceeded");
    assert_eq!(says(&status, "Stalled") + &says(&status, "Reconciling"), "");
    assert_eq!(scene.notes("prod", "PollFailed").await.len(), 1);
    assert_eq!(scene.notes("prod", "PollRecovered").await.len(), 1);
}

async fn a_wrong_secret_key_stalls_the_watch_with_one_request_until_it_is_corrected(scene: Scene) {
    let wrong = "canary-wrong-key-0123456789";
    scene.secret("huawei", json!({ "accessKey": ACCESS_KEY, "secretKey": wrong })).await;
    let (operator, status) = stalls(&scene, json!({}), "AuthenticationFailed").await;
    assert_eq!(scene.cloud.counts(CLUSTER).refused, 1, "one poll tells");
    assert!(message(&status, "Ready").contains("check accessKey and secretKey"));
    for n in 0..5 {
        let name = format!("other-{n}");
        scene.watch(&name, json!({ "clusterID": format!("{n:08x}-2222-3333-4444-555555555555") })).await;
        scene.shows(&name, "refused", |status| ready(status) == "False AuthenticationFailed").await;
    }

    scene.secret("huawei", json!({ "accessKey": ACCESS_KEY, "secretKey": SECRET_KEY })).await;
    heals(&scene).await;
    assert_eq!(scene.cloud.total().refused, 1, "Huawei locks a key that is refused five times");

    // Neither the wrong key nor the right one appears in the status, the Events or the log.
    let events = scene.notes("prod", "PollFailed").await.join(" ");
    let seen = format!("{:?} {:?} {events}", scene.status("prod").await, operator.log());
    assert!(!seen.contains(wrong) && !seen.contains(SECRET_KEY), "{seen}");
}

async fn a_missing_secret_stalls_the_watch_until_it_is_there(scene: Scene) {
    let (_operator, status) =
        stalls(&scene, json!({ "credentials": { "secretRef": { "name": "later" } } }), "SecretNotFound")
            .await;
    let said = message(&status, "Ready");
    assert!(
        said.contains(&format!("the namespace {} has no Secret named \"later\"", scene.namespace)),
        "{said}"
    );
    assert!(said.contains("the Secret is read again within 5 minutes"), "{said}");
    assert_eq!(scene.cloud.total().accepted + scene.cloud.total().refused, 0);
    scene.secret("later", json!({ "accessKey": ACCESS_KEY, "secretKey": SECRET_KEY })).await;
    heals(&scene).await;
}

async fn an_incomplete_secret_stalls_the_watch_until_it_is_complete(scene: Scene) {
    scene.api::<Secret>().delete("huawei", &DeleteParams::default()).await.unwrap();
    scene.secret("huawei", json!({ "accessKey": ACCESS_KEY })).await;
    let (_operator, status) = stalls(&scene, json!({}), "SecretInvalid").await;
    assert!(message(&status, "Ready").contains("secretKey"));
    assert_eq!(scene.cloud.total().accepted + scene.cloud.total().refused, 0);
    // White space around a value is no part of it, and a token of nothing else is none.
    let values = json!({ "accessKey": format!("{ACCESS_KEY}\n"), "secretKey": format!(" {SECRET_KEY}\r\n"), "securityToken": "\n" });
    scene.secret("huawei", values).await;
    heals(&scene).await;
}

async fn a_watch_without_credentials_is_not_allowed_the_operators_own(scene: Scene) {
    let (_operator, status) = stalls(&scene, json!({ "credentials": null }), "CredentialsNotAllowed").await;
    assert!(message(&status, "Ready").contains("name a Secret in spec.credentials"));
    assert_eq!(scene.cloud.total().accepted + scene.cloud.total().refused, 0, "no request has left");

    // A new spec is tried at once.
    scene.change("prod", json!({ "spec": { "credentials": { "secretRef": { "name": "huawei" } } } })).await;
    heals(&scene).await;
}

async fn an_unknown_cluster_is_told_and_found_once_it_is_there(scene: Scene) {
    let other = "99999999-2222-3333-4444-555555555555";
    let (_operator, _) = stalls(&scene, json!({ "clusterID": other }), "ClusterNotFound").await;
    scene.cloud.set_tasks(other, [cce_simulator::Task::new("backup-1", "Success")]);
    heals(&scene).await;
}
