//! The port of the probes and the metrics, beside those who mean it no good.

use std::collections::BTreeSet;
use std::time::Duration;

use cbw_testkit::{
    operator::Operator,
    program,
    scene::{CLUSTER, Scene, ready},
    trial::tests,
    wait::{LIMIT, holds},
};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

tests![
    a_crowd_of_silent_connections_keeps_no_probe_no_scrape_and_no_poll_away,
    a_scraper_gets_the_format_that_it_asks_for,
];

/// The file descriptors of the operator, and the connections that are opened to it.
const DESCRIPTORS: usize = 1024;
const CROWD: usize = 1500;

async fn a_crowd_of_silent_connections_keeps_no_probe_no_scrape_and_no_poll_away(scene: Scene) {
    scene.task("Success", 100);
    let operator = scene.operator().await;
    operator.limit_descriptors(DESCRIPTORS);
    scene.watch("prod", json!({ "interval": "10s" })).await;
    scene.shows("prod", "the first poll", |status| ready(status) == "True Polled").await;

    let address = operator.url.strip_prefix("http://").unwrap().to_owned();
    let mut crowd = JoinSet::new();
    for number in 0..CROWD {
        let address = address.clone();
        crowd.spawn(async move {
            loop {
                if let Ok(mut stream) = TcpStream::connect(&address).await {
                    let half = if number % 2 == 0 { "" } else { "GET /metrics HTTP/1.1\r\nHost: x\r\nX: " };
                    let _ = stream.write_all(half.as_bytes()).await;
                    // Until it is closed; then it comes again.
                    let _ = stream.read(&mut [0]).await;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
    }
    let polls = scene.cloud.requests(CLUSTER);
    holds("three polls", LIMIT, async || {
        for probe in ["/livez", "/readyz"] {
            assert_eq!(answered(&operator, probe).await.0, 200, "{probe}");
        }
        let (status, text) = answered(&operator, "/metrics").await;
        assert!(status == 200 && text.contains("cce_backup_watch_ready{"), "{text}");
        let open = operator.descriptors();
        assert!(open < 200, "{open} file descriptors are open");
        scene.cloud.requests(CLUSTER) >= polls + 3
    })
    .await;
    assert_eq!(ready(&scene.status("prod").await), "True Polled");
}

/// What the operator answers, of three tries at most, a while apart, as kubelet gives a probe: on a busy machine a crowd that comes between
/// the connection and its request may take the place of one.
async fn answered(operator: &Operator, path: &str) -> (u16, String) {
    for _ in 1..3 {
        if let Ok(answer) = operator.try_get(path).await {
            return answer;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    operator.get(path).await
}

/// The names of all series and of all families.
fn names(text: &str) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let series = lines.filter_map(|line| line.split([' ', '{']).next());
    let families = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    (series.collect(), families.collect())
}

async fn a_scraper_gets_the_format_that_it_asks_for(scene: Scene) {
    scene.task("Success", 100);
    let operator = scene.operator().await;
    scene.watch("prod", json!({})).await;
    scene.shows("prod", "the first poll", |status| ready(status) == "True Polled").await;
    let is_ready = format!(r#"ready{{namespace="{}",name="prod",status="True"}}"#, scene.namespace);
    operator.exports(&is_ready, Some(1.0)).await;
    let open = scrape(&operator, "application/openmetrics-text").await;
    let text = scrape(&operator, "text/plain;version=0.0.4").await;
    assert_eq!(open.0, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert_eq!(text.0, "text/plain; version=0.0.4; charset=utf-8");
    assert!(open.1.ends_with("# EOF\n"));
    assert!(!text.1.contains("# EOF") && !text.1.contains("# UNIT") && text.1.ends_with('\n'));
    assert_eq!(names(&open.1).0, names(&text.1).0);
    // In the old format a family has the name of its series.
    assert!(names(&open.1).1.contains("cce_backup_watch_reconcile"));
    assert!(names(&text.1).1.contains("cce_backup_watch_reconcile_total"));
}

async fn scrape(operator: &Operator, accept: &str) -> (String, String) {
    let request = program::http().get(format!("{}/metrics", operator.url)).header("accept", accept);
    let response = request.send().await.unwrap();
    (response.headers()["content-type"].to_str().unwrap().to_owned(), response.text().await.unwrap())
}
