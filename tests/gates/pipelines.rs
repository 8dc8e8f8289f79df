//! The gates that are steps of a pipeline: the command of each file, run by a shell as a runner runs it.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use cbw_testkit::{
    program::{self, ROOT},
    scene::{CLUSTER, Scene},
    trial::Test,
};
use serde_json::Value;

use crate::cloud::{Backups, binary, in_pipeline, lists};

/// The command of a pipeline.
type Step = fn(&Scene) -> Command;

/// A pipeline, what the cloud lists, how a backup ends that is started, the exit code and how many are started.
type Case = (&'static str, Step, Backups, &'static str, i32, u64);

/// Every case of the two files and of `tasks`.
pub fn tests() -> Vec<Test> {
    let files: [(&str, Step); 2] = [("github", github), ("gitlab", gitlab)];
    let gates = files.into_iter().flat_map(|(name, command)| -> [Case; 4] {
        [
            (name, command, Backups::Stale, "Success", 0, 1),
            (name, command, Backups::Running, "Success", 0, 0),
            (name, command, Backups::Fresh, "Success", 0, 0),
            (name, command, Backups::None, "Failed", 1, 1),
        ]
    });
    let states = [Backups::None, Backups::Stale, Backups::Endless, Backups::Failed, Backups::Fresh];
    let tasks = states.map(|state| -> Case {
        ("tasks --newer-than", newer_than, state, "Success", i32::from(state != Backups::Fresh), 0)
    });
    let cases = gates.chain(tasks).map(|(name, command, state, phase, code, started)| {
        let name = format!("{name}, {state:?}, then {phase}: exit code {code}, {started} started");
        Test::new(name, async move |scene| {
            lists(&scene, state, phase, 2);
            program::run(&mut command(&scene)).ended(code, "");
            assert_eq!(scene.cloud.start_requests(CLUSTER), started);
        })
    });
    let sound = Test::new("the GitHub workflow is sound".into(), async |_| {
        let file = Path::new(ROOT).join("docs/gates/github.yaml");
        program::run(Command::new(program::tool("actionlint")).arg("-no-color").arg(file)).ended(0, "");
    });
    cases.chain([sound]).collect()
}

fn yaml(file: &str) -> Value {
    serde_saphyr::from_str(&fs::read_to_string(Path::new(ROOT).join("docs/gates").join(file)).unwrap())
        .unwrap()
}

/// The step of the workflow. In the place of `docker run` a stub calls the binary with the arguments that follow the image.
fn github(scene: &Scene) -> Command {
    let bin = program::folder().join(format!("{}-bin", scene.namespace));
    fs::create_dir_all(&bin).unwrap();
    let stub = format!(
        "#!/usr/bin/env bash\nwhile (($# > 0)); do\n  case $1 in ghcr.io/*) shift; exec '{}' \"$@\" ;; *) shift ;; esac\ndone\nexit 99\n",
        binary()
    );
    fs::write(bin.join("docker"), stub).unwrap();
    fs::set_permissions(bin.join("docker"), fs::Permissions::from_mode(0o755)).unwrap();
    let step = yaml("github.yaml")["jobs"]["upgrade"]["steps"][0]["run"].as_str().unwrap().to_owned();
    let mut command = in_pipeline(scene, "bash");
    command.args(["-e", "-c", &step]);
    command.env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()));
    command
}

/// The first command of the script, in the folder into which the archive was unpacked.
fn gitlab(scene: &Scene) -> Command {
    let script = yaml("gitlab-ci.yml")["upgrade"]["script"][0].as_str().unwrap().to_owned();
    assert!(script.starts_with("./cce-backup-watch backup "), "{script}");
    let mut command = in_pipeline(scene, "bash");
    command.args(["-e", "-c", &script]).current_dir(program::operator().parent().unwrap());
    command
}

fn newer_than(scene: &Scene) -> Command {
    let mut command = in_pipeline(scene, &binary());
    command.args(["tasks", "--newer-than", "2h"]);
    command
}
