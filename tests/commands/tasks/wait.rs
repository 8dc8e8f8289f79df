//! `--wait`, the gate: it opens for a success alone, and never waits for ever.

use cce_simulator::{Fault, FaultKind};

use super::*;

const WAIT: [&str; 5] = ["--wait", "--timeout", "30s", "--interval", "1s"];

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_backup_is_not_waited_for() {
    let simulator = simulator().await;
    for (phase, code) in [("Success", 0), ("Failed", 1)] {
        simulator.set_tasks(CLUSTER, [task("a", phase, 0)]);
        simulator.reset_counts();
        let ran = run(&mut tasks(&simulator, &WAIT));
        assert_eq!((ran.code, simulator.requests(CLUSTER)), (Some(code), 1), "{ran:?}");
        assert!(ran.stdout.lines().nth(1).is_some_and(|line| line.contains(phase)), "{ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_backup_is_waited_for_to_its_end() {
    let simulator = simulator().await;
    for (phase, code) in [("Success", 0), ("Failed", 1)] {
        simulator.reset_counts();
        simulator.set_tasks(CLUSTER, [task("old", "Success", 0), task("new", "Running", 60).progress(40)]);
        let command = start(&mut tasks(&simulator, &WAIT));
        until("two polls", || simulator.requests(CLUSTER) >= 2).await;
        simulator.set_tasks(CLUSTER, [task("old", "Success", 0), task("new", phase, 60).progress(100)]);
        let ran = command.end();
        assert_eq!(ran.code, Some(code), "{ran:?}");
        // The result once on standard output; what was waited for on the other.
        assert_eq!(ran.stdout.lines().count(), 3, "{}", ran.stdout);
        assert!(ran.stderr.contains(" new Running 40%\n"), "{}", ran.stderr);
        assert!(ran.stderr.contains(&format!(" new {phase} 100%\n")), "{}", ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 2, "{}", ran.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_runs_out_with_124_and_the_state_of_things() {
    let simulator = simulator().await;
    let wait = ["--wait", "--timeout", "1s", "--interval", "1s"];
    simulator.set_tasks(CLUSTER, []);
    run(&mut tasks(&simulator, &wait)).refused(124, "error: timed out after 1s: no backup is listed");

    simulator.set_tasks(CLUSTER, [task("a", "Pause", 0).progress(67)]);
    let ran = run(&mut tasks(&simulator, &wait));
    assert_eq!((ran.code, ran.stdout.lines().count()), (Some(124), 2), "{ran:?}");
    assert!(ran.stderr.contains("timed out after 1s: the backup a is still Pause, 67%"), "{}", ran.stderr);

    simulator.set_fault(CLUSTER, Fault::status(502)).unwrap();
    run(&mut tasks(&simulator, &wait)).refused(124, "timed out after 1s: the last poll failed: ");

    // Even while an answer is awaited.
    simulator.set_fault(CLUSTER, FaultKind::Hang {}).unwrap();
    let began = Instant::now();
    run(tasks(&simulator, &wait).args(["--request-timeout", "60s"]))
        .refused(124, "timed out after 1s: the cloud gave no answer");
    assert!(began.elapsed() < Duration::from_mins(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_pass_is_asked_past_and_told_once() {
    let simulator = simulator().await;
    simulator.set_tasks(CLUSTER, [task("a", "Success", 0)]);
    simulator.set_fault(CLUSTER, Fault::status(503).times(3)).unwrap();
    let ran = run(&mut tasks(&simulator, &WAIT));
    assert_eq!((ran.code, simulator.requests(CLUSTER)), (Some(0), 4), "{ran:?}");
    assert_eq!(ran.stderr.matches("the poll failed and is tried again").count(), 1, "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("the cloud answers again").count(), 1, "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_that_the_cloud_asks_for_is_kept() {
    let simulator = simulator().await;
    simulator.set_tasks(CLUSTER, [task("a", "Success", 0)]);
    let throttled = Fault::error(429, "APIGW.0308", "slow down").header("Retry-After", "3").times(1);
    simulator.set_fault(CLUSTER, throttled).unwrap();
    let began = Instant::now();
    let ran = run(&mut tasks(&simulator, &WAIT));
    assert_eq!((ran.code, simulator.requests(CLUSTER)), (Some(0), 2), "{ran:?}");
    assert!(began.elapsed() >= Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_will_not_pass_ends_the_wait_at_once() {
    let simulator = simulator().await;
    simulator.set_tasks(CLUSTER, [task("a", "Running", 0)]);
    let command = start(&mut tasks(&simulator, &WAIT));
    until("a poll", || simulator.requests(CLUSTER) >= 1).await;
    simulator.remove_credential(ACCESS_KEY);
    command.end().said(3, "the access key or its signature was refused");
    assert_eq!(simulator.counts(CLUSTER).refused, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_success_is_no_answer_for_a_backup_that_vanished() {
    let simulator = simulator().await;
    simulator.set_tasks(CLUSTER, [task("old", "Success", 0), task("new", "Running", 60)]);
    let command = start(&mut tasks(&simulator, &["--wait", "--timeout", "4s", "--interval", "1s"]));
    until("a poll", || simulator.requests(CLUSTER) >= 1).await;
    simulator.set_tasks(CLUSTER, [task("old", "Success", 0)]);
    let ran = command.end();
    ran.said(124, "the task new is no longer listed");
    assert!(ran.stderr.contains("the backup new was running and is no longer listed"), "{}", ran.stderr);
}
