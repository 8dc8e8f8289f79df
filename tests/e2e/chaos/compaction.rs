//! The resourceVersion from which a watch resumes was compacted: the API server answers 410, and the operator has to
//! list again.

use cbw_testkit::{
    control_plane::ControlPlane,
    scene::Scene,
    trial::tests,
    wait::{LIMIT, holds},
};

use crate::shared::twins::Twins;

tests![what_happened_before_the_oldest_that_the_api_server_still_knows_is_caught_up_with];

/// How many more requests than without the trouble it may cost: a list, watches, a read of the Secret, and failed
/// tries.
const ALLOWED: usize = 10;

async fn what_happened_before_the_oldest_that_the_api_server_still_knows_is_caught_up_with(scene: Scene) {
    let mut control_plane = ControlPlane::start(scene.test).await;
    let scene = Scene::on(&control_plane, scene.test).await;
    let mut twins = Twins::start(scene, 2, &[]).await;
    let lists = twins.proxy.requests("list clusterbackupwatches");
    twins.proxy.cut();
    twins.re_creates("watch-0").await;
    twins.joins().await;
    // The watch cache of a new API server begins at its start, so that it cannot resume an older watch.
    control_plane.stop_api_server().await;
    control_plane.start_api_server().await;
    twins.proxy.reopen();
    let expired = async || twins.operator.text().contains("too old resource version");
    holds("the watch is refused, because it is too old", LIMIT, expired).await;
    twins.recovers().await;
    let more = twins.proxy.requests("list clusterbackupwatches") - lists;
    assert_eq!(more, 1, "lists anew");
    twins.lives().await;
    twins.afterwards(&[], ALLOWED).await;
}
