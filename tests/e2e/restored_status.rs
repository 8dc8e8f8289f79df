//! Statuses that somebody else wrote: restored from a backup of etcd or by Velero, edited by hand, or of a form that
//! this operator cannot decode. The operator owns the status, so it corrects it once, and then writes nothing more.

use cbw_testkit::{
    audit,
    scene::{CLUSTER, Scene, kubectl, ready, says},
    trial::tests,
    wait::{LIMIT, holds},
};
use cce_backup_watch::api::{ClusterBackupWatch, condition::types};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

tests![
    a_restored_status_that_is_stalled_is_healed_by_the_next_poll_and_not_written_again,
    a_resource_that_cannot_be_decoded_says_so_and_heals_when_it_is_mended,
];

async fn a_restored_status_that_is_stalled_is_healed_by_the_next_poll_and_not_written_again(scene: Scene) {
    scene.task("Running", 40);
    let _operator = scene.operator().await;
    scene.watch("prod", json!({})).await;
    let before = scene.shows("prod", "40 %", |status| status.progress == Some(40)).await;

    let mut restored = serde_json::to_value(&before).unwrap();
    restored["progress"] = json!(10);
    restored["conditions"].as_array_mut().unwrap().push(json!({
        "type": types::STALLED, "status": "True", "reason": "AuthenticationFailed", "message": "as it once was",
        "lastTransitionTime": "2023-11-25T09:03:46Z", "observedGeneration": 1,
    }));
    let restored = Patch::Merge(json!({ "status": restored }));
    let velero = PatchParams { field_manager: Some("velero".to_owned()), ..PatchParams::default() };
    scene.api::<ClusterBackupWatch>().patch_status("prod", &velero, &restored).await.unwrap();

    let healed = scene
        .shows("prod", "its own status", |status| {
            says(status, types::STALLED).is_empty() && status.progress == Some(40)
        })
        .await;
    assert_eq!(ready(&healed), "True Polled");
    let writes = || audit::status_writes(&audit::requests(&scene));
    let written = writes();
    scene.polled(CLUSTER, 5).await;
    assert_eq!(writes(), written, "nothing is left to be written");
    assert_eq!(scene.status("prod").await, healed);
}

/// The status and reason of a condition. It is read as JSON, because this test cannot decode the resource either.
fn raw_condition(scene: &Scene, name: &str, type_: &str) -> String {
    let resource = kubectl(&scene.namespace, &["get", "cbw", name, "--output=json"], "").unwrap();
    let resource: Value = serde_json::from_str(&resource).unwrap();
    let mut conditions = resource["status"]["conditions"].as_array().into_iter().flatten();
    let condition = conditions.find(|condition| condition["type"] == type_).cloned().unwrap_or_default();
    format!(
        "{} {}",
        condition["status"].as_str().unwrap_or_default(),
        condition["reason"].as_str().unwrap_or_default()
    )
}

async fn a_resource_that_cannot_be_decoded_says_so_and_heals_when_it_is_mended(scene: Scene) {
    scene.task("Running", 10);
    let operator = scene.operator().await;
    scene.watch("prod", json!({})).await;
    scene.shows("prod", "10 %", |status| status.progress == Some(10)).await;

    // The schema accepts this time, but it is beyond the range of the operator's time type, so the resource cannot be
    // decoded.
    scene.edit_status("prod", &json!({ "latestBackupTime": "9999-12-31T23:59:59Z" })).unwrap();
    kubectl(&scene.namespace, &["annotate", "cbw", "prod", "wake=now"], "").unwrap();
    for (type_, expected) in [
        (types::READY, "False InvalidResource"),
        (types::STALLED, "True InvalidResource"),
        (types::BACKUP_HEALTHY, "Unknown PollFailing"),
    ] {
        let is = async || raw_condition(&scene, "prod", type_) == expected;
        holds(&format!("{type_} is {expected}"), LIMIT, is).await;
    }
    operator.exports("undecodable_resources", Some(1.0)).await;

    // The edit that mends the status is all that triggers a reconcile.
    scene.task("Running", 40);
    scene.edit_status("prod", &json!({ "latestBackupTime": null })).unwrap();
    let healed = |status: &_| ready(status) == "True Polled" && says(status, types::STALLED).is_empty();
    let status = scene.shows("prod", "healed", healed).await;
    assert_eq!(status.progress, Some(40));
    operator.exports("undecodable_resources", Some(0.0)).await;
}
