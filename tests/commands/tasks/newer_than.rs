//! `--newer-than`: a gate that an old success does not pass.

use super::*;

const NEWER: [&str; 2] = ["--newer-than", "2h"];
const WAIT: [&str; 7] = ["--newer-than", "2h", "--wait", "--timeout", "30s", "--interval", "1s"];

#[tokio::test(flavor = "multi_thread")]
async fn an_old_success_a_running_backup_and_none_give_1() {
    let simulator = simulator().await;
    let running = || Task::new("r", "Running").progress(40);
    let said = "the newest backup is no success of the last 2h\n";
    for (listed, code, said) in [
        (vec![ended("a", "Success", YOUNG)], 0, ""),
        (vec![ended("a", "Success", OLD)], 1, said),
        (vec![ended("a", "Failed", YOUNG)], 1, ""),
        (vec![ended("a", "Failed", OLD)], 1, said),
        (vec![ended("a", "Success", YOUNG), running()], 1, said),
        (vec![], 1, said),
    ] {
        simulator.set_tasks(CLUSTER, listed.clone());
        let ran = run(&mut tasks(&simulator, &NEWER));
        assert_eq!(ran.code, Some(code), "{listed:?}: {ran:?}");
        assert!(ran.stderr.ends_with(said) && (ran.stderr.is_empty() == said.is_empty()), "{ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_goes_past_what_is_too_old_to_a_newer_one() {
    let simulator = simulator().await;
    for (phase, code) in [("Success", 0), ("Failed", 1)] {
        for old in ["Success", "Failed"] {
            simulator.reset_counts();
            simulator.set_tasks(CLUSTER, [ended("old", old, OLD)]);
            let command = start(&mut tasks(&simulator, &WAIT));
            until("two polls", || simulator.requests(CLUSTER) >= 2).await;
            simulator.set_tasks(CLUSTER, [ended("old", old, OLD), ended("new", phase, YOUNG)]);
            let ran = command.end();
            assert_eq!(ran.code, Some(code), "{old}, {phase}: {ran:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_for_a_newer_one_that_never_comes_says_what_there_is() {
    let simulator = simulator().await;
    simulator.set_tasks(CLUSTER, [ended("old", "Success", OLD)]);
    let flags = ["--newer-than", "2h", "--wait", "--timeout", "1s", "--interval", "1s"];
    let ran = run(&mut tasks(&simulator, &flags));
    assert_eq!(ran.code, Some(124), "{ran:?}");
    let said = "timed out after 1s: the newest backup old is Success and ended too long ago";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn ages_are_measured_by_the_clouds_clock_and_a_difference_is_said() {
    let simulator = simulator().await;
    for wait in [&[][..], &["--wait", "--timeout", "1s", "--interval", "1s"]] {
        let gate = |limit| run(&mut tasks(&simulator, &[&["--newer-than", limit][..], wait].concat()));
        // This host is ten minutes ahead: by its clock the backup ended 13 minutes ago.
        simulator.set_clock_skew(SignedDuration::from_mins(-10));
        simulator.set_tasks(CLUSTER, [ended("a", "Success", SignedDuration::from_mins(13))]);
        let ran = gate("8m");
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let said = "the clock of this host is 10 min ahead of the cloud's, where it is 20";
        assert_eq!(ran.stderr.matches(said).count(), 1, "{ran:?}");
        // It is ten minutes behind: by its clock the backup ends in seven.
        simulator.set_clock_skew(SignedDuration::from_mins(10));
        simulator.set_tasks(CLUSTER, [ended("a", "Success", SignedDuration::from_mins(-7))]);
        gate("8m").said(0, "10 min behind the cloud's");
        assert_ne!(gate("2m").code, Some(0), "it is three minutes old");
    }
}
