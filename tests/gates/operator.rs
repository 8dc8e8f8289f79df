//! The gate that asks the operator: `kubectl cbw poll`. What each verdict says is shown by `tests/e2e/commands.rs`; here
//! it is a gate, which opens for a fresh success alone.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use cbw_testkit::{
    program::{self, folder},
    scene::Scene,
    trial::Test,
};
use serde_json::json;

use crate::cloud::{Backups, lists};

/// A watch in every state of the backups.
pub fn tests() -> Vec<Test> {
    let states = [
        (Backups::Fresh, 0, "60s", ""),
        (Backups::Stale, 1, "60s", "no backup succeeded within the last 2h"),
        (Backups::Running, 0, "60s", ""),
        (Backups::Endless, 1, "30s", "running: 40 %"),
        (Backups::Failed, 1, "60s", "bad: BackupFailed"),
    ];
    let states = states.map(|(state, code, timeout, words)| {
        Test::new(format!("a watch that sees {state:?}: exit code {code}"), async move |scene| {
            lists(&scene, state, "Success", 2);
            let _operator = scene.operator().await;
            scene.watch("prod", json!({})).await;
            polls(&scene, timeout, code, words);
        })
    });
    states.into_iter().collect()
}

/// `kubectl cbw`: the binary is a plugin under this name.
pub fn plugin(scene: &Scene, kubeconfig: &Path) -> Command {
    let plugins: PathBuf = folder().join(format!("{}-plugins", scene.namespace));
    fs::create_dir_all(&plugins).unwrap();
    // A case that asks more than once has the link already.
    let _ = symlink(program::operator(), plugins.join("kubectl-cbw"));
    let mut command = Command::new("kubectl");
    command.arg("cbw").env("KUBECONFIG", kubeconfig);
    command.env("PATH", format!("{}:{}", plugins.display(), std::env::var("PATH").unwrap()));
    command
}

/// Polls the watch through the gate: the exit code, and words of what it says.
pub fn polls(scene: &Scene, timeout: &str, code: i32, words: &str) {
    let watch = format!("{}/prod", scene.namespace);
    let arguments = ["poll", &watch, "--newer-than", "2h", "--timeout", timeout];
    program::run(plugin(scene, &scene.cluster.kubeconfig).args(arguments)).ended(code, words);
}
