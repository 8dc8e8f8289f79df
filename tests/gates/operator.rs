//! The gate that asks the operator: `kubectl cbw poll`. What each verdict says is shown by `tests/e2e/commands.rs`; here
//! it is a gate, which opens for a fresh success alone, and never for lack of an answer.

use std::{fs, os::unix::fs::symlink, process::Command};

use cbw_testkit::{
    operator::Operator,
    program::{self, folder},
    scene::{CLUSTER, Scene},
    trial::Test,
};
use cce_simulator::Fault;
use serde_json::json;

use crate::cloud::{Backups, lists};

/// A watch in every state of the backups, and one that is good until nobody answers.
pub fn tests() -> Vec<Test> {
    let states = [
        (Backups::Fresh, 0, "60s", ""),
        (Backups::Stale, 1, "60s", "no backup succeeded within the last 2h"),
        (Backups::Running, 0, "60s", ""),
        (Backups::Endless, 1, "30s", "running: 40 %"),
        (Backups::Failed, 1, "60s", "bad: BackupFailed"),
        (Backups::Repeated, 0, "2m", "waiting for the end of the backup that runs"),
    ];
    let states = states.map(|(state, code, timeout, words)| {
        Test::new(format!("a watch that sees {state:?}: exit code {code}"), async move |scene| {
            let _operator = watched(&scene, state).await;
            polls(&scene, timeout, code, words);
        })
    });
    let throttled = Fault::status(429).header("Retry-After", "60");
    let troubles = [
        ("no operator", None, "no operator answered within 15s"),
        ("a cloud that fails", Some(Fault::status(503)), "the cloud did not answer within 15s"),
        ("a cloud that throttles", Some(throttled), "the cloud did not answer within 15s"),
    ];
    let troubles = troubles.map(|(trouble, fault, words)| {
        Test::new(format!("a good watch and {trouble}: exit code 3"), async move |scene| {
            let mut operator = watched(&scene, Backups::Fresh).await;
            polls(&scene, "60s", 0, "");
            match fault.clone() {
                None => operator.kill(),
                Some(fault) => scene.cloud.set_fault(CLUSTER, fault).unwrap(),
            }
            polls(&scene, "15s", 3, words);
        })
    });
    states.into_iter().chain(troubles).collect()
}

/// An operator with a watch that sees these backups.
async fn watched(scene: &Scene, state: Backups) -> Operator {
    lists(scene, state, "Success", 2);
    let operator = scene.operator().await;
    scene.watch("prod", json!({})).await;
    operator
}

/// Polls the watch through the gate, `kubectl cbw`: the exit code, and words of what it says.
fn polls(scene: &Scene, timeout: &str, code: i32, words: &str) {
    // The binary is a plugin under this name.
    let plugins = folder().join(format!("{}-plugins", scene.namespace));
    fs::create_dir_all(&plugins).unwrap();
    // A case that asks more than once has the link already.
    let _ = symlink(program::operator(), plugins.join("kubectl-cbw"));
    let watch = format!("{}/prod", scene.namespace);
    let mut command = Command::new("kubectl");
    command.args(["cbw", "poll", &watch, "--newer-than", "2h", "--timeout", timeout]);
    command.env("KUBECONFIG", &scene.cluster.kubeconfig);
    command.env("PATH", format!("{}:{}", plugins.display(), std::env::var("PATH").unwrap()));
    program::run(&mut command).ended(code, words);
}
