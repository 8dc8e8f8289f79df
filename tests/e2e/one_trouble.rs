//! Bulkheads: trouble with one account, one key or one identity delays no other watch, and causes no more requests and
//! reconciles than it must.

use std::time::Duration;

use cbw_testkit::{
    operator::Operator,
    scene::{ACCESS_KEY, ACTIVE, Scene, ready},
    trial::tests,
    wait::{LIMIT, SOON, holds, meanwhile},
};
use cce_simulator::{Fault, FaultKind, IdentityCall, Task};
use futures::future::join_all;
use jiff::SignedDuration;
use serde_json::json;

use crate::shared::{fault_table::cluster, fleet::Fleet, pod_identity, polls::gap_while};

tests![
    eight_accounts_that_hang_delay_a_ninth_by_one_request_time_out_and_each_of_their_watches_says_so,
    three_refused_watches_left_alone_are_reconciled_at_most_once_in_ten_seconds_each,
    one_wrong_key_in_secrets_of_twelve_namespaces_is_refused_at_most_three_times,
    forty_watches_are_seen_blind_within_two_minutes_of_a_restart_without_egress,
    a_throttled_account_of_forty_watches_is_left_alone_until_retry_after_is_over,
    a_new_watch_of_an_account_with_more_to_do_than_its_rate_goes_before_idle_ones,
    an_identity_service_that_hangs_delays_no_watch_with_a_secret,
    the_concurrency_is_one_number_for_all_watched_namespaces,
];

/// How late this test may see a request, on a busy machine.
const LAG: Duration = Duration::from_secs(1);

/// The id of a project.
fn project(n: usize) -> String {
    format!("{n:032x}")
}

async fn eight_accounts_that_hang_delay_a_ninth_by_one_request_time_out_and_each_of_their_watches_says_so(
    scene: Scene,
) {
    const TIMEOUT: Duration = Duration::from_secs(2);
    let healthy: Vec<_> = (0..4).map(cluster).collect();
    let hanging: Vec<_> = (100..196).map(cluster).collect();
    for (n, cluster) in healthy.iter().enumerate() {
        scene.cloud.set_tasks(cluster, [Task::new("backup-1", "Running").progress(40)]);
        let spec = json!({ "clusterID": cluster, "projectID": project(9) });
        scene.watch(&format!("healthy-{n}"), spec).await;
    }
    // The watches that will hang have a namespace of their own, so that the test can await the status of all of them.
    let others = scene.neighbour().await;
    for (n, cluster) in hanging.iter().enumerate() {
        scene.cloud.set_tasks(cluster, [Task::new("backup-1", "Success")]);
        let spec = json!({ "clusterID": cluster, "projectID": project(n % 8) });
        others.watch(&format!("hanging-{n}"), spec).await;
    }
    let flags = ["--request-timeout", "2s", "--watch-namespace", &others.namespace];
    let _operator = Operator::start(&scene, &flags).await;
    scene.all_are(LIMIT, "True Polled").await;
    others.all_are(LIMIT, "True Polled").await;

    for cluster in &hanging {
        scene.cloud.set_fault(cluster, FaultKind::Hang {}).unwrap();
    }
    let blind = others.all_are(Duration::from_secs(110), "False CloudUnavailable");
    let (gap, ()) = gap_while(&scene, &healthy, blind).await;
    assert!(gap <= ACTIVE.mul_f64(1.1) + TIMEOUT + LAG, "one was not polled for {gap:?}");
    scene.all_are(Duration::ZERO, "True Polled").await;
}

async fn three_refused_watches_left_alone_are_reconciled_at_most_once_in_ten_seconds_each(scene: Scene) {
    const TIME: Duration = Duration::from_mins(1);
    scene.secret("wrong", json!({ "accessKey": ACCESS_KEY, "secretKey": "wrong-secret-key" })).await;
    scene.cloud.set_fault(&cluster(3), Fault::error(403, "CCE.01403001", "no")).unwrap();
    let operator = scene.operator().await;
    let wrong = json!({ "secretRef": { "name": "wrong" } });
    scene.watch("one", json!({ "clusterID": cluster(1), "credentials": wrong })).await;
    scene.watch("two", json!({ "clusterID": cluster(2), "credentials": wrong })).await;
    scene.watch("three", json!({ "clusterID": cluster(3) })).await;
    for (name, reason) in
        [("one", "AuthenticationFailed"), ("two", "AuthenticationFailed"), ("three", "PermissionDenied")]
    {
        scene.shows(name, reason, |status| ready(status) == format!("False {reason}")).await;
    }
    let before = operator.metric_sum("reconcile_total").await;
    let most = 3 * (TIME.as_secs() / 10 + 1);
    meanwhile(TIME, async || {}).await;
    let reconciles = operator.metric_sum("reconcile_total").await - before;
    assert!(reconciles <= f64::from(u32::try_from(most).unwrap()), "{reconciles} reconciles in {TIME:?}");
}

async fn one_wrong_key_in_secrets_of_twelve_namespaces_is_refused_at_most_three_times(scene: Scene) {
    let neighbours = join_all((1..12).map(async |_| scene.neighbour().await)).await;
    let flags: Vec<_> =
        neighbours.iter().flat_map(|other| ["--watch-namespace", other.namespace.as_str()]).collect();
    let all: Vec<_> = neighbours.iter().chain([&scene]).collect();
    for (n, namespace) in all.iter().enumerate() {
        // Copies of one Secret, so that there is one key.
        let wrong = json!({ "accessKey": ACCESS_KEY, "secretKey": "wrong-secret-key" });
        namespace.secret("huawei", wrong).await;
        namespace.watch("prod", json!({ "clusterID": cluster(n), "interval": "1h" })).await;
    }
    let _operator = Operator::start(&scene, &flags).await;
    for namespace in &all {
        namespace.all_are(LIMIT, "False AuthenticationFailed").await;
    }
    let refused = scene.cloud.total().refused;
    assert!(refused <= 3, "{refused} refusals; Huawei locks a key that is refused five times");

    join_all(all.iter().map(async |namespace| {
        namespace.asks("prod", "now").await;
    }))
    .await;
    let more = scene.cloud.total().refused - refused;
    assert!(more <= 3, "{more} more refusals when all of them ask for a poll");
}

/// Starts an operator with forty watches of one account and one Secret, each of a cluster with a finished backup, and
/// waits until each was polled.
async fn forty_watches(scene: &Scene, flags: &[&str]) -> Operator {
    Fleet::create(scene, 40, "Success", 100).await;
    let operator = Operator::start(scene, flags).await;
    scene.all_are(LIMIT, "True Polled").await;
    operator
}

/// Waits until the cloud has accepted `count` more requests.
async fn more_polls(scene: &Scene, count: u64) {
    let enough = scene.cloud.total().accepted + count;
    holds("more polls", LIMIT, async || scene.cloud.total().accepted >= enough).await;
}

async fn forty_watches_are_seen_blind_within_two_minutes_of_a_restart_without_egress(scene: Scene) {
    let mut operator = forty_watches(&scene, &["--request-timeout", "3s"]).await;
    operator.kill();
    scene.cloud.set_fault("*", FaultKind::Hang {}).unwrap();
    operator.restart().await;
    scene.all_are(Duration::from_secs(110), "False CloudUnavailable").await;
}

async fn a_throttled_account_of_forty_watches_is_left_alone_until_retry_after_is_over(scene: Scene) {
    // The fault ends a second before Retry-After does, so that the first request after the pause is not answered 429
    // again.
    const THROTTLED: Duration = Duration::from_secs(29);
    let _operator = forty_watches(&scene, &[]).await;
    let throttled = Fault::error(429, "APIGW.0308", "throttled").header("Retry-After", "30");
    scene.cloud.set_fault("*", throttled).unwrap();
    let refusals = || scene.cloud.total().faulted;
    holds("the first 429", LIMIT, async || refusals() > 0).await;
    meanwhile(THROTTLED, async || {
        let refusals = refusals();
        assert!(refusals <= 3, "{refusals} requests were answered 429");
    })
    .await;
    scene.cloud.clear_fault("*");
    let before: Vec<_> = (0..40).map(|n| scene.cloud.requests(&cluster(n))).collect();
    holds("every cluster is polled again", LIMIT, async || {
        (0..40).all(|n| scene.cloud.requests(&cluster(n)) > before[n])
    })
    .await;
    scene.all_are(LIMIT, "True Polled").await;
}

async fn a_new_watch_of_an_account_with_more_to_do_than_its_rate_goes_before_idle_ones(scene: Scene) {
    // At their interval of 10 s the forty watches need four requests a second, twice the rate.
    let _operator = forty_watches(&scene, &["--account-rate", "2", "--account-burst", "2"]).await;
    more_polls(&scene, 40).await;
    scene.watch("new", json!({ "clusterID": cluster(100) })).await;
    let unknown = |status: &_| ready(status) == "False ClusterNotFound";
    // After the idle ones, which wait, it would take 20 s.
    scene.shows_within(SOON, "new", "an answer", unknown).await;
}

async fn an_identity_service_that_hangs_delays_no_watch_with_a_secret(scene: Scene) {
    // A request to the identity service has the same time-out as one to the cloud, 15 s.
    scene.cloud.set_identity_fault(IdentityCall::PodIdentity, FaultKind::Hang {}).unwrap();
    // More watches than may be reconciled at a time.
    for n in 0..80 {
        let spec = json!({ "clusterID": cluster(100 + n), "credentials": null });
        scene.watch(&format!("own-{n}"), spec).await;
    }
    let _operator = pod_identity::operator(&scene, SignedDuration::from_hours(1), &scene.namespace).await;
    let asked = async || scene.cloud.identity_counts(IdentityCall::PodIdentity).requests > 0;
    holds("the identity is asked for", LIMIT, asked).await;

    let clusters: Vec<_> = (0..3).map(cluster).collect();
    let (gap, ()) = gap_while(&scene, &clusters, async {
        Fleet::create(&scene, 3, "Running", 40).await;
        meanwhile(Duration::from_secs(20), async || {}).await;
    })
    .await;
    assert!(gap <= ACTIVE.mul_f64(1.1) + 2 * LAG, "one was not polled for {gap:?}");
}

async fn the_concurrency_is_one_number_for_all_watched_namespaces(scene: Scene) {
    scene.cloud.set_latency(Duration::from_millis(300));
    let neighbours = join_all((1..12).map(async |_| scene.neighbour().await)).await;
    let mut flags = vec!["--account-rate", "1000", "--account-burst", "1000", "--concurrency", "4"];
    for (n, namespace) in neighbours.iter().chain([&scene]).enumerate() {
        for m in 0..2 {
            let cluster = cluster(2 * n + m);
            scene.cloud.set_tasks(&cluster, [Task::new("backup-1", "Success")]);
            namespace.watch(&format!("watch-{m}"), json!({ "clusterID": cluster })).await;
        }
        flags.extend(["--watch-namespace", namespace.namespace.as_str()]);
    }
    let _operator = Operator::start(&scene, &flags).await;
    for namespace in neighbours.iter().chain([&scene]) {
        namespace.all_are(LIMIT, "True Polled").await;
    }
    let most = scene.cloud.max_concurrent();
    assert!(most <= 4, "{most} requests at a time");
}
