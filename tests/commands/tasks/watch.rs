//! `--watch` where there is no terminal: a line or a document for each change, until a signal.

use serde_json::Value;

use super::*;

const WATCH: [&str; 3] = ["--watch", "--interval", "1s"];

#[tokio::test(flavor = "multi_thread")]
async fn there_is_one_line_for_each_change_and_none_without() {
    let simulator = simulator().await;
    simulator.set_tasks(CLUSTER, [task("old", "Success", 0), task("new", "Running", 60).progress(40)]);
    let mut command = start(&mut tasks(&simulator, &WATCH));
    let mut text = command.lines(1);
    // Polls without a change say nothing.
    until("three polls", || simulator.requests(CLUSTER) >= 3).await;
    simulator.set_tasks(CLUSTER, [task("new", "Running", 60).progress(80)]);
    text += &command.lines(1);
    simulator.set_fault(CLUSTER, cce_simulator::Fault::status(500).times(1)).unwrap();
    simulator.set_tasks(CLUSTER, [task("new", "Failed", 60).progress(80), task("next", "Init", 90)]);
    text += &command.lines(2);
    command.signal("INT");
    let ran = command.end();
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(130), ""), "{ran:?}");

    let (times, changes): (Vec<_>, Vec<_>) = text.lines().map(|line| line.split_once(' ').unwrap()).unzip();
    assert_eq!(changes, ["new Running 40%", "new Running 80%", "new Failed 80%", "next Init"]);
    assert!(times.iter().all(|time| time.parse::<Timestamp>().is_ok() && time.len() == 20), "{times:?}");
    assert!(ran.stderr.contains("the poll failed and is tried again"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("error:"), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_and_yaml_are_streams_of_whole_reports() {
    let simulator = simulator().await;
    for (flag, lines) in [("json", 1), ("yaml", 2)] {
        simulator.set_tasks(CLUSTER, []);
        let mut command = start(tasks(&simulator, &WATCH).args(["--output", flag]));
        let mut text = command.lines(lines);
        simulator.set_tasks(CLUSTER, [task("a", "Running", 0)]);
        if flag == "json" {
            text += &command.lines(1);
        } else {
            simulator.reset_counts();
            until("two more polls", || simulator.requests(CLUSTER) >= 2).await;
        }
        command.signal("TERM");
        let ran = command.end();
        assert_eq!(ran.code, Some(143), "{ran:?}");
        text += &ran.stdout;
        let reports: Vec<Value> = match flag {
            "json" => text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
            _ => text.split("---\n").skip(1).map(|part| serde_saphyr::from_str(part).unwrap()).collect(),
        };
        assert_eq!(reports.len(), 2, "{text}");
        assert_eq!((&reports[0]["tasks"], &reports[1]["phase"]), (&serde_json::json!([]), &"Running".into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_wait_the_stream_ends_with_the_verdict() {
    let simulator = simulator().await;
    simulator.set_tasks(CLUSTER, [task("a", "Running", 0).progress(5)]);
    let mut command = start(tasks(&simulator, &WATCH).args(["--wait", "--timeout", "30s"]));
    let mut text = command.lines(1);
    simulator.set_tasks(CLUSTER, [task("a", "Failed", 0).progress(5)]);
    text += &command.lines(1);
    // No table after the lines: the stream is the result.
    command.end().said_only(1, "");
    assert!(text.ends_with(" a Failed 5%\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_went_away_ends_the_stream_quietly() {
    let simulator = simulator().await;
    simulator.set_tasks(CLUSTER, [task("a", "Running", 0).progress(5)]);
    let mut command = start(&mut tasks(&simulator, &WATCH));
    command.lines(1);
    drop(command.child().stdout.take());
    simulator.set_tasks(CLUSTER, [task("a", "Running", 0).progress(6)]);
    let ran = command.end();
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(141), ""), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_will_not_pass_ends_a_watch_too() {
    let simulator = simulator().await;
    run(&mut tasks(&simulator, &WATCH)).refused(3, "there is no such cluster");
}
