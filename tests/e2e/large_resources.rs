//! A tenant whose resources are as large as the API server takes them costs the operator of everybody no memory to speak of.

use std::collections::BTreeMap;
use std::time::Duration;

use cbw_testkit::{
    control_plane::ControlPlane,
    operator::Operator,
    scene::{Scene, watch},
    trial::tests,
    wait::holds,
};
use cce_backup_watch::api::ClusterBackupWatch;
use futures::{StreamExt, TryStreamExt, stream};
use kube::{Resource, api::PostParams, core::Request};
use serde_json::{Value, json};

tests![two_hundred_resources_of_a_mebibyte_cost_less_than_a_hundred];

const RESOURCES: usize = 200;
const MEBIBYTE: usize = 1 << 20;

/// A watch of more than 1 MiB, in all the places that a tenant has for it: labels, which are many small strings, an
/// annotation, which may have 256 KiB, and the name of an owner, which has no limit.
fn large(name: &str) -> Value {
    let mut large = watch(name, &json!({ "interval": "24h" }));
    let labels: BTreeMap<_, _> = (0..3000).map(|n| (format!("label-{n}"), "x".repeat(63 - n % 10))).collect();
    large["metadata"]["labels"] = json!(labels);
    large["metadata"]["annotations"] = json!({ "large": "x".repeat(250 << 10) });
    large["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "v1", "kind": "ConfigMap", "uid": "11111111-2222-3333-4444-555555555555",
        "name": "x".repeat(640 << 10),
    }]);
    large
}

async fn two_hundred_resources_of_a_mebibyte_cost_less_than_a_hundred(scene: Scene) {
    // One of its own: the other tests do not wait for an API server that has 200 MiB to move.
    let control_plane = ControlPlane::start(scene.test).await;
    let scene = Scene::on(&control_plane, scene.test).await;
    scene.task("Success", 100);
    let body = large("NAME").to_string();
    assert!(body.len() > MEBIBYTE);
    let url = ClusterBackupWatch::url_path(&(), Some(&scene.namespace));
    let created = stream::iter(0..RESOURCES).map(|n| {
        let body = body.replacen("NAME", &format!("large-{n}"), 1).into_bytes();
        let post = Request::new(&url).create(&PostParams::default(), body).unwrap();
        // Nothing of the replies is decoded: this test is about the operator.
        let client = scene.client.clone();
        async move { client.request_text(post).await.map(drop) }
    });
    created.buffer_unordered(4).try_collect::<()>().await.unwrap();

    let operator = Operator::start(&scene, &["--account-rate", "100", "--account-burst", "100"]).await;
    // A slow machine takes minutes to move the resources, which is not what this test is about.
    holds("every watch is polled", Duration::from_mins(12), async || {
        let (_, text) = operator.get("/metrics").await;
        let polled = |line: &&str| line.contains("condition_reason{") && line.contains("reason=\"Polled\"");
        text.lines().filter(polled).count() == RESOURCES
    })
    .await;
    let most = operator.most_memory();
    assert!(most < 100 * MEBIBYTE as u64, "{} MiB at the most", most >> 20);
    println!("{} MiB at the most", most >> 20);
}
