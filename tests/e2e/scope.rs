//! Which resources an operator takes on.

use cce_simulator::Task;
use serde_json::json;

use crate::harness::{
    fault_table::cluster,
    operator::Operator,
    scene::{Scene, ready, says},
    trial::tests,
    wait::{LIMIT, until},
};

tests![only_watches_with_the_label_are_taken_on, every_cluster_is_taken_on_by_one_of_the_shards];

async fn only_watches_with_the_label_are_taken_on(scene: Scene) {
    scene.task("Success", 100);
    scene.watch("ours", json!({})).await;
    scene.watch("theirs", json!({})).await;
    let operator = Operator::start(&scene, &["--watch-label-selector", "team=platform"]).await;
    scene.change("ours", json!({ "metadata": { "labels": { "team": "platform" } } })).await;
    scene.shows("ours", "polled", |status| ready(status) == "True Polled").await;
    assert_eq!(says(&scene.status("theirs").await, "Ready"), "", "nobody has looked at it");

    // It is taken on as soon as it has the label.
    scene.change("theirs", json!({ "metadata": { "labels": { "team": "platform" } } })).await;
    scene.shows("theirs", "polled", |status| ready(status) == "True Polled").await;
    drop(operator);
}

async fn every_cluster_is_taken_on_by_one_of_the_shards(scene: Scene) {
    const CLUSTERS: usize = 12;
    for n in 0..CLUSTERS {
        scene.cloud.set_tasks(&cluster(n), [Task::new("backup-1", "Success")]);
        scene.watch(&format!("watch-{n}"), json!({ "clusterID": cluster(n), "interval": "24h" })).await;
    }
    let asked = || (0..CLUSTERS).filter(|n| scene.cloud.requests(&cluster(*n)) > 0).count();

    let first = Operator::start(&scene, &["--shard", "0/2"]).await;
    until("its caches are filled", LIMIT, async || (first.get("/readyz").await.0 == 200).then_some(())).await;
    let _second = Operator::start(&scene, &["--shard", "1/2"]).await;
    for n in 0..CLUSTERS {
        scene.shows(&format!("watch-{n}"), "polled", |status| ready(status) == "True Polled").await;
    }
    assert_eq!(asked(), CLUSTERS);
    let total: u64 = (0..CLUSTERS).map(|n| scene.cloud.requests(&cluster(n))).sum();
    assert_eq!(total, CLUSTERS as u64, "no cluster is polled by both");
}
