//! The request budget of polling: one request to the cloud for each cluster and interval, and none to the API server
//! while nothing changes.

use std::time::{Duration, Instant};

use cbw_testkit::{
    audit,
    operator::Operator,
    scene::{ACCESS_KEY, ACTIVE, CLUSTER, SECRET_KEY, Scene, ready},
    trial::tests,
};
use futures::future;
use serde_json::json;

use crate::shared::fleet::Fleet;

tests![
    thirty_watches_of_one_cluster_cost_one_request_an_interval,
    watches_with_different_secrets_never_share_an_answer,
    fifty_unchanged_watches_over_ten_polls_write_nothing,
    an_account_with_more_to_do_than_its_rate_serves_every_watch_in_turn,
];

/// How late this test may see a request, on a busy machine; one request too many is off by more.
const BEAT: Duration = Duration::from_secs(1);

/// The shortest time that so many polls at an interval may take: timers are up to 10 % early.
fn intervals(count: u32, interval: Duration) -> Duration {
    (count * interval).mul_f64(0.9)
}

/// Waits until the cloud has had `times` more requests for each of these clusters, and returns how long that took.
async fn polled(scene: &Scene, clusters: &[impl AsRef<str>], times: u64) -> Duration {
    let waits = clusters.iter().map(|cluster| scene.polled(cluster.as_ref(), times));
    future::join_all(waits).await.into_iter().max().unwrap()
}

async fn thirty_watches_of_one_cluster_cost_one_request_an_interval(scene: Scene) {
    let all_show = async |phase: &str, progress: u8| {
        scene.task(phase, progress);
        for n in 0..30 {
            scene.shows(&format!("watch-{n}"), phase, |status| status.progress == Some(progress)).await;
        }
    };
    let _operator = scene.operator().await;
    for n in 0..30 {
        scene.watch(&format!("watch-{n}"), json!({})).await;
    }
    all_show("Running", 40).await;
    // From one request to the eighth after it.
    polled(&scene, &[CLUSTER], 1).await;
    let took = polled(&scene, &[CLUSTER], 8).await;
    assert!(took + BEAT >= intervals(8, ACTIVE), "8 requests in {took:?}");

    // All watches see each answer of the shared poll, and they share the polls at the longer interval of a finished
    // backup as well.
    let (begun, requests) = (Instant::now(), scene.cloud.requests(CLUSTER));
    all_show("Running", 41).await;
    let polls = u32::try_from(scene.cloud.requests(CLUSTER) - requests).unwrap();
    let took = begun.elapsed();
    assert!(took + BEAT >= intervals(polls.saturating_sub(1), ACTIVE), "{polls} requests in {took:?}");
    all_show("Success", 100).await;
    polled(&scene, &[CLUSTER], 1).await;
    let took = polled(&scene, &[CLUSTER], 2).await;
    assert!(took + BEAT >= intervals(2, Duration::from_secs(10)), "2 requests in {took:?}");
    assert_eq!(audit::requests(&scene)["get secrets"], 1, "nor is their Secret read thirty times");
}

async fn watches_with_different_secrets_never_share_an_answer(scene: Scene) {
    // The same key in another Secret is another credential, because a user who may read one Secret may not be allowed
    // to read the other.
    scene.secret("other", json!({ "accessKey": ACCESS_KEY, "secretKey": SECRET_KEY })).await;
    scene.secret("wrong", json!({ "accessKey": ACCESS_KEY, "secretKey": "wrong" })).await;
    scene.task("Running", 40);
    let _operator = scene.operator().await;
    let named = |name: &str| json!({ "interval": "1h", "activeInterval": "1h", "credentials": { "secretRef": { "name": name } } });
    scene.watch("first", named("huawei")).await;
    scene.shows("first", "40 %", |status| status.progress == Some(40)).await;
    scene.watch("same", named("huawei")).await;
    scene.shows("same", "40 %", |status| status.progress == Some(40)).await;
    assert_eq!(scene.cloud.counts(CLUSTER).accepted, 2, "it wants an answer of its own");
    scene.task("Running", 41);
    scene.request("first", "now").await;
    for name in ["first", "same"] {
        scene.shows(name, "41 %", |status| status.progress == Some(41)).await;
    }
    assert_eq!(scene.cloud.counts(CLUSTER).accepted, 3, "and from then on the two share each");

    scene.watch("other", named("other")).await;
    scene.shows("other", "41 %", |status| status.progress == Some(41)).await;
    assert_eq!(scene.cloud.counts(CLUSTER).accepted, 4, "another does not");
    scene.watch("wrong", named("wrong")).await;
    let status =
        scene.shows("wrong", "refused", |status| ready(status) == "False AuthenticationFailed").await;
    assert_eq!((status.tasks, scene.cloud.counts(CLUSTER).refused), (None, 1));
}

async fn fifty_unchanged_watches_over_ten_polls_write_nothing(scene: Scene) {
    let _operator = Operator::start(&scene, &["--account-rate", "1000", "--account-burst", "1000"]).await;
    let fleet = Fleet::create(&scene, 50, "Running", 40).await;
    fleet.shows(40).await;
    // The first answers were written, which shows that the audit log counts writes.
    let first = audit::requests(&scene);
    assert_eq!(first["create events"], 50);
    assert!(audit::status_writes(&first) >= 50, "{first:?}");

    polled(&scene, &fleet.clusters, 1).await;
    let before = audit::requests(&scene);
    polled(&scene, &fleet.clusters, 10).await;
    let mut after = audit::requests(&scene);
    // Nothing is written, nor read; only the watch of the resources is renewed now and then.
    after.insert("watch clusterbackupwatches".to_owned(), before["watch clusterbackupwatches"]);
    assert_eq!(after, before);
}

async fn an_account_with_more_to_do_than_its_rate_serves_every_watch_in_turn(scene: Scene) {
    let first = Operator::start(&scene, &["--account-rate", "1000", "--account-burst", "1000"]).await;
    let fleet = Fleet::create(&scene, 40, "Running", 40).await;
    fleet.shows(40).await;
    drop(first);
    // At their activeInterval the 40 watches need 20 requests a second; at a rate of 8 each is polled every 5 seconds.
    let _operator = Operator::start(&scene, &["--account-rate", "8", "--account-burst", "4"]).await;
    polled(&scene, &fleet.clusters, 1).await;
    let before = scene.cloud.total().accepted;
    let took = polled(&scene, &fleet.clusters, 3).await;
    let requests = scene.cloud.total().accepted - before;
    assert!(took < Duration::from_secs(25), "three turns of each in {took:?}");
    let most = 4.0 + 8.0 * (took + BEAT).as_secs_f64();
    assert!(f64::from(u32::try_from(requests).unwrap()) <= most, "{requests} requests in {took:?}");
}
