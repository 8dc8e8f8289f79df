//! What people and pipelines do with plain kubectl.

use std::thread;

use serde_json::json;

use crate::harness::{
    scene::{CLUSTER, Scene, kubectl},
    trial::tests,
};

tests![kubectl_waits_for_ready_for_a_healthy_backup_and_for_a_phase, kubectl_shows_a_watch_in_one_line,];

async fn kubectl_waits_for_ready_for_a_healthy_backup_and_for_a_phase(scene: Scene) {
    scene.task("Running", 67);
    // The waits begin before the first poll, and each ends when its own condition is met.
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

async fn kubectl_shows_a_watch_in_one_line(scene: Scene) {
    scene.task("Success", 100);
    let _operator = scene.operator().await;
    scene.watch("prod", json!({})).await;
    scene.shows("prod", "Success", |status| status.phase.as_deref() == Some("Success")).await;
    let table = |arguments: &[&str]| {
        let text = kubectl(&scene.namespace, &[&["get"], arguments].concat(), "").unwrap();
        let cells = |line: &str| {
            line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect()
        };
        text.lines().map(cells).collect::<Vec<Vec<_>>>()
    };
    let short = table(&["cbw"]);
    let columns = ["NAME", "PHASE", "PROGRESS", "HEALTHY", "REASON", "READY", "LAST SUCCESS", "AGE"];
    assert_eq!(short[0], columns);
    assert_eq!(short[1][..6], ["prod", "Success", "100", "True", "BackupSucceeded", "True"]);
    assert_eq!(short[1].len(), 8, "{short:?}");
    let wide = table(&["cbw", "--output=wide"]);
    let columns = [
        "NAME",
        "CLUSTER",
        "PHASE",
        "PROGRESS",
        "HEALTHY",
        "REASON",
        "READY",
        "WATCH REASON",
        "LAST SUCCESS",
        "UPGRADE",
        "AGE",
    ];
    assert_eq!(wide[0], columns);
    assert_eq!(
        wide[1][..8],
        ["prod", CLUSTER, "Success", "100", "True", "BackupSucceeded", "True", "Polled"]
    );
    // The category selects the resource as well.
    assert_eq!(table(&["cce"])[0], short[0]);
    let events = table(&["events.events.k8s.io", "--field-selector=reason=BackupSucceeded"]);
    assert_eq!(events.len(), 2, "{events:?}");
}
