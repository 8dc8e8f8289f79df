//! What is written: the table, JSON and YAML, and nothing but results on standard output.

use cce_simulator::Item;
use serde_json::{Value, json};

use super::*;

async fn with_tasks() -> Simulator {
    let simulator = simulator().await;
    let item = Item { message: Some("no space left\n\u{1b}[31m\u{202e}".to_owned()), ..Item::default() };
    simulator.set_tasks(
        CLUSTER,
        [
            task("87d326f9-46b0-486e-a4ba-1f82ec9315ed", "Failed", 60).progress(62).item(item),
            task("11111111-46b0-486e-a4ba-1f82ec9315ed", "Running", 120).progress(67),
            task("00000000-46b0-486e-a4ba-1f82ec9315ed", "Success", 0).progress(100).completed(at(30)),
        ],
    );
    simulator
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_has_a_line_for_each_task_newest_first() {
    let simulator = with_tasks().await;
    let ran = run(tasks(&simulator, &[]).env("TERM", "xterm").env("TZ", "CST-8"));
    let days = (Timestamp::now().as_second() - at(0).as_second()) / 86_400;
    // How wide the columns are is tested beside the table.
    let told = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines: Vec<_> = ran.stdout.lines().map(told).collect();
    let time = |second: usize| format!("{days}d ago (2023-11-25 17:0{}", ["0)", "1)", "2)"][second / 60]);
    let expected = [
        "UID PHASE PROGRESS CREATED UPDATED COMPLETED MESSAGE".to_owned(),
        format!("11111111-46b0-486e-a4ba-1f82ec9315ed Running 67% {} {} -", time(120), time(130)),
        format!(
            "87d326f9-46b0-486e-a4ba-1f82ec9315ed Failed 62% {} {} {} master-backup: no space left \u{fffd}[31m\u{fffd}",
            time(60),
            time(70),
            time(70)
        ),
        format!("00000000-46b0-486e-a4ba-1f82ec9315ed Success 100% {} {} {}", time(0), time(10), time(30)),
    ];
    assert_eq!((ran.code, lines.as_slice(), ran.stderr.as_str()), (Some(0), &expected[..], ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn json_and_yaml_say_the_same_in_the_words_of_the_status() {
    let simulator = with_tasks().await;
    let json = run(&mut tasks(&simulator, &["-o", "json"]));
    let report: Value = serde_json::from_str(&json.stdout).unwrap();
    let mut shorter = report.clone();
    shorter["tasks"] = json!(report["tasks"].as_array().unwrap().len());
    assert_eq!(
        shorter,
        json!({
            "region": "cn-north-4", "projectID": PROJECT, "clusterID": CLUSTER, "clusterType": "Standard",
            "phase": "Running", "progress": 67, "latestBackupTime": "2023-11-25T09:00:30Z",
            "lastSuccess": {"uid": "00000000-46b0-486e-a4ba-1f82ec9315ed", "time": "2023-11-25T09:00:30Z"},
            "lastFailure": {
                "uid": "87d326f9-46b0-486e-a4ba-1f82ec9315ed", "time": "2023-11-25T09:01:10Z",
                "message": "master-backup: no space left \u{fffd}[31m\u{fffd}",
            },
            "tasks": 3,
        })
    );
    assert_eq!(
        report["tasks"][1],
        json!({
            "uid": "87d326f9-46b0-486e-a4ba-1f82ec9315ed", "phase": "Failed", "progress": 62,
            "creationTime": "2023-11-25T09:01:00Z", "updateTime": "2023-11-25T09:01:10Z",
            "completionTime": "2023-11-25T09:01:10Z",
            "items": [{
                "id": "87d326f9-46b0-486e-a4ba-1f82ec9315ed-0", "type": "master-backup", "status": "Failed",
                "creationTime": "2023-11-25T09:01:00Z", "updateTime": "2023-11-25T09:01:10Z",
                "message": "no space left \u{fffd}[31m\u{fffd}",
            }],
        })
    );
    let yaml = run(&mut tasks(&simulator, &["-o", "yaml"]));
    assert_eq!(serde_saphyr::from_str::<Value>(&yaml.stdout).unwrap(), report);
    assert_eq!((json.stderr.as_str(), yaml.stderr.as_str()), ("", ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_task_is_an_empty_list_and_a_word_on_standard_error() {
    let simulator = simulator().await;
    simulator.set_tasks(CLUSTER, []);
    run(&mut tasks(&simulator, &[]))
        .said_only(0, &format!("no snapshot task is listed for the cluster {CLUSTER}\n"));
    let ran = run(&mut tasks(&simulator, &["-o", "json"]));
    assert_eq!(serde_json::from_str::<Value>(&ran.stdout).unwrap()["tasks"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_verdict_stands_when_nobody_reads_the_result() {
    let simulator = simulator().await;
    for (phase, code) in [("Success", 0), ("Failed", 1)] {
        simulator.set_tasks(CLUSTER, [task("a", phase, 0)]);
        // The reader is gone before anything is written.
        let script = r#"set -o pipefail; "$0" "$@" | true"#;
        let mut command = Command::new("bash");
        let real = tasks(&simulator, &[]);
        command.args(["-c", script]).arg(real.get_program()).args(real.get_args()).env_clear();
        command.envs(real.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let ran = run(&mut command);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(code), ""), "{ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_cannot_be_written_is_no_success() {
    let simulator = simulator().await;
    simulator.set_tasks(CLUSTER, [task("a", "Success", 0)]);
    let ran: Ran = tasks(&simulator, &[]).stdout(full()).output().unwrap().into();
    ran.said(3, "error: cannot write the result: No space left");
}
