//! The API server is gone for a while, or goes silent: nothing is lost, and nothing waits for ever.

use cbw_testkit::{
    api_proxy::ApiProxy,
    operator::{FAILED_RECONCILES, Operator},
    rbac,
    scene::{CLUSTER, Scene, healthy, ready},
    trial::tests,
    wait::{LIMIT, holds},
};
use serde_json::json;

use crate::shared::fleet::Fleet;

tests![
    an_api_server_that_goes_silent_holds_nothing_up_for_ever,
    a_backup_that_ends_while_the_api_server_is_gone_is_told_once_it_is_back,
    events_that_cannot_be_written_hold_up_no_status,
];

/// Whether a line of the log has a message that begins so.
fn says(line: &serde_json::Value, message: &str) -> bool {
    line["message"].as_str().is_some_and(|text| text.starts_with(message))
}

async fn a_backup_that_ends_while_the_api_server_is_gone_is_told_once_it_is_back(scene: Scene) {
    let proxy = ApiProxy::start(&scene).await;
    scene.task("Running", 60);
    let operator = Operator::start_through(&proxy, &scene, &[]).await;
    scene.watch("prod", json!({})).await;
    scene.shows("prod", "60 %", |status| status.progress == Some(60)).await;

    // Wait until the operator has the answer to its write, which the cut would otherwise lose.
    let written = r#"status_writes_total{result="success"}"#;
    holds("the answer to the write", LIMIT, async || operator.metric(written).await >= Some(1.0)).await;
    proxy.cut();
    scene.task("Success", 100);
    let failed = async |count| operator.metric(FAILED_RECONCILES).await >= Some(count);
    holds("a failure to write", LIMIT, async || failed(1.0).await).await;
    let polls = scene.cloud.requests(CLUSTER);
    holds("more of them", LIMIT, async || failed(3.0).await).await;
    let told = operator.log().iter().filter(|line| says(line, "cannot reconcile")).count();
    assert_eq!(told, 1, "one line for a change of state, not for each try");
    assert!(scene.cloud.requests(CLUSTER) <= polls + 5, "the cloud is not asked more often for that");
    assert_eq!(operator.get("/livez").await.0, 200, "a restart would mend nothing");

    proxy.reopen();
    let status = scene.shows("prod", "the end", |status| healthy(status) == "True BackupSucceeded").await;
    assert_eq!((ready(&status), status.progress), ("True Polled".into(), Some(100)));
    let expected = [("BackupProgressing", 0), ("BackupStarted", 1), ("BackupSucceeded", 1)];
    let counts = scene.reasons("prod").await;
    for (reason, count) in expected {
        assert_eq!(counts.get(reason).copied().unwrap_or_default(), count, "{reason}: {counts:?}");
    }
    // The watch of resources works again, so that new ones are seen.
    scene.watch("second", json!({})).await;
    scene.shows("second", "polled", |status| ready(status) == "True Polled").await;
}

async fn an_api_server_that_goes_silent_holds_nothing_up_for_ever(scene: Scene) {
    let proxy = ApiProxy::start(&scene).await;
    let fleet = Fleet::create(&scene, 3, "Running", 10).await;
    let operator = Operator::start_through(&proxy, &scene, &["--concurrency", "1"]).await;
    fleet.shows(10).await;
    // Wait until the operator's cache has its own writes; a cache that is behind is the subject of another test.
    for name in &fleet.names {
        let heard = format!(r#"backup_progress_ratio{{namespace="{}",name="{name}"}}"#, scene.namespace);
        holds("it is in the cache", LIMIT, async || operator.metric(&heard).await > Some(0.0)).await;
    }
    proxy.block();
    fleet.moves("Running", 20);
    // Once the operator has given up a request, the network works again, but not on the connections that were open.
    let given_up = async || operator.log().iter().any(|line| says(line, "cannot reconcile"));
    holds("a request is given up", LIMIT, given_up).await;
    proxy.reopen();
    fleet.shows(20).await;
}

async fn events_that_cannot_be_written_hold_up_no_status(scene: Scene) {
    rbac::take(&scene, "events").await;
    scene.task("Running", 10);
    let operator = scene.operator().await;
    scene.watch("prod", json!({})).await;
    for progress in [10, 30, 60] {
        scene.task("Running", progress);
        scene.shows("prod", "progress", |status| status.progress == Some(progress)).await;
    }
    let failed = r#"events_total{reason="BackupProgressing",result="error"}"#;
    operator.exports(failed, Some(2.0)).await;
    let told = operator.log().iter().filter(|line| says(line, "cannot publish an Event")).count();
    assert_eq!((told, scene.reasons("prod").await.len()), (3, 0));
}
