//! A proxy between the operator and the API server goes silent: no connection ends, and none carries anything.

use cbw_testkit::{
    scene::Scene,
    trial::tests,
    wait::{LIMIT, holds},
};

use crate::shared::twins::Twins;

tests![
    connections_that_went_silent_lose_nothing_that_the_cloud_said,
    a_watch_whose_connection_went_silent_is_replaced_within_half_a_minute,
];

/// How many more requests than without the trouble it may cost: a list and a watch, and for each of two resources the
/// tries that failed or got no answer.
const ALLOWED: usize = 2 + 2 * 2 * 4;

async fn given_up(twins: &Twins) {
    let given_up = async || twins.operator.text().contains("cannot reconcile");
    holds("a request is given up", LIMIT, given_up).await;
}

async fn connections_that_went_silent_lose_nothing_that_the_cloud_said(scene: Scene) {
    let mut twins = Twins::start(scene, 2, &[]).await;
    twins.proxy.block();
    twins.moved("Running", 30).await;
    // A request is given up after 10 s.
    given_up(&twins).await;
    twins.lives().await;
    twins.proxy.reopen();
    twins.recovers().await;
    // The operator gives up a silent connection after 90 s; the test ends it earlier.
    twins.proxy.cut();
    twins.proxy.reopen();
    twins.afterwards(&[], ALLOWED).await;
}

async fn a_watch_whose_connection_went_silent_is_replaced_within_half_a_minute(scene: Scene) {
    let twins = Twins::start(scene, 1, &[]).await;
    twins.proxy.block();
    twins.moved("Running", 30).await;
    given_up(&twins).await;
    twins.proxy.reopen();
    twins.afterwards(&[], ALLOWED).await;
}
