//! Somebody else writes to the same resources, by right or by mistake: no write is lost, and none stops the operator.

use cbw_testkit::{
    api_proxy::ApiProxy,
    audit,
    operator::Operator,
    scene::{CLUSTER, Scene, kubectl, ready, says},
    trial::tests,
    wait::{LIMIT, SOON, holds},
};
use kube::api::{Patch, PatchParams};
use serde_json::json;

tests![
    a_stale_status_write_is_refused_and_tried_again,
    an_update_is_not_lost_to_a_constant_writer,
    a_condition_of_another_owner_is_left_alone,
    a_resource_that_cannot_be_decoded_stops_no_other,
];

async fn a_stale_status_write_is_refused_and_tried_again(scene: Scene) {
    scene.task("Running", 10);
    let proxy = ApiProxy::start(&scene).await;
    let _operator = Operator::start_through(&proxy, &scene, &[]).await;
    scene.watch("prod", json!({})).await;
    scene.shows("prod", "10 %", |status| status.progress == Some(10)).await;

    // The operator's cache is now behind. Only the labels have changed, so the answer of the cloud is still valid.
    proxy.silence_watches();
    scene.change("prod", json!({ "metadata": { "labels": { "changed": "by-somebody" } } })).await;
    scene.task("Running", 60);
    scene.shows_within(SOON, "prod", "60 %", |status| status.progress == Some(60)).await;
    // The audit log is written a little later than the answers. The operator may also read live before its first write
    // after a start, and then there is no conflict.
    holds("a conflict at most, and then the write", LIMIT, async || {
        [&[200, 409, 200][..], &[200, 200]].contains(&&audit::status_codes(&scene)[..])
    })
    .await;
    assert_eq!(proxy.requests("get clusterbackupwatches"), 1, "one live read for it");
    assert_eq!(scene.notes("prod", "BackupProgressing").await.len(), 1, "nor is its Event made twice");
}

async fn an_update_is_not_lost_to_a_constant_writer(scene: Scene) {
    scene.task("Running", 0);
    let _operator = scene.operator().await;
    scene.watch("prod", json!({})).await;
    let mut n = 0;
    for progress in [10, 30, 55, 80] {
        scene.task("Running", progress);
        holds(&format!("{progress} %"), LIMIT, async || {
            n += 1;
            let patch = json!({ "metadata": { "labels": { "bump": n.to_string() } } });
            let changed = scene.change("prod", patch).await;
            changed.status.unwrap().progress == Some(progress)
        })
        .await;
    }
    assert_eq!(scene.notes("prod", "BackupProgressing").await.len(), 3);
}

async fn a_condition_of_another_owner_is_left_alone(scene: Scene) {
    scene.task("Running", 10);
    let _operator = scene.operator().await;
    scene.watch("prod", json!({})).await;
    scene.shows("prod", "10 %", |status| status.progress == Some(10)).await;
    let theirs = json!({
        "apiVersion": "cce.backupwatch.io/v1alpha1", "kind": "ClusterBackupWatch",
        "status": { "conditions": [{
            "type": "Audited", "status": "True", "reason": "Seen", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }] },
    });
    let api = scene.api::<cce_backup_watch::api::ClusterBackupWatch>();
    api.patch_status("prod", &PatchParams::apply("auditor"), &Patch::Apply(&theirs)).await.unwrap();
    scene.task("Success", 100);
    let status = scene.shows("prod", "Success", |status| status.phase.as_deref() == Some("Success")).await;
    assert_eq!(says(&status, "Audited"), "True Seen");
    assert_eq!(ready(&status), "True Polled");
}

async fn a_resource_that_cannot_be_decoded_stops_no_other(scene: Scene) {
    scene.task("Running", 10);
    let mut operator = scene.operator().await;
    scene.watch("prod", json!({})).await;
    scene.watch("broken", json!({})).await;
    scene.shows("broken", "10 %", |status| status.progress == Some(10)).await;
    // The schema accepts this time, but it is beyond the range of the operator's time type, so the resource cannot be
    // decoded.
    scene.edit_status("broken", &json!({ "latestBackupTime": "9999-12-31T23:59:59Z" })).unwrap();
    kubectl(&scene.namespace, &["annotate", "cbw", "broken", "look=now"], "").unwrap();
    // The metric is there from the start, and 0 until the list has arrived.
    let noticed = async |operator: &Operator| operator.metric("undecodable_resources").await > Some(0.0);
    holds("it is noticed", LIMIT, async || noticed(&operator).await).await;
    let told = operator.log().iter().any(|line| line["level"] == "WARN" && line["name"] == "broken");
    assert!(told, "the log says which one");

    // The resource holds up neither the running operator nor one that starts.
    for progress in [20, 30] {
        scene.task("Running", progress);
        scene.shows("prod", "the next step", |status| status.progress == Some(progress)).await;
        operator.kill();
        operator.restart().await;
        holds("it is noticed again", LIMIT, async || noticed(&operator).await).await;
    }
    operator.is_ready().await;
    scene.edit_status("broken", &json!({ "latestBackupTime": null })).unwrap();
    scene.request("broken", "now").await;
    scene.shows("broken", "30 %, once it is mended", |status| status.progress == Some(30)).await;
    assert!(scene.cloud.requests(CLUSTER) > 0);
}
