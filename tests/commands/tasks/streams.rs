//! Standard output or error may be closed or full at any time. The exit code stays the documented one, and what the
//! command waits for goes on.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn one_look_keeps_its_exit_code() {
    let simulator = simulator().await;
    for (phase, verdict) in [("Success", 0), ("Failed", 1)] {
        simulator.set_tasks(CLUSTER, [task("a", phase, 0)]);
        for flags in [&[][..], &["--output", "json"], &["--wait"], &["--wait", "--watch"]] {
            let command = || tasks(&simulator, flags);
            assert_eq!(code(&mut command(), closed(), closed()), Some(verdict), "{phase} {flags:?}");
            assert_eq!(code(&mut command(), Stdio::null(), full()), Some(verdict), "{phase} {flags:?}");
            // A success that nobody can read is none; a failure stays one where it was waited for.
            let unread = code(&mut command(), full(), full()).unwrap();
            assert!(unread == 3 || unread == verdict && verdict == 1, "{phase} {flags:?}: {unread}");
        }
    }
    let mut refused = tasks(&simulator, &[]);
    refused.env("HUAWEICLOUD_SDK_SK", "another");
    for (stdout, stderr) in [(closed(), closed()), (full(), full())] {
        assert_eq!(code(&mut refused, stdout, stderr), Some(3));
    }
    for (stdout, stderr) in [(closed(), closed()), (full(), full())] {
        assert_eq!(code(&mut tasks(&simulator, &["--output", "xml"]), stdout, stderr), Some(2));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_goes_on_to_its_verdict() {
    let simulator = simulator().await;
    for (phase, verdict) in [("Success", 0), ("Failed", 1)] {
        for flags in [&["--wait"][..], &["--wait", "--watch"], &["--wait", "--watch", "--output", "json"]] {
            simulator.reset_counts();
            simulator.set_tasks(CLUSTER, [task("a", "Running", 0)]);
            let mut command = tasks(&simulator, &["--interval", "1s", "--timeout", "30s"]);
            command.args(flags).stdin(Stdio::null()).stdout(closed()).stderr(closed());
            let mut running = command.spawn().unwrap();
            until("two polls", || simulator.requests(CLUSTER) >= 2).await;
            simulator.set_tasks(CLUSTER, [task("a", phase, 0)]);
            assert_eq!(running.wait().unwrap().code(), Some(verdict), "{phase} {flags:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_nobody_reads_ends() {
    let simulator = simulator().await;
    simulator.set_tasks(CLUSTER, [task("a", "Running", 0)]);
    assert_eq!(code(&mut tasks(&simulator, &["--watch"]), closed(), closed()), Some(141));
    assert_eq!(code(&mut tasks(&simulator, &["--watch"]), full(), full()), Some(3));
}

#[test]
fn what_only_prints_ends_well_when_nobody_reads_and_badly_when_nothing_can_be_written() {
    for words in [&["crd"][..], &["man"], &["man", "tasks"], &["completion", "bash"]] {
        assert_eq!(code(program().args(words), closed(), closed()), Some(0), "{words:?}");
        assert_eq!(code(program().args(words), full(), full()), Some(3), "{words:?}");
    }
    for words in [&["--help"][..], &["tasks", "--help"], &["--version"]] {
        assert_eq!(code(program().args(words), closed(), closed()), Some(0), "{words:?}");
    }
    for words in [&[][..], &["nonsense"], &["probe"]] {
        assert_eq!(code(program().args(words), full(), full()), Some(2), "{words:?}");
    }
    let probe = ["probe", "http://127.0.0.1:1/", "--timeout", "1s"];
    assert_eq!(code(program().args(probe), closed(), closed()), Some(1));
    let mut operator = program();
    operator.arg("controller").env("KUBECONFIG", "/dev/null");
    assert_eq!(code(&mut operator, closed(), closed()), Some(1));
    assert_eq!(code(&mut operator, full(), full()), Some(1));
}
