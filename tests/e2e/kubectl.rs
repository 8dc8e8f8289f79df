//! What people and pipelines do with plain kubectl.

use std::thread;

use cbw_testkit::{
    scene::{CLUSTER, Scene, kubectl},
    trial::tests,
};
use cce_backup_watch::api::{Reason, condition::types};
use serde_json::json;

tests![
    kubectl_waits_for_ready_for_a_healthy_backup_and_for_a_phase,
    kubectl_shows_a_watch_in_one_line,
    kubectl_fits_the_worst_line_of_every_reason_into_120_columns,
];

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
    scene.task("Running", 67);
    let _operator = scene.operator().await;
    scene.watch("prod", json!({})).await;
    kubectl(&scene.namespace, &["annotate", "cbw/prod", "cce.backupwatch.io/display-name=测试集群"], "")
        .unwrap();
    scene.shows("prod", "67 %", |status| status.progress == Some(67)).await;
    scene.task("Success", 100);
    scene.shows("prod", "Success", |status| status.phase.as_deref() == Some("Success")).await;
    let table = |arguments: &[&str]| {
        let text = kubectl(&scene.namespace, &[&["get"], arguments].concat(), "").unwrap();
        let cells = |line: &str| {
            line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect()
        };
        text.lines().map(cells).collect::<Vec<Vec<_>>>()
    };
    let short = table(&["cbw"]);
    let columns = ["NAME", "PHASE", "PROGRESS", "HEALTHY", "REASON", "WATCH", "LAST SUCCESS", "AGE"];
    assert_eq!(short[0], columns);
    assert_eq!(short[1][..6], ["prod", "Success", "100", "True", "BackupSucceeded", "Polled"]);
    assert_eq!(short[1].len(), 8, "{short:?}");
    let wide = table(&["cbw", "--output=wide"]);
    assert_eq!(wide[0][..8], columns);
    assert_eq!(wide[0][8..], ["READY", "CLUSTER", "DISPLAY NAME", "UPGRADE"]);
    assert_eq!(wide[1][..6], short[1][..6]);
    assert_eq!(wide[1][8..11], ["True", CLUSTER, "测试集群"]);
    // The category selects the resource as well.
    assert_eq!(table(&["cce"])[0], short[0]);
    let events = table(&["events.events.k8s.io", "--field-selector=reason=BackupSucceeded"]);
    assert_eq!(events.len(), 2, "{events:?}");
    assert!(events[1].iter().any(|cell| cell.starts_with("测试集群: task backup-1 (Success")), "{events:?}");
}

/// No operator runs: the statuses are written as it would write them, one for each reason of Ready.
async fn kubectl_fits_the_worst_line_of_every_reason_into_120_columns(scene: Scene) {
    let reasons = |type_| Reason::ALL.iter().copied().filter(move |reason: &Reason| reason.is_of(type_));
    let longest = reasons(types::BACKUP_HEALTHY).max_by_key(|reason| reason.as_str().len()).unwrap();
    for (number, ready) in reasons(types::READY).enumerate() {
        let name = format!("production-{number:02}");
        scene.watch(&name, json!({})).await;
        let condition = |type_: &str, reason: Reason| {
            json!({
                "type": type_, "status": reason.status().as_str(), "reason": reason.as_str(), "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            })
        };
        let status = json!({
            "phase": "Running", "progress": 100, "lastSuccess": { "uid": "a", "time": "2020-01-01T00:00:00Z" },
            "conditions": [condition(types::READY, ready), condition(types::BACKUP_HEALTHY, longest)],
        });
        scene.edit_status(&name, &status).unwrap();
    }
    let text = kubectl(&scene.namespace, &["get", "cbw"], "").unwrap();
    for reason in reasons(types::READY) {
        assert!(text.contains(&format!(" {reason} ")), "the column Watch says {reason}:\n{text}");
    }
    let widest = text.lines().map(|line| line.trim_end().len()).max().unwrap();
    assert!(widest <= 120, "{widest} columns:\n{text}");
}
