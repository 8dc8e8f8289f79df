//! The watches that a Kustomization applies: what it waits for, what fails it, and what becomes of a change.

use std::process::Command;

use cbw_testkit::scene::{ACCESS_KEY, CLUSTER, SECRET_KEY, ready, says};
use cbw_testkit::{operator::Operator, program};
use cce_backup_watch::api::{REQUESTED_AT, condition::types};
use cce_simulator::Task;
use kube::ResourceExt;
use serde_json::json;

use super::fleet::Fleet;

const WATCHES: &str = "backup-watches";
/// A cluster beside that of the watch `prod`.
const STAGING: &str = "66666666-7777-8888-9999-000000000000";

/// Twenty times.
pub async fn unchanged(fleet: &Fleet, _: &mut Operator) {
    assert!(fleet.writes_nothing(20, &[("Kustomization", WATCHES)]).await >= 20);
}

/// At once, and not by a time-out.
pub async fn wrong_key(fleet: &Fleet, _: &mut Operator) {
    fleet.backup_fails().await;
    let said = fleet.reconcile("Kustomization", WATCHES).await;
    assert!(said.starts_with("True "), "{said}");

    fleet.scene.secret("wrong", json!({ "accessKey": ACCESS_KEY, "secretKey": "WRONG" })).await;
    let prod = fleet.watch("prod", "huawei");
    fleet.publish(WATCHES, &[prod.clone(), fleet.watch("refused", "wrong")]).await;
    let refused = format!("{}/refused", fleet.scene.namespace);
    fleet.comes_to(WATCHES, "False", &["failed early due to stalled resources", &refused]).await;
    fleet.scene.shows("refused", "Stalled", |s| says(s, types::STALLED) == "True AuthenticationFailed").await;

    fleet.publish(WATCHES, &[prod]).await;
    fleet.comes_to(WATCHES, "True", &[]).await;
    assert!(!fleet.has("refused").await, "a watch that is no longer in Git is still there");
}

/// One without it stays failed while its watch is Ready.
pub async fn late_secret(fleet: &Fleet, _: &mut Operator) {
    let namespace = &fleet.scene.namespace;
    fleet.publish("neglected", &[fleet.watch("neglected", "late")]).await;
    fleet.publish(WATCHES, &[fleet.watch("prod", "huawei"), fleet.watch("late", "late")]).await;
    fleet.comes_to(WATCHES, "False", &[&format!("{namespace}/late")]).await;
    fleet.apply_as("neglected", WATCHES, &json!({ "retryInterval": null, "path": "./neglected" }));
    fleet.comes_to("neglected", "False", &[&format!("{namespace}/neglected")]).await;

    fleet.scene.secret("late", json!({ "accessKey": ACCESS_KEY, "secretKey": SECRET_KEY })).await;
    for name in ["late", "neglected"] {
        fleet.scene.shows(name, "Ready", |status| ready(status).starts_with("True ")).await;
    }
    fleet.comes_to(WATCHES, "True", &[]).await;
    let said = fleet.said("Kustomization", "neglected").await;
    assert!(said.starts_with("False "), "without retryInterval it says {said}");
}

/// What is forced is another watch, without the record of the one before.
pub async fn immutable_field(fleet: &Fleet, _: &mut Operator) {
    fleet.backup_fails().await;
    fleet.scene.cloud.set_tasks(STAGING, [Task::new("of-staging", "Success")]);
    let before = fleet.prod().await;
    let prod = fleet.watch("prod", "huawei");
    let (mut moved, mut other) = (prod.clone(), fleet.watch("other", "huawei"));
    for watch in [&mut moved, &mut other] {
        watch["spec"]["clusterID"] = STAGING.into();
    }
    fleet.publish(WATCHES, &[moved.clone(), other]).await;
    fleet.comes_to(WATCHES, "False", &["dry-run failed", "is immutable"]).await;
    assert!(!fleet.has("other").await, "a part of the refused commit was applied");
    assert_eq!(fleet.prod().await.spec.cluster_id, CLUSTER);

    fleet.publish(WATCHES, &[prod]).await;
    fleet.comes_to(WATCHES, "True", &[]).await;
    let restored = fleet.prod().await;
    assert_eq!(restored.uid(), before.uid(), "taken back, it is the same watch");
    assert!(restored.status.unwrap().last_failure.is_some(), "and has kept its record");

    fleet.publish(WATCHES, &[moved]).await;
    fleet.comes_to(WATCHES, "False", &["is immutable"]).await;
    fleet.kubectl(&[
        "patch",
        "kustomization",
        WATCHES,
        "--type=merge",
        "--patch={\"spec\": {\"force\": true}}",
    ]);
    fleet.comes_to(WATCHES, "True", &[]).await;
    let forced = fleet.prod().await;
    assert_ne!(forced.uid(), before.uid(), "force makes another watch");
    assert!(forced.status.unwrap().last_failure.is_none(), "which has lost the record");
}

/// What the operator has echoed stays in both cases.
pub async fn poll_now(fleet: &Fleet, _: &mut Operator) {
    let page = fleet.page("gitops.md");
    let section = page.split("\n### Poll now\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let commands: Vec<_> = section.split("\n```").filter_map(|block| block.strip_prefix("sh\n")).collect();
    assert_eq!(commands.len(), 2, "{commands:?}");
    for (command, stays) in commands.into_iter().zip([false, true]) {
        program::run(Command::new("bash").args(["-c", command])).ended(0, "");
        let requested = fleet.prod().await.annotations().get(REQUESTED_AT).cloned();
        assert!(requested.is_some(), "{command} requests nothing");
        fleet.scene.shows("prod", "the echo", |status| status.last_handled_reconcile_at == requested).await;
        fleet.reconcile("Kustomization", WATCHES).await;
        let prod = fleet.prod().await;
        assert_eq!(prod.annotations().contains_key(REQUESTED_AT), stays, "after {command}");
        assert_eq!(prod.status.unwrap().last_handled_reconcile_at, requested, "what was echoed stays");
    }
}
