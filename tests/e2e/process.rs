//! The operator as a process: how it ends, and what it serves.

use std::time::Duration;

use cbw_testkit::{
    api_proxy::ApiProxy,
    audit,
    operator::Operator,
    rbac,
    scene::{CLUSTER, Scene, ready},
    trial::tests,
    wait::{LIMIT, holds, until},
};
use cce_backup_watch::api::ClusterBackupWatch;
use cce_simulator::FaultKind;
use kube::api::DeleteParams;
use serde_json::json;

tests![
    sigterm_ends_it_in_time_with_code_0,
    sigint_ends_it_in_time_with_code_0,
    it_ends_in_time_while_the_cloud_hangs,
    it_ends_in_time_while_the_api_server_hangs,
    it_ends_in_time_while_the_api_server_hangs_and_it_leads,
    it_lives_before_it_is_ready_and_is_ready_once_its_caches_are_filled,
    the_metrics_of_a_watch_come_and_go_with_it,
    it_counts_its_own_work,
    it_asks_the_api_server_for_five_things_and_lists_no_secret,
];

/// How soon after a signal the process must have ended.
const END: Duration = Duration::from_secs(5);

async fn ends(scene: &Scene, signal: &str) {
    let mut operator = scene.operator().await;
    scene.watch("prod", json!({})).await;
    scene.shows("prod", "the first poll", |status| ready(status) == "True Polled").await;
    operator.signal(signal);
    assert_eq!(operator.ended(END).await.code(), Some(0));
}

async fn sigterm_ends_it_in_time_with_code_0(scene: Scene) {
    ends(&scene, "TERM").await;
}

async fn sigint_ends_it_in_time_with_code_0(scene: Scene) {
    ends(&scene, "INT").await;
}

async fn it_ends_in_time_while_the_cloud_hangs(scene: Scene) {
    scene.cloud.set_fault("*", FaultKind::Hang {}).unwrap();
    let mut operator = scene.operator().await;
    scene.watch("prod", json!({})).await;
    holds("a poll is under way", LIMIT, async || scene.cloud.counts(CLUSTER).faulted == 1).await;
    assert_eq!(operator.get("/livez").await.0, 200);
    operator.signal("TERM");
    assert_eq!(operator.ended(END).await.code(), Some(0));
}

async fn it_ends_in_time_while_the_api_server_hangs(scene: Scene) {
    ends_without_a_server(&scene, &[]).await;
}

async fn it_ends_in_time_while_the_api_server_hangs_and_it_leads(scene: Scene) {
    rbac::grant(&scene, rbac::LEASES).await;
    ends_without_a_server(&scene, &["--leader-elect", "--lease-namespace", &scene.namespace]).await;
}

async fn ends_without_a_server(scene: &Scene, flags: &[&str]) {
    let proxy = ApiProxy::start(scene).await;
    let mut operator = Operator::start_through(&proxy, scene, flags).await;
    scene.task("Running", 10);
    scene.watch("prod", json!({})).await;
    scene.shows("prod", "10 %", |status| status.progress == Some(10)).await;
    // Without this reply the operator would wait for the longer interval, and a leader would give up its Lease before
    // it polls.
    let written = r#"status_writes_total{result="success"}"#;
    holds("it has the reply", LIMIT, async || operator.metric(written).await >= Some(1.0)).await;
    proxy.block();
    scene.task("Running", 11);
    // The answer to this poll is never written.
    scene.polled(CLUSTER, 1).await;
    assert_eq!(operator.get("/livez").await.0, 200);
    operator.signal("TERM");
    assert_eq!(operator.ended(END).await.code(), Some(0));
}

async fn it_lives_before_it_is_ready_and_is_ready_once_its_caches_are_filled(scene: Scene) {
    rbac::revoke(&scene, rbac::READS).await;
    let operator = scene.operator().await;
    assert_eq!(operator.get("/livez").await, (200, "ok\n".to_owned()));
    assert_eq!(operator.get("/readyz").await.0, 503);
    rbac::grant(&scene, rbac::READS).await;
    operator.is_ready().await;
    assert_eq!(operator.get("/nothing").await.0, 404);
}

async fn the_metrics_of_a_watch_come_and_go_with_it(scene: Scene) {
    scene.task("Running", 67);
    let mut operator = scene.operator().await;
    scene.watch("prod", json!({ "maxAge": "26h" })).await;
    scene.shows("prod", "67 %", |status| status.progress == Some(67)).await;
    let labels = format!(r#"namespace="{}",name="prod""#, scene.namespace);
    let is = async |operator: &Operator, name: &str, more: &str, value: Option<f64>| {
        operator.exports(&format!("{name}{{{labels}{more}}}"), value).await;
    };
    is(&operator, "backup_progress_ratio", "", Some(0.67)).await;
    is(&operator, "backup_phase", r#",phase="Running""#, Some(1.0)).await;
    is(&operator, "backup_phase", r#",phase="Success""#, Some(0.0)).await;
    is(&operator, "backup_healthy", r#",status="Unknown""#, Some(1.0)).await;
    is(&operator, "ready", r#",status="True""#, Some(1.0)).await;
    is(&operator, "max_age_seconds", "", Some(26.0 * 3600.0)).await;
    is(&operator, "suspended", "", Some(0.0)).await;
    is(&operator, "last_success_timestamp_seconds", "", None).await;
    assert!(operator.metric(&format!("last_poll_timestamp_seconds{{{labels}}}")).await.is_some());

    scene.task("Success", 100);
    let status = scene.shows("prod", "Success", |status| status.last_success.is_some()).await;
    let time = status.last_success.unwrap().time.unwrap().as_duration().as_secs_f64();
    is(&operator, "last_success_timestamp_seconds", "", Some(time)).await;
    is(&operator, "backup_phase", r#",phase="Success""#, Some(1.0)).await;
    is(&operator, "backup_phase", r#",phase="Running""#, Some(0.0)).await;
    is(&operator, "backup_healthy", r#",status="True""#, Some(1.0)).await;

    // After a restart the metrics are rebuilt from the status, even if the cloud is out of reach.
    scene.cloud.set_fault("*", FaultKind::Hang {}).unwrap();
    operator.kill();
    operator.restart().await;
    is(&operator, "last_success_timestamp_seconds", "", Some(time)).await;

    scene.api::<ClusterBackupWatch>().delete("prod", &DeleteParams::default()).await.unwrap();
    holds("its metrics are gone", LIMIT, async || !operator.get("/metrics").await.1.contains(&labels)).await;
}

async fn it_counts_its_own_work(scene: Scene) {
    scene.task("Running", 40);
    let operator = scene.operator().await;
    scene.watch("prod", json!({})).await;
    scene.shows("prod", "the first poll", |status| ready(status) == "True Polled").await;
    for (metric, least) in [
        (r#"api_requests_total{code="200"}"#, 1.0),
        (r#"status_writes_total{result="success"}"#, 1.0),
        (r#"events_total{reason="BackupStarted",result="success"}"#, 1.0),
        (r#"reconcile_total{result="success"}"#, 1.0),
        ("leader", 1.0),
    ] {
        holds(metric, LIMIT, async || operator.metric(metric).await >= Some(least)).await;
    }
    let (_, text) = operator.get("/metrics").await;
    for name in ["reconcile_duration_seconds_bucket", "api_request_duration_seconds_bucket", "build_info"] {
        assert!(text.contains(&format!("cce_backup_watch_{name}")), "{name} is not in:\n{text}");
    }
    assert!(!text.contains("backup-1") && !text.contains("/api/"), "no task and no path is a label:\n{text}");
}

async fn it_asks_the_api_server_for_five_things_and_lists_no_secret(scene: Scene) {
    scene.task("Running", 40);
    let _operator = scene.operator().await;
    scene.watch("prod", json!({})).await;
    scene.shows("prod", "the first poll", |status| ready(status) == "True Polled").await;
    // The runner checks at the end of every test that there is no request of another kind.
    // A request is in the audit log a moment after it is answered.
    let mut requests = until("the write of the status is in the audit log", LIMIT, async || {
        Some(audit::requests(&scene)).filter(|requests| audit::status_writes(requests) > 0)
    })
    .await;
    requests.retain(|kind, _| !kind.ends_with("/status"));
    let expected =
        ["create events", "get secrets", "list clusterbackupwatches", "watch clusterbackupwatches"];
    assert_eq!(requests.into_keys().collect::<Vec<_>>(), expected);
}
