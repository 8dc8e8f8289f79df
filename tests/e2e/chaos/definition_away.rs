//! The CustomResourceDefinition is deleted, which deletes all resources, and installed again.

use std::time::Duration;

use cbw_testkit::{
    control_plane::ControlPlane,
    scene::Scene,
    setup::define,
    trial::tests,
    wait::{LIMIT, holds, meanwhile},
};

use crate::shared::twins::Twins;

tests![a_definition_that_was_deleted_and_installed_again_finds_the_operator_at_work];

const DEFINITION: &str = "customresourcedefinitions/clusterbackupwatches.cce.backupwatch.io";

async fn a_definition_that_was_deleted_and_installed_again_finds_the_operator_at_work(scene: Scene) {
    /// A backoff that doubles from one second to ten makes five tries in this time; jitter may add a sixth.
    const AWAY: Duration = Duration::from_secs(20);
    const TRIES: usize = 6;
    let control_plane = ControlPlane::start(scene.test).await;
    let scene = Scene::on(&control_plane, scene.test).await;
    let mut twins = Twins::start(scene, 2, &[]).await;

    let cluster = control_plane.cluster.clone();
    cluster.kubectl("default", &["delete", DEFINITION, "--timeout=30s"], "").unwrap();
    holds("the metrics of the watches are gone", LIMIT, async || {
        !twins.operator.get("/metrics").await.1.contains("name=\"watch-")
    })
    .await;
    holds("it is not ready", LIMIT, async || twins.operator.get("/readyz").await.0 == 503).await;
    let polls = twins.scene.cloud.total();
    let streams = || {
        twins.proxy.requests("watch clusterbackupwatches") + twins.proxy.requests("list clusterbackupwatches")
    };
    let before = streams();
    meanwhile(AWAY, async || {}).await;
    let tries = streams() - before;
    assert!((1..=TRIES).contains(&tries), "{tries} tries to watch what is not there");
    assert_eq!(twins.scene.cloud.total(), polls, "there is nothing to poll");
    twins.lives().await;
    let named: Vec<_> = (twins.operator.text().lines())
        .filter(|line| line.contains("the operator is not ready, and tries again"))
        .map(str::to_owned)
        .collect();
    assert_eq!(named.len(), 1, "one line, and not one for each try: {named:#?}");
    assert!(named[0].contains("clusterbackupwatches.cce.backupwatch.io is not installed"), "{named:?}");
    assert!(named[0].contains("kubectl apply --server-side"), "it says what to do: {named:?}");

    define(&cluster);
    twins.operator.is_ready().await;
    twins.calms().await;
    for name in ["watch-0", "watch-1"] {
        twins.watch(name).await;
    }
    twins.afterwards(&[], 2 * TRIES).await;
}
