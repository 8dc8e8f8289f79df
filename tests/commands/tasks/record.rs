//! `--record`: each exchange is a line that tells the cloud's ways and nobody's names.

use std::path::Path;

use cce_simulator::{Fault, Scenario, Workflow};
use serde_json::Value;

use super::*;

const UID: &str = "87d326f9-46b0-486e-a4ba-1f82ec9315ed";

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    for gone in [UID, CLUSTER, PROJECT, ACCESS_KEY, SECRET_KEY, "127.0.0.1", "canary"] {
        assert!(!text.contains(gone), "{gone}: {text}");
    }
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_poll_is_one_line_and_the_command_says_what_it_replaced() {
    let simulator = simulator().await;
    simulator.set_tasks(CLUSTER, [task(UID, "Success", 0)]);
    let upgrade = Workflow { uid: UID.to_owned(), phase: Some("Running".to_owned()), ..Workflow::default() };
    simulator.set_upgrades(CLUSTER, [upgrade]);
    let folder = Folder::new();
    let path = folder.0.join("record.jsonl");
    let ran = run(tasks(&simulator, &["--record"]).arg(&path));
    ran.said(0, &format!("2 exchanges are recorded in {}; ", path.display()));
    let lines = lines(&path);
    let line = &lines[0];
    assert_eq!((lines.len(), &line["call"], &line["status"]), (2, &"ListTasks".into(), &200.into()));
    assert_eq!(line["body"]["items"][0]["status"]["phase"], "Success");
    let replaced = line["body"]["items"][0]["metadata"]["uid"].as_str().unwrap();
    assert!(ran.stderr.contains(&format!("\n  {replaced} stands for {UID}\n")), "{}", ran.stderr);
    // The upgrades are asked for along, and one value has one replacement in all calls.
    let upgrade = &lines[1];
    assert_eq!((&upgrade["call"], &upgrade["status"]), (&"ListUpgrades".into(), &200.into()));
    let workflow = &upgrade["body"]["items"][0];
    assert_eq!(
        (&workflow["metadata"]["uid"], &workflow["status"]["phase"]),
        (&replaced.into(), &"Running".into())
    );
    assert_eq!(simulator.upgrade_requests(CLUSTER), 1);
    // Another process could not go on with it.
    run(tasks(&simulator, &["--record"]).arg(&path)).refused(2, "name a file that is not there yet");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_watched_until_a_signal_is_played_by_the_simulator() {
    let simulator = simulator().await;
    let folder = Folder::new();
    let path = folder.0.join("record.jsonl");
    simulator.set_tasks(CLUSTER, [task(UID, "Running", 0).progress(40)]);
    let mut command = start(tasks(&simulator, &["--watch", "--interval", "1s", "--record"]).arg(&path));
    command.lines(1);
    let refusal =
        Fault::error(429, "CCE.01429002", "The cluster canary is locked").header("Retry-After", "1");
    simulator.set_fault(CLUSTER, refusal.times(1)).unwrap();
    simulator.set_tasks(CLUSTER, [task(UID, "Success", 0).progress(100)]);
    command.lines(1);
    command.signal("INT");
    command.end().said(130, " exchanges are recorded in ");
    let recorded = lines(&path);
    let refused = recorded.iter().find(|line| line["status"] == 429).unwrap();
    assert_eq!(refused["headers"]["retry-after"], "1");
    assert!(refused.to_string().contains("CCE.01429002"), "{refused}");

    simulator.clear_tasks(CLUSTER);
    simulator.set_scenario(Scenario::from_file(&path).unwrap());
    let ran = run(&mut tasks(&simulator, &["--wait", "--watch", "--interval", "1s"]));
    let uid = recorded[0]["body"]["items"][0]["metadata"]["uid"].as_str().unwrap();
    let changes: Vec<_> =
        ran.stdout.lines().filter_map(|line| line.split_once(' ')).map(|(_, change)| change).collect();
    assert_eq!(changes, [format!("{uid} Running 40%"), format!("{uid} Success 100%")], "{ran:?}");
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_that_cannot_be_used_leave_no_file_behind() {
    let simulator = simulator().await;
    let folder = Folder::new();
    let path = folder.0.join("record.jsonl");
    run(tasks(&simulator, &["--timeout", "5m", "--record"]).arg(&path))
        .refused(2, "--timeout is of use only with --wait");
    assert!(!path.exists(), "the corrected command could not be given");
}
