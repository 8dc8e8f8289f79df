//! A backup is started once and followed to its end.

use serde_json::Value;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn one_request_starts_a_backup_that_is_followed_to_its_verdict() {
    for (phase, code) in [("Success", 0), ("Failed", 1)] {
        let cloud = Cloud::with_tasks([ended("old", "Success", YOUNG)]).await;
        cloud.ends(3, phase);
        let ran = run(&mut cloud.backup(&[]));
        assert_eq!((ran.code, cloud.posts()), (Some(code), 1), "{ran:?}");
        let first = format!(
            "a full backup of the control plane of the Standard cluster {CLUSTER} (project {PROJECT}, region cn-north-4) \
             is requested\n"
        );
        assert!(ran.stderr.starts_with(&first), "{}", ran.stderr);
        assert!(ran.stderr.contains(" Running "), "{}", ran.stderr);
        assert!(ran.stderr.ends_with(&format!(" {phase} 100%\n")), "{}", ran.stderr);
        // The table is that of `tasks`: the started backup, and the one before.
        let lines: Vec<_> = ran.stdout.lines().collect();
        assert!(
            lines.len() == 3 && lines[0].starts_with("UID ") && lines[1].contains(phase),
            "{}",
            ran.stdout
        );
        assert!(lines[2].starts_with("old "), "{}", ran.stdout);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_result_is_that_of_tasks_in_every_form() {
    let cloud = Cloud::with_tasks([]).await;
    cloud.ends(1, "Success");
    let json = run(&mut cloud.backup(&["--output", "json"]));
    let report: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(
        (json.code, &report["phase"], &report["clusterID"]),
        (Some(0), &"Success".into(), &CLUSTER.into())
    );
    let yaml = run(&mut cloud.backup(&["--output", "yaml"]));
    assert_eq!(serde_saphyr::from_str::<Value>(&yaml.stdout).unwrap()["phase"], "Success");
    let lines = run(&mut cloud.backup(&["--output", "json", "--watch"]));
    let last: Value = serde_json::from_str(lines.stdout.lines().last().unwrap()).unwrap();
    assert!(lines.stdout.lines().count() >= 2 && last["phase"] == "Success", "{}", lines.stdout);
    assert_eq!(cloud.posts(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_backup_that_ends_first_is_not_taken_for_it() {
    let cloud = Cloud::with_tasks([]).await;
    cloud.ends(NEVER, "Success");
    let mut command = start(&mut cloud.backup(&[]));
    command.says(" Running 0%");
    cloud.simulator.set_tasks(CLUSTER, [Task::new("other", "Failed")]);
    command.says(" other Failed");
    command.signal("TERM");
    assert_eq!((command.end().code, cloud.posts()), (Some(143), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_would_be_done_and_changes_nothing() {
    let running = || Task::new("r", "Running").progress(40);
    for (tasks, flags, said) in [
        (vec![], &[][..], "would be started"),
        (vec![running()], &[], "would be started, besides r, which is not finished"),
        (vec![running()], &["--if-older-than", "2h"], "the backup r of the Standard cluster"),
        (vec![ended("a", "Success", YOUNG)], &["--if-older-than", "2h"], "within the last 2h"),
        (vec![ended("a", "Success", OLD)], &["--if-older-than", "2h"], "would be started"),
    ] {
        let cloud = Cloud::with_tasks(tasks).await;
        let ran = run(cloud.backup(flags).arg("--dry-run"));
        assert_eq!((ran.code, ran.stdout.as_str(), cloud.posts()), (Some(0), "", 0), "{ran:?}");
        assert!(ran.stderr.contains(said) && ran.stderr.lines().count() == 1, "{said}: {}", ran.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_waiting_it_ends_as_soon_as_the_backup_is_listed() {
    let cloud = Cloud::with_tasks([]).await;
    cloud.ends(NEVER, "Success");
    // At first the list does not know the new backup.
    cloud.simulator.set_answer(CLUSTER, serde_json::json!({"kind": "List", "items": []}));
    let mut command = start(&mut cloud.backup(&["--no-wait", "--output", "json"]));
    command.says("is started\n");
    until("three looks", || cloud.simulator.requests(CLUSTER) >= 4).await;
    cloud.simulator.clear_answer(CLUSTER);
    let ran = command.end();
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, &report["phase"], cloud.posts()), (Some(0), &"Running".into(), 1), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_the_following_and_not_the_backup() {
    let cloud = Cloud::with_tasks([]).await;
    cloud.ends(NEVER, "Success");
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        cloud.simulator.restart();
        let mut command = start(&mut cloud.backup(&[]));
        let said = command.says(" Running 0%");
        let uid = said.lines().find_map(|line| line.strip_prefix("the backup ")?.strip_suffix(" is started"));
        command.signal(signal);
        let ran = command.end();
        assert_eq!(ran.code, Some(code), "{ran:?}");
        let goes_on = format!("the backup {} goes on without this command", uid.unwrap());
        assert!(ran.stderr.contains(&goes_on) && !ran.stderr.contains("error:"), "{}", ran.stderr);
    }
    assert_eq!(cloud.posts(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_runs_out_with_124_and_the_backup_goes_on() {
    let cloud = Cloud::with_tasks([]).await;
    cloud.ends(NEVER, "Success");
    let ran = run(&mut cloud.backup_within("2s", &[]));
    assert_eq!((ran.code, cloud.posts(), ran.stdout.lines().count()), (Some(124), 1, 2), "{ran:?}");
    assert!(ran.stderr.contains(" goes on without this command"), "{}", ran.stderr);
    assert!(ran.stderr.contains("error: timed out after 2s: the backup "), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_terminal_there_is_a_bar_and_the_table_at_the_end() {
    let cloud = Cloud::with_tasks([]).await;
    cloud.ends(4, "Success");
    let ran = run(&mut on_terminal(&cloud.backup(&[])));
    assert_eq!((ran.code, cloud.posts()), (Some(0), 1), "{ran:?}");
    for drawn in [" is started", " [", "=>", "PROGRESS", "\x1b[32mSuccess\x1b[0m"] {
        assert!(ran.stdout.contains(drawn), "{drawn}: {ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_whose_output_nobody_reads_is_followed_to_its_end() {
    for (phase, verdict) in [("Success", 0), ("Failed", 1)] {
        let cloud = Cloud::with_tasks([]).await;
        cloud.ends(2, phase);
        for flags in [&[][..], &["--watch"]] {
            let ended = code(&mut cloud.backup(flags), closed(), closed());
            assert_eq!(ended, Some(verdict), "{phase} {flags:?}");
        }
        assert_eq!(cloud.posts(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_fault_before_and_after_the_request_is_asked_past() {
    let cloud = Cloud::with_tasks([]).await;
    cloud.ends(1, "Success");
    cloud.simulator.set_fault(CLUSTER, cce_simulator::Fault::status(503).times(1)).unwrap();
    run(&mut cloud.backup(&[])).said(0, "the cloud answers again");
    assert_eq!(cloud.posts(), 1);
}

#[test]
fn flags_that_do_not_fit_together_end_with_2() {
    for flags in [
        &["--no-wait", "--watch"][..],
        &["--dry-run", "--watch"],
        &["--dry-run", "--no-wait"],
        &["--if-older-than", "soon"],
        &["--timeout", "0s"],
        &["--interval", "10ms"],
        &["--newer-than", "2h"],
    ] {
        let ran = run(&mut on_cluster("backup", "http://127.0.0.1:1", flags));
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{flags:?}: {ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_output_holds_a_key() {
    let cloud = Cloud::with_tasks([]).await;
    cloud.ends(1, "Success");
    for log in ["trace", "warn"] {
        let ran = run(&mut cloud.backup(&["--log-filter", log]));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        holds_no_key(&ran);
    }
}
