//! The states of a cluster's backups that a gate may meet, and the command line in a pipeline.

use std::process::Command;

use cbw_testkit::{
    program,
    scene::{ACCESS_KEY, CLUSTER, PROJECT, REGION, SECRET_KEY, Scene},
};
use cce_simulator::Scenario;

/// What the cloud lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backups {
    /// No backup at all.
    None,
    /// A success of three hours ago, where the gates ask for one of two hours.
    Stale,
    /// One that runs and succeeds soon.
    Running,
    /// One that runs and does not end.
    Endless,
    /// A failure of five minutes ago.
    Failed,
    /// The same, and one that was started for that and succeeds in a while.
    Repeated,
    /// A success of five minutes ago.
    Fresh,
}

/// The cloud lists these backups from now on. One that is started ends in this phase after so many seconds.
pub fn lists(scene: &Scene, backups: Backups, phase: &str, seconds: u8) {
    let tasks = match backups {
        Backups::None => "",
        Backups::Stale => "{at: -3h, steps: [{phase: Running}, {after: 5m, phase: Success, progress: 100}]}",
        Backups::Running => {
            "{at: -10s, steps: [{phase: Running, progress: 0}, {after: 15s, phase: Success, progress: 100}]}"
        }
        Backups::Endless => "{at: -10s, steps: [{phase: Running, progress: 40}]}",
        Backups::Failed => "{at: -10m, steps: [{phase: Running}, {after: 5m, phase: Failed, progress: 62}]}",
        Backups::Repeated => {
            "{at: -10m, steps: [{phase: Running}, {after: 5m, phase: Failed, progress: 62}]}, \
             {at: -5s, steps: [{phase: Running, progress: 0}, {after: 30s, phase: Success, progress: 100}]}"
        }
        Backups::Fresh => "{at: -10m, steps: [{phase: Running}, {after: 5m, phase: Success, progress: 100}]}",
    };
    let scenario = format!(
        "clusters:
  {CLUSTER}:
    tasks: [{tasks}]
    onBackup: [{{phase: Running, progress: 0}}, {{after: {seconds}s, phase: {phase}, progress: 100}}]"
    );
    scene.cloud.set_scenario(Scenario::from_yaml(&scenario).unwrap());
    scene.cloud.reset_counts();
    // What the tests on a real API server set at first would outrank it.
    scene.cloud.clear_tasks(CLUSTER);
}

/// A command as a pipeline runs it: with keys, place and cluster by variables.
pub fn in_pipeline(scene: &Scene, program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .envs([("HUAWEICLOUD_SDK_AK", ACCESS_KEY), ("HUAWEICLOUD_SDK_SK", SECRET_KEY)])
        .envs([("CBW_REGION", REGION), ("CBW_PROJECT_ID", PROJECT), ("CBW_CLUSTER_ID", CLUSTER)])
        .env("CBW_REGION_ENDPOINT", format!("{REGION}={}", scene.cloud.url()))
        .env("CBW_INTERVAL", "1s");
    command
}

/// The operator's binary as the name of a program.
pub fn binary() -> String {
    program::operator().to_str().unwrap().to_owned()
}
