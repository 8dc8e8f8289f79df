//! A resource is deleted and created again under the same name, while the operator sees it or is cut off from it. Each
//! case promises that the operator takes it as a new resource.

use cbw_testkit::{
    operator::FAILED_RECONCILES,
    scene::Scene,
    trial::tests,
    wait::{LIMIT, holds},
};

use crate::shared::twins::Twins;

tests![
    a_resource_that_was_re_created_before_the_operators_eyes_is_a_new_one,
    a_resource_that_was_re_created_while_the_operator_was_down_is_a_new_one,
    a_resource_that_was_re_created_while_watches_were_silent_is_a_new_one,
    a_resource_that_was_re_created_while_the_api_server_was_out_of_reach_is_a_new_one,
];

/// How many more requests than without the trouble it may cost: lists, watches and reads of Secrets, and failed tries.
const ALLOWED: usize = 12;

async fn a_resource_that_was_re_created_before_the_operators_eyes_is_a_new_one(scene: Scene) {
    let twins = Twins::start(scene, 2, &[]).await;
    twins.re_creates("watch-0").await;
    twins.recovers().await;
    twins.afterwards(&[], ALLOWED).await;
}

async fn a_resource_that_was_re_created_while_the_operator_was_down_is_a_new_one(scene: Scene) {
    let mut twins = Twins::start(scene, 2, &[]).await;
    twins.operator.kill();
    twins.re_creates("watch-0").await;
    twins.operator.restart().await;
    twins.afterwards(&[], ALLOWED).await;
}

async fn a_resource_that_was_re_created_while_watches_were_silent_is_a_new_one(scene: Scene) {
    let twins = Twins::start(scene, 2, &[]).await;
    twins.proxy.silence_watches();
    twins.re_creates("watch-0").await;
    // The operator's cache still holds the old resource, whose status it must not write into the new one.
    twins.moved("Running", 11).await;
    holds("it has looked", LIMIT, async || twins.proxy.requests("get clusterbackupwatches") > 0).await;
    twins.proxy.restore_watches();
    twins.proxy.cut();
    twins.proxy.reopen();
    twins.afterwards(&[], ALLOWED).await;
}

async fn a_resource_that_was_re_created_while_the_api_server_was_out_of_reach_is_a_new_one(scene: Scene) {
    let twins = Twins::start(scene, 2, &[]).await;
    twins.proxy.cut();
    twins.re_creates("watch-0").await;
    twins.moved("Running", 11).await;
    let failed = async || twins.operator.metric(FAILED_RECONCILES).await >= Some(2.0);
    holds("both could not be written", LIMIT, failed).await;
    twins.proxy.reopen();
    twins.afterwards(&[], ALLOWED).await;
}
