//! What people and pipelines do with plain kubectl.

use std::thread;

use serde_json::json;

use crate::{
    scene::{Scene, kubectl},
    trial::tests,
};

tests![kubectl_waits_for_ready_for_a_healthy_backup_and_for_a_phase];

async fn kubectl_waits_for_ready_for_a_healthy_backup_and_for_a_phase(scene: Scene) {
    scene.task("Running", 67);
    // They wait from before the first poll on, and each ends on its own.
    scene.watch("prod", json!({})).await;
    let waits =
        ["condition=Ready", "condition=BackupHealthy", "jsonpath={.status.phase}=Success"].map(|what| {
            let (namespace, what) = (scene.namespace.clone(), format!("--for={what}"));
            thread::spawn(move || kubectl(&namespace, &["wait", "cbw/prod", &what, "--timeout=60s"], ""))
        });
    let _operator = scene.operator().await;
    scene.shows("prod", "67 %", |status| status.progress == Some(67)).await;
    let [ready, healthy, success] = waits;
    let met = |wait: thread::JoinHandle<Result<String, String>>| wait.join().unwrap().unwrap();
    assert!(met(ready).contains("condition met"));
    assert!(
        !healthy.is_finished() && !success.is_finished(),
        "a running backup is neither good nor a success"
    );
    scene.task("Success", 100);
    assert!(met(healthy).contains("condition met"));
    assert!(met(success).contains("condition met"));
}
