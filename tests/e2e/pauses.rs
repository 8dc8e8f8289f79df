//! Retry-After: no request leaves before it is over, and an absurd value is clamped.

use std::time::{Duration, Instant};

use cbw_testkit::{
    scene::{CLUSTER, Scene, ready},
    trial::tests,
    wait::{LIMIT, holds, meanwhile, until},
};
use cce_simulator::Fault;
use futures::future::join_all;
use serde_json::json;

use crate::shared::fault_table::cluster;

tests![
    no_request_leaves_before_retry_after_is_over,
    one_refusal_is_one_failure_however_long_it_holds,
    a_request_during_retry_after_is_echoed_and_sends_nothing,
    an_absurd_retry_after_is_clamped,
];

/// How late this test may see a request.
const LAG: Duration = Duration::from_millis(100);

fn throttled(retry_after: &str) -> Fault {
    Fault::error(429, "APIGW.0308", "throttled").header("Retry-After", retry_after)
}

/// Waits until the cloud has had `count` requests for a cluster, and returns the time.
async fn requests(scene: &Scene, cluster: &str, count: u64) -> Instant {
    let seen = async || (scene.cloud.requests(cluster) >= count).then(Instant::now);
    until(&format!("{count} requests"), LIMIT, seen).await
}

async fn no_request_leaves_before_retry_after_is_over(scene: Scene) {
    const PAUSE: Duration = Duration::from_secs(6);
    scene.task("Running", 10);
    let _operator = scene.operator().await;
    // Two watches of one cluster, which share a refusal as they share an answer.
    for name in ["one", "two"] {
        scene.watch(name, json!({})).await;
        scene.shows(name, "polled", |status| ready(status) == "True Polled").await;
    }
    scene.cloud.set_fault(CLUSTER, throttled("6").times(1)).unwrap();
    let struck = async || (scene.cloud.counts(CLUSTER).faulted == 1).then(Instant::now);
    let at = until("the refusal", LIMIT, struck).await;
    let count = scene.cloud.requests(CLUSTER);
    let next = requests(&scene, CLUSTER, count + 1).await;
    assert!(next - at + LAG >= PAUSE, "the next request left after {:?}", next - at);
    assert!(next - at < PAUSE + Duration::from_secs(4), "and not for long after that: {:?}", next - at);
}

async fn one_refusal_is_one_failure_however_long_it_holds(scene: Scene) {
    let _operator = scene.operator().await;
    // Eight watches, so that a timer that sometimes fires early is likely to be caught.
    join_all((0..8).map(async |n| {
        let (name, cluster) = (format!("watch-{n}"), cluster(n));
        scene.cloud.set_tasks(&cluster, [cce_simulator::Task::new("backup-1", "Running").progress(10)]);
        // Each in an account of its own, because a 429 pauses the whole account.
        let spec = json!({ "clusterID": cluster, "projectID": format!("{n:032x}") });
        scene.watch(&name, spec).await;
        scene.shows(&name, "polled", |status| ready(status) == "True Polled").await;
        scene.cloud.set_fault(&cluster, throttled("3").times(2)).unwrap();
        holds("an answer after two refusals", LIMIT, async || {
            let counts = scene.cloud.counts(&cluster);
            counts.faulted == 2 && counts.accepted >= 4
        })
        .await;
        assert_eq!(scene.notes(&name, "PollFailed").await, [""; 0], "two are not three");
    }))
    .await;
}

async fn a_request_during_retry_after_is_echoed_and_sends_nothing(scene: Scene) {
    scene.task("Running", 10);
    let _operator = scene.operator().await;
    scene.watch("prod", json!({})).await;
    scene.shows("prod", "polled", |status| ready(status) == "True Polled").await;
    scene.cloud.set_fault(CLUSTER, throttled("3600").times(1)).unwrap();
    holds("the refusal", LIMIT, async || scene.cloud.counts(CLUSTER).faulted == 1).await;
    let count = scene.cloud.requests(CLUSTER);
    scene.asks("prod", "now").await;
    meanwhile(Duration::from_secs(5), async || assert_eq!(scene.cloud.requests(CLUSTER), count)).await;
}

async fn an_absurd_retry_after_is_clamped(scene: Scene) {
    let _operator = scene.operator().await;
    let absurd = [
        "0",
        "-5",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "99999999999999999999999",
        "Fri, 31 Dec 9999 23:59:59 GMT",
    ];
    join_all(absurd.iter().enumerate().map(async |(n, retry_after)| {
        let (name, cluster) = (format!("watch-{n}"), cluster(n));
        scene.cloud.set_tasks(&cluster, []);
        scene.cloud.set_fault(&cluster, throttled(retry_after)).unwrap();
        let spec = json!({ "clusterID": cluster, "projectID": format!("{n:032x}") });
        scene.watch(&name, spec).await;
        let mut last = requests(&scene, &cluster, 1).await;
        if n > 2 {
            // These are clamped to an hour, which is too long to wait for here; unit tests of the parser show the
            // clamp.
            meanwhile(Duration::from_secs(8), async || assert_eq!(scene.cloud.requests(&cluster), 1)).await;
            return;
        }
        for count in 2..5 {
            let next = requests(&scene, &cluster, count).await;
            let gap = next - last;
            assert!(gap + LAG >= Duration::from_secs(1), "{retry_after}: asked again after {gap:?}");
            last = next;
        }
        scene.shows(&name, "told", |status| ready(status) == "False Throttled").await;
    }))
    .await;
}
