//! Gates: `backups-are-good` of `docs/gitops.md`, which lets a bad backup block, and the Job of `docs/gates/flux.yaml`.

use std::time::Duration;

use cbw_testkit::wait::{LIMIT, holds, meanwhile};
use cbw_testkit::{jobs, operator::Operator, scene::CLUSTER};
use cce_simulator::{Fault, StartFault, Task};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use serde_json::{Value, json};

use super::fleet::Fleet;

const WATCHES: (&str, &str) = ("Kustomization", "backup-watches");
const GATE: (&str, &str) = ("Kustomization", "backups-are-good");
/// Longer than the five seconds between two looks of Flux at what it waits for.
const SEVERAL_LOOKS: Duration = Duration::from_secs(12);

impl Fleet {
    /// Applies the gate. The stories request each reconcile, and the long interval keeps Flux from others.
    async fn add_gate(&self, ready: &str) {
        self.publish("backup-gate", &[]).await;
        self.apply_as(GATE.1, GATE.1, &json!({ "interval": "1h" }));
        self.comes_to_say(GATE.0, GATE.1, ready, "").await;
    }

    /// Makes the watch `prod` again while the cloud lists these tasks, because the one before would rightly keep what it saw.
    async fn anew(&self, tasks: &[Task], says: &str) {
        self.scene.cloud.set_tasks(CLUSTER, tasks.to_vec());
        self.kubectl(&["delete", "clusterbackupwatch/prod"]);
        self.reconcile(WATCHES.0, WATCHES.1).await;
        self.says_of_backup(says).await;
    }

    async fn gate_says(&self, ready: &str) {
        let said = self.reconcile(GATE.0, GATE.1).await;
        assert!(said.starts_with(ready), "not {ready}: {said}");
    }

    /// Which Kustomization the watch `prod` belongs to.
    async fn owner(&self) -> String {
        self.prod().await.labels()["kustomize.toolkit.fluxcd.io/name"].clone()
    }

    /// Commits what an upgrade applies.
    async fn publish_upgrade(&self) {
        let metadata = json!({ "name": "upgrade", "namespace": self.scene.namespace });
        let upgrade = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata });
        self.publish("upgrade", &[upgrade]).await;
    }

    async fn has_upgraded(&self) -> bool {
        self.scene.api::<ConfigMap>().get_opt("upgrade").await.unwrap().is_some()
    }

    async fn upgrades(&self) {
        holds("what waited is applied", LIMIT, async || self.has_upgraded().await).await;
    }
}

/// While there is no backup.
pub async fn waits(fleet: &Fleet, _: &mut Operator) {
    fleet.anew(&[], "Unknown NoBackup").await;
    fleet.publish_upgrade().await;
    fleet.add_gate("Unknown").await;
    fleet.apply_as("upgrade", WATCHES.1, &json!({ "path": "./upgrade", "dependsOn": [{ "name": GATE.1 }] }));
    fleet.waits_for("upgrade", GATE.1).await;
    meanwhile(SEVERAL_LOOKS, async || {
        let said = fleet.said(GATE.0, GATE.1).await;
        assert!(said.starts_with("Unknown") && !fleet.has_upgraded().await, "it waits no longer: {said}");
    })
    .await;
    fleet.backups("Success");
    fleet.says_of_backup("True BackupSucceeded").await;
    fleet.comes_to(GATE.1, "True", &[]).await;
    fleet.upgrades().await;
}

/// Between two reconciles, and without an operator, the gate passes on what it has.
pub async fn blocks(fleet: &Fleet, operator: &mut Operator) {
    fleet.add_gate("True").await;
    fleet.backup_fails().await;
    let said = fleet.said(GATE.0, GATE.1).await;
    assert!(said.starts_with("True "), "between two reconciles it says what it said last: {said}");
    fleet.gate_says("False").await;
    let old = Timestamp::now() - SignedDuration::from_hours(48);
    let stale = Task::new("stale", "Success").created(old).updated(old).completed(old);
    fleet.anew(&[stale], "False BackupStale").await;
    fleet.gate_says("False").await;
    fleet.anew(&[Task::new("fresh", "Success")], "True BackupSucceeded").await;
    fleet.gate_says("True").await;
    operator.kill();
    fleet.backups("Failed");
    fleet.gate_says("True").await;
}

/// Neither while it stands beside the Kustomization of the watches nor when it is deleted.
pub async fn owns_nothing(fleet: &Fleet, _: &mut Operator) {
    fleet.add_gate("True").await;
    assert!(fleet.writes_nothing(2, &[WATCHES, GATE]).await >= 2);
    assert_eq!(fleet.owner().await, WATCHES.1);
    let before = fleet.prod().await.uid();
    fleet.kubectl(&["delete", "kustomization", GATE.1]);
    assert_eq!(fleet.prod().await.uid(), before, "the gate pruned the watch");

    fleet.apply_as("twin", WATCHES.1, &json!({}));
    fleet.comes_to("twin", "True", &[]).await;
    assert_eq!(fleet.owner().await, "twin");
    for name in [WATCHES.1, "twin"] {
        fleet.reconcile("Kustomization", name).await;
        assert_eq!(fleet.owner().await, name);
    }
    fleet.kubectl(&["delete", "kustomization/twin"]);
    assert!(!fleet.has("prod").await, "the page says that this deletes the watch");
}

/// A Job that fails lets nobody through, nor does the name of the next one before it has run.
pub async fn upgrade_waits_for_job(fleet: &Fleet, _: &mut Operator) {
    jobs::prepare(&fleet.scene).await;
    fleet.scene.cloud.set_tasks(CLUSTER, []);
    fleet.scene.cloud.set_start_fault(CLUSTER, StartFault::Refused(Fault::status(403))).unwrap();
    fleet.add_repository("platform");
    fleet.publish_upgrade().await;
    for kustomization in serde_saphyr::from_multiple::<Value>(&fleet.page("gates/flux.yaml")).unwrap() {
        fleet.apply(&kustomization);
    }
    let mut job: Value = serde_saphyr::from_str(&fleet.page("gates/flux-job.yaml")).unwrap();
    for (name, succeeds) in [("backup-before-v1-31", false), ("backup-before-v1-32", true)] {
        job["metadata"]["name"] = name.into();
        fleet.publish("backup", &[job.clone()]).await;
        fleet.waits_for("upgrade", "backup").await;
        if succeeds {
            fleet.backups("Success");
        }
        assert_eq!(jobs::run_pod(&fleet.scene, name).await.code == Some(0), succeeds);
        if succeeds {
            fleet.comes_to("backup", "True", &[]).await;
            fleet.upgrades().await;
        } else {
            fleet.comes_to("backup", "False", &[&format!("{}/{name}", fleet.scene.namespace)]).await;
            assert!(!fleet.has_upgraded().await, "the upgrade began before a backup");
        }
    }
}
