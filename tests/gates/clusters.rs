//! Watches from the list of clusters: `discover | kubectl apply`.

use cbw_testkit::{
    program::{self, Ran},
    scene::{Scene, healthy},
    trial::tests,
};
use cce_simulator::{Cluster, Task};

use crate::cloud::{binary, in_pipeline};

tests![
    what_discover_prints_can_be_applied_and_is_watched,
    a_cluster_that_is_gone_is_named,
    whatever_clusters_are_called_the_api_server_takes_their_watches,
];

/// A project of the scene's own, and clusters too, because `--existing cluster` sees the watches of the other tests.
fn project(scene: &Scene) -> String {
    format!("{:0>32}", scene.namespace.trim_start_matches("scene-"))
}

fn cluster(scene: &Scene, number: usize, name: &str) -> Cluster {
    let uid =
        format!("{}{number:04}-2222-3333-4444-555555555555", scene.namespace.trim_start_matches("scene-"));
    Cluster::new(uid, name)
}

/// Runs `discover` with more arguments.
fn discover(scene: &Scene, arguments: &[&str]) -> Ran {
    let mut command = in_pipeline(scene, &binary());
    command
        .env_remove("CBW_CLUSTER_ID")
        .env("CBW_PROJECT_ID", project(scene))
        .env("KUBECONFIG", &scene.cluster.kubeconfig)
        .args(["discover", "--namespace", &scene.namespace, "--secret-name", "huawei"])
        .args(arguments);
    program::run(&mut command)
}

fn applies(scene: &Scene) {
    let discovered = discover(scene, &[]);
    discovered.ended(0, "");
    let arguments = ["apply", "--server-side", "--validate=strict", "--filename=-"];
    scene.cluster.kubectl(&scene.namespace, &arguments, &discovered.stdout).unwrap();
}

fn nothing_is_missing(scene: &Scene) {
    let ran = discover(scene, &["--existing", "cluster"]);
    assert_eq!((ran.code, ran.printed()), (Some(0), String::new()));
}

async fn what_discover_prints_can_be_applied_and_is_watched(scene: Scene) {
    let prod = cluster(&scene, 0, "prod");
    scene.cloud.set_tasks(&prod.uid, [Task::new("backup-1", "Success").progress(100)]);
    scene.cloud.set_clusters(&project(&scene), [prod]);
    applies(&scene);
    nothing_is_missing(&scene);
    applies(&scene);
    let _operator = scene.operator().await;
    scene.shows("prod", "a success", |status| healthy(status) == "True BackupSucceeded").await;
}

async fn a_cluster_that_is_gone_is_named(scene: Scene) {
    let [prod, staging] = [cluster(&scene, 0, "prod"), cluster(&scene, 1, "staging").autopilot()];
    scene.cloud.set_clusters(&project(&scene), [prod.clone(), staging]);
    applies(&scene);
    scene.cloud.set_clusters(&project(&scene), [prod]);
    let names = format!("the watch {}/staging names the cluster", scene.namespace);
    discover(&scene, &["--existing", "cluster"]).ended(1, &names);
}

async fn whatever_clusters_are_called_the_api_server_takes_their_watches(scene: Scene) {
    let long = "a".repeat(100);
    let names = ["yes", "null", "1e10", "0777", "0x1f", "UPPER case", "-x-", &long, "yes"];
    let clusters = names.iter().enumerate().map(|(number, name)| Cluster {
        alias: Some((*name).to_owned()),
        version: Some("1.30".to_owned()),
        ..cluster(&scene, number, name)
    });
    scene.cloud.set_clusters(&project(&scene), clusters);
    applies(&scene);
    nothing_is_missing(&scene);
}
