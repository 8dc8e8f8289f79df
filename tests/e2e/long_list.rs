//! Lists that take more than one page: the watch stream delivers the resources of the first pages long before the list
//! is whole.

use std::time::Duration;

use cbw_testkit::{
    api_proxy::ApiProxy,
    operator::Operator,
    rbac,
    scene::{CLUSTER, Scene, ready},
    trial::tests,
    wait::{LIMIT, holds, meanwhile},
};
use serde_json::json;

tests![
    a_leader_that_is_elected_in_the_middle_of_a_list_polls_every_watch,
    a_watch_that_was_created_while_the_stream_was_away_is_polled,
];

const LIST: &str = "list clusterbackupwatches";

/// Waits until the second page of a list is asked for. It does not come before the proxy goes on with lists.
async fn halted(proxy: &ApiProxy, lists_before: usize) {
    holds("the second page is asked for", LIMIT, async || proxy.requests(LIST) >= lists_before + 2).await;
}

async fn a_leader_that_is_elected_in_the_middle_of_a_list_polls_every_watch(scene: Scene) {
    rbac::grant(&scene, rbac::LEASES).await;
    for name in ["a", "b", "c"] {
        scene.watch(name, json!({})).await;
    }
    let proxy = ApiProxy::start(&scene).await;
    proxy.halt_lists();
    let flags = ["--leader-elect", "--lease-namespace", &scene.namespace];
    let operator = Operator::start_through(&proxy, &scene, &flags).await;
    halted(&proxy, 0).await;
    operator.leads(LIMIT).await;
    meanwhile(Duration::from_secs(1), async || assert_eq!(scene.cloud.requests(CLUSTER), 0)).await;
    proxy.go_on_with_lists();
    for name in ["a", "b", "c"] {
        scene.shows(name, "a poll", |status| ready(status) == "True Polled").await;
    }
}

async fn a_watch_that_was_created_while_the_stream_was_away_is_polled(scene: Scene) {
    scene.watch("b", json!({})).await;
    let proxy = ApiProxy::start(&scene).await;
    let _operator = Operator::start_through(&proxy, &scene, &[]).await;
    scene.shows("b", "a poll", |status| ready(status) == "True Polled").await;

    let lists = proxy.requests(LIST);
    proxy.halt_lists();
    proxy.silence_watches();
    scene.watch("a", json!({})).await;
    proxy.restore_watches();
    // What the stream would resume from is gone, so everything is listed anew.
    proxy.expire_watches();
    halted(&proxy, lists).await;
    meanwhile(Duration::from_secs(1), async || assert_eq!(scene.status("a").await.conditions, [])).await;
    proxy.go_on_with_lists();
    scene.shows("a", "a poll", |status| ready(status) == "True Polled").await;
}
