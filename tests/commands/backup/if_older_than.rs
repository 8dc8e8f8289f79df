//! `--if-older-than`: run again at any time, it starts only what is missing.

use super::*;

const LIMIT: [&str; 2] = ["--if-older-than", "2h"];

#[tokio::test(flavor = "multi_thread")]
async fn a_young_success_is_enough() {
    let cloud = Cloud::with_tasks([ended("young", "Success", YOUNG)]).await;
    let ran = run(&mut cloud.backup(&LIMIT));
    assert_eq!((ran.code, cloud.posts(), cloud.simulator.requests(CLUSTER)), (Some(0), 0, 1), "{ran:?}");
    assert!(ran.stderr.contains("none is started: the backup young of "), "{}", ran.stderr);
    assert!(ran.stdout.contains("young"), "{}", ran.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_success_or_a_failure_is_not() {
    for task in [ended("a", "Success", OLD), ended("a", "Failed", YOUNG)] {
        let cloud = Cloud::with_tasks([task]).await;
        cloud.ends(1, "Success");
        let ran = run(&mut cloud.backup(&LIMIT));
        assert_eq!((ran.code, cloud.posts()), (Some(0), 1), "{ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_backup_is_followed() {
    for (phase, code) in [("Success", 0), ("Failed", 1)] {
        let running = || Task::new("mine", "Running").progress(40);
        let cloud = Cloud::with_tasks([running()]).await;
        let mut command = start(&mut cloud.backup(&LIMIT));
        command.says(" mine Running 40%");
        cloud.simulator.set_tasks(CLUSTER, [Task::new("mine", phase)]);
        let ran = command.end();
        assert_eq!((ran.code, cloud.posts()), (Some(code), 0), "{ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_and_run_again_it_adopts_the_backup_it_had_started() {
    let cloud = Cloud::with_tasks([ended("old", "Success", OLD)]).await;
    cloud.ends(NEVER, "Success");
    // Killed while the answer to the request is awaited: the backup runs and nobody knows its uid.
    let lost = cce_simulator::StartFault::Lost(cce_simulator::FaultKind::Hang {}.into());
    cloud.simulator.set_start_fault(CLUSTER, lost).unwrap();
    let mut command = start(&mut cloud.backup(&LIMIT));
    until("the request", || cloud.posts() == 1).await;
    command.signal("KILL");
    assert_eq!(command.end().code, None);
    // Killed while it follows.
    let mut command = start(&mut cloud.backup(&LIMIT));
    let said = command.says(" Running 0%");
    assert!(said.contains("none is started: the backup "), "{said}");
    command.signal("KILL");
    command.end();
    // A third run sees it through.
    let started = start(&mut cloud.backup(&[LIMIT[0], LIMIT[1], "--output", "json"]));
    until("another look", || cloud.simulator.requests(CLUSTER) >= 6).await;
    let listed = run(&mut on_cluster("tasks", &cloud.simulator.url(), &["--output", "json"]));
    let report: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    let uid = report["tasks"][0]["uid"].as_str().unwrap();
    cloud.simulator.set_tasks(CLUSTER, [Task::new(uid, "Success")]);
    let ran = started.end();
    assert_eq!((ran.code, cloud.posts()), (Some(0), 1), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_start_at_once_end_with_one_backup() {
    let cloud = Cloud::with_tasks([ended("old", "Success", OLD)]).await;
    cloud.ends(2, "Success");
    // Both look before either asks.
    cloud.simulator.set_latency(Duration::from_millis(500));
    let commands = [start(&mut cloud.backup(&LIMIT)), start(&mut cloud.backup(&LIMIT))];
    let ran = commands.map(Running::end);
    assert!(ran.iter().all(|ran| ran.code == Some(0)), "{ran:?}");
    assert_eq!(cloud.posts(), 2, "the second is refused");
    let listed = run(&mut on_cluster("tasks", &cloud.simulator.url(), &["--output", "json"]));
    let report: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(report["tasks"].as_array().unwrap().len(), 2, "the old one and one new one");
    assert!(ran.iter().any(|ran| ran.stderr.contains("(HTTP 429, CCE.01429002, request ")), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_age_is_measured_by_the_clouds_clock_and_a_difference_is_said() {
    // This host is ten minutes ahead: by its clock the backup ended 13 minutes ago, by the cloud's three.
    let cloud = Cloud::with_tasks([ended("a", "Success", SignedDuration::from_mins(13))]).await;
    cloud.simulator.set_clock_skew(SignedDuration::from_mins(-10));
    run(&mut cloud.backup(&["--if-older-than", "8m"]))
        .said(0, "the clock of this host is 10 min ahead of the cloud's");
    assert_eq!(cloud.posts(), 0);
    // It is ten minutes behind: by its clock the backup ended a moment ago, by the cloud's ten minutes.
    let cloud = Cloud::with_tasks([ended("a", "Success", SignedDuration::ZERO)]).await;
    cloud.ends(1, "Success");
    cloud.simulator.set_clock_skew(SignedDuration::from_mins(10));
    run(&mut cloud.backup(&["--if-older-than", "8m"])).said(0, "10 min behind the cloud's");
    assert_eq!(cloud.posts(), 1);
}
