//! The gate that asks the operator, where an answer stays away: it must never open for lack of one.

use std::{fs, net::TcpListener, path::Path};

use cbw_testkit::{
    operator::Operator,
    program::{self, folder},
    scene::{CLUSTER, Scene, healthy},
    trial::tests,
};
use cce_simulator::Fault;
use serde_json::json;

use crate::{
    cloud::{Backups, lists},
    operator::{plugin, polls},
};

tests![
    a_good_watch_lets_nobody_through_without_an_operator,
    nor_where_the_cloud_fails,
    nor_where_the_cloud_throttles,
    what_is_no_name_or_duration_is_bad_usage,
    an_api_server_that_never_answers_ends_it,
];

async fn a_good_watch_lets_nobody_through_without_an_operator(scene: Scene) {
    let mut operator = good(&scene).await;
    operator.kill();
    polls(&scene, "10s", 3, "no operator answered within 10s");
}

async fn nor_where_the_cloud_fails(scene: Scene) {
    let _operator = good(&scene).await;
    scene.cloud.set_fault(CLUSTER, Fault::status(503)).unwrap();
    polls(&scene, "15s", 3, "the cloud did not answer within 15s");
}

async fn nor_where_the_cloud_throttles(scene: Scene) {
    let _operator = good(&scene).await;
    scene.cloud.set_fault(CLUSTER, Fault::status(429).header("Retry-After", "60")).unwrap();
    polls(&scene, "15s", 3, "the cloud did not answer within 15s");
}

/// Whatever is no duration or name must be neither a verdict nor a time-out. No API server is asked.
async fn what_is_no_name_or_duration_is_bad_usage(scene: Scene) {
    let usages = [
        "",
        "/prod",
        "shop/",
        "shop/prod/x",
        "shop/Prod",
        "shop/prod more",
        "shop/prod --newer-than 0h",
        "shop/prod --newer-than 2",
        "shop/prod --newer-than 99999999999999999999h",
        "shop/prod --timeout 0s",
    ];
    for usage in usages {
        let words: Vec<_> = usage.split_whitespace().collect();
        let ran = program::run(plugin(&scene, Path::new("/dev/null")).arg("poll").args(words));
        assert_eq!(ran.code, Some(2), "{usage}: {ran:#?}");
    }
}

async fn an_api_server_that_never_answers_ends_it(scene: Scene) {
    // The kernel takes its connections, and nobody accepts them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let text = fs::read_to_string(&scene.cluster.kubeconfig).unwrap();
    let line = text.lines().find(|line| line.trim_start().starts_with("server: ")).unwrap();
    let ours = line.split("https").next().unwrap();
    let text = text.replace(line, &format!("{ours}https://{}", silent.local_addr().unwrap()));
    let kubeconfig = folder().join("silent.kubeconfig");
    fs::write(&kubeconfig, text).unwrap();
    let arguments = ["poll", "shop/prod", "--timeout", "5s"];
    program::run(plugin(&scene, &kubeconfig).args(arguments)).ended(3, "");
}

/// An operator, and a watch whose backup is fresh and which the gate lets through.
async fn good(scene: &Scene) -> Operator {
    lists(scene, Backups::Fresh, "Success", 2);
    let operator = scene.operator().await;
    scene.watch("prod", json!({})).await;
    scene.shows("prod", "a success", |status| healthy(status) == "True BackupSucceeded").await;
    polls(scene, "60s", 0, "");
    operator
}
