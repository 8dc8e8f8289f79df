//! What a watch is to go on from is gone: the API server answers 410, and the operator has to list anew.

use crate::harness::{
    control_plane::ControlPlane,
    scene::Scene,
    trial::tests,
    twins::Twins,
    wait::{LIMIT, until},
};

tests![what_happened_before_the_oldest_that_the_api_server_still_knows_is_caught_up_with];

/// How many requests more than without the trouble it may cost: a list, watches, a Secret, and what was tried in vain.
const ALLOWED: usize = 10;

async fn what_happened_before_the_oldest_that_the_api_server_still_knows_is_caught_up_with(scene: Scene) {
    let mut control_plane = ControlPlane::start(scene.test).await;
    let scene = Scene::on(&control_plane, scene.test).await;
    let mut twins = Twins::start(scene, 2, &[]).await;
    let lists = twins.proxy.requests("list clusterbackupwatches");
    twins.proxy.cut();
    twins.re_creates("watch-0").await;
    twins.joins().await;
    // A new API server knows what happens from its start on, and nothing of what happened before.
    control_plane.stop_api_server().await;
    control_plane.start_api_server().await;
    twins.proxy.reopen();
    let expired = || twins.operator.text().contains("too old resource version");
    until("the watch is refused, because it is too old", LIMIT, async || expired().then_some(())).await;
    twins.recovers().await;
    let more = twins.proxy.requests("list clusterbackupwatches") - lists;
    assert_eq!(more, 1, "lists anew");
    twins.lives().await;
    twins.afterwards(&[], ALLOWED).await;
}
