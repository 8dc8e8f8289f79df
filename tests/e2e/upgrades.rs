//! Upgrades of the cluster, with `upgrades: Watch`: whether a backup protects the one that runs, what is told of it, and that
//! it costs neither the verdicts on backups nor more than a few requests.

use cbw_testkit::{
    operator::Operator,
    scene::{CLUSTER, Scene, healthy, message, ready, says},
    trial::tests,
    wait::{LIMIT, holds},
};
use cce_backup_watch::api::UpgradeStatus;
use cce_simulator::{Fault, Scenario, Task, Workflow, WorkflowStep};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

tests![
    upgrades_are_judged_and_told_from_their_first_step_to_their_end,
    an_unprotected_upgrade_is_told_once_whatever_becomes_of_the_operator,
    a_list_of_upgrades_that_cannot_be_read_costs_this_condition_alone,
    upgrades_are_asked_for_where_they_are_watched_and_seldom,
    an_upgrade_that_is_over_when_it_is_first_seen_is_no_news,
];

const PROTECTED: &str = "UpgradeProtected";
/// Plays four upgrades: with all steps, a failed step without a backup, a rollback, and a failed backup and a cancel.
const SCENARIO: &str = include_str!("../../simulator/scenarios/upgrades.yaml");

/// The scenario at half its speed, so that each step that is awaited lasts two of the intervals in which it is looked for.
fn slowly(scenario: &str) -> String {
    // From the longest time down, so that none is doubled twice.
    let seconds = (1..=90).rev();
    seconds.fold(scenario.to_owned(), |text, n| text.replace(&format!(": {n}s"), &format!(": {}s", 2 * n)))
}

/// A cluster of the scenario, or another one that is made like its clusters.
fn cluster(digit: char) -> String {
    CLUSTER.replace("11111111", &digit.to_string().repeat(8))
}

/// A finished backup that ended so many hours ago.
fn backup(hours: i64) -> Task {
    let ended = Timestamp::now() - SignedDuration::from_hours(hours);
    Task::new("backup-1", "Success").progress(100).created(ended).completed(ended)
}

/// An upgrade that is in this phase, with one step.
fn workflow(phase: &str, step: &str, status: &str) -> Workflow {
    let now = Some(Timestamp::now());
    let steps = vec![WorkflowStep {
        type_: step.to_owned(),
        status: Some(status.to_owned()),
        start_time: now,
        ..Default::default()
    }];
    Workflow {
        uid: "upgrade-1".to_owned(),
        from_version: Some("v1.33.12-r2".to_owned()),
        to_version: Some("v1.34.8-r2".to_owned()),
        phase: Some(phase.to_owned()),
        creation_time: now,
        steps,
        ..Default::default()
    }
}

/// The Events about upgrades of a watch, in the order of their names.
async fn told(scene: &Scene, name: &str) -> Vec<(String, usize)> {
    let reasons = scene.reasons(name).await;
    reasons.into_iter().filter(|(reason, _)| reason.starts_with("Upgrade")).collect()
}

/// Each of these Events once.
fn once(reasons: &[&str]) -> Vec<(String, usize)> {
    reasons.iter().map(|reason| ((*reason).to_owned(), 1)).collect()
}

async fn protected(operator: &Operator, scene: &Scene, name: &str, status: &str, value: Option<f64>) {
    let labels = format!(r#"namespace="{}",name="{name}",status="{status}""#, scene.namespace);
    operator.exports(&format!("upgrade_protected{{{labels}}}"), value).await;
}

/// Waits until a watch shows an upgrade in this step and with this verdict.
async fn reaches(scene: &Scene, name: &str, step: &str, verdict: &str) {
    let what = format!("{step} and {verdict}");
    let status = scene.shows(name, &what, |status| {
        let is = |upgrade: &UpgradeStatus| {
            let part = |part: &Option<String>| part.clone().unwrap_or_default();
            format!("{} {} {}", part(&upgrade.phase), part(&upgrade.step), part(&upgrade.step_phase))
        };
        status.upgrade.as_ref().is_some_and(|upgrade| is(upgrade).trim_end() == step)
            && says(status, PROTECTED) == verdict
    });
    assert_eq!(ready(&status.await), "True Polled", "{name}: an upgrade never touches the watch");
}

/// Waits until the list of upgrades is asked for once more.
async fn asked_again(scene: &Scene, cluster: &str) {
    let before = scene.cloud.upgrade_requests(cluster);
    let again = async || scene.cloud.upgrade_requests(cluster) > before;
    holds("the list is asked for again", LIMIT, again).await;
}

async fn upgrades_are_judged_and_told_from_their_first_step_to_their_end(scene: Scene) {
    let operator = scene.operator().await;
    // The one without a backup has one that is too old for it. The verdict on backups alone would be content.
    scene.cloud.set_tasks(&cluster('b'), [backup(48)]);
    // The workflows are there from the start, so that the first poll sees each of them under way.
    scene.cloud.set_scenario(Scenario::from_yaml(&slowly(&SCENARIO.replace("at: 2s", "at: 0s"))).unwrap());
    for (name, digit) in [("all-steps", 'a'), ("no-backup", 'b'), ("put-back", 'c'), ("called-off", 'd')] {
        scene.watch(name, json!({ "clusterID": cluster(digit), "upgrades": "Watch" })).await;
    }
    // They are played at the same time.
    let all_steps = async {
        reaches(&scene, "all-steps", "Running Snapshot Running", "Unknown BackupPending").await;
        reaches(&scene, "all-steps", "Running Cluster Running", "True BackupTaken").await;
        reaches(&scene, "all-steps", "Success", "True NoUpgrade").await;
    };
    let no_backup = async {
        reaches(&scene, "no-backup", "Running Cluster Running", "False UpgradeUnprotected").await;
        protected(&operator, &scene, "no-backup", "False", Some(1.0)).await;
        assert_eq!(healthy(&scene.status("no-backup").await), "True BackupSucceeded");
        reaches(&scene, "no-backup", "Pending Cluster Failed", "False UpgradeUnprotected").await;
    };
    let put_back = async {
        reaches(&scene, "put-back", "Running Cluster Running", "True BackupTaken").await;
        reaches(&scene, "put-back", "Pending Cluster Failed", "True BackupTaken").await;
        reaches(&scene, "put-back", "Running Rollback Success", "True BackupTaken").await;
        reaches(&scene, "put-back", "Cancel Rollback Success", "True NoUpgrade").await;
    };
    let called_off = async {
        reaches(&scene, "called-off", "Pending Snapshot Failed", "Unknown BackupPending").await;
        reaches(&scene, "called-off", "Cancel Snapshot Failed", "True NoUpgrade").await;
    };
    tokio::join!(all_steps, no_backup, put_back, called_off);

    for (name, reasons) in [
        ("all-steps", &["UpgradeStarted", "UpgradeSucceeded"][..]),
        ("no-backup", &["UpgradeFailed", "UpgradeStarted", "UpgradeUnprotected"]),
        ("put-back", &["UpgradeFailed", "UpgradeRolledBack", "UpgradeStarted"]),
        ("called-off", &["UpgradeFailed", "UpgradeStarted"]),
    ] {
        assert_eq!(told(&scene, name).await, once(reasons), "{name}");
    }
    let notes = scene.notes("no-backup", "UpgradeUnprotected").await;
    assert!(notes[0].contains("v1.34.8-r2 without a backup to go back to"), "{notes:?}");
    let upgrade = scene.status("all-steps").await.upgrade.unwrap();
    assert_eq!(upgrade.snapshot_uid.as_deref(), Some("00000000-0000-0000-0000-00000000000a"));
    assert_eq!(upgrade.from_version.as_deref(), Some("v1.33.12-r2"));
    assert!(upgrade.start_time.is_some() && upgrade.precheck_expiry_time.is_some(), "{upgrade:?}");
}

async fn an_unprotected_upgrade_is_told_once_whatever_becomes_of_the_operator(scene: Scene) {
    scene.cloud.set_tasks(CLUSTER, [backup(48)]);
    scene.cloud.set_upgrades(CLUSTER, [workflow("Running", "Cluster", "Running")]);
    let mut operator = scene.operator().await;
    scene.watch("prod", json!({ "upgrades": "Watch" })).await;
    reaches(&scene, "prod", "Running Cluster Running", "False UpgradeUnprotected").await;

    // Neither a list that says the same, nor a start, nor a list that cannot be read in between makes a second Event.
    operator.kill();
    scene.cloud.set_upgrades_fault(CLUSTER, Fault::status(503)).unwrap();
    operator.restart().await;
    scene.shows("prod", "the fault", |status| says(status, PROTECTED) == "Unknown CloudUnavailable").await;
    scene.cloud.clear_upgrades_fault(CLUSTER);
    reaches(&scene, "prod", "Running Cluster Running", "False UpgradeUnprotected").await;
    asked_again(&scene, CLUSTER).await;
    assert_eq!(told(&scene, "prod").await, once(&["UpgradeStarted", "UpgradeUnprotected"]));

    // A backup that is taken now comes too late for an upgrade that has begun.
    scene.cloud.set_tasks(CLUSTER, [Task::new("backup-2", "Success").progress(100), backup(48)]);
    let shown = scene.shows("prod", "the new backup", |status| {
        status.last_success.as_ref().is_some_and(|success| success.uid == "backup-2")
    });
    assert_eq!(says(&shown.await, PROTECTED), "False UpgradeUnprotected");
    protected(&operator, &scene, "prod", "False", Some(1.0)).await;

    // The next upgrade is another matter.
    let over = workflow("Cancel", "Cluster", "Failed");
    let next = Workflow { uid: "upgrade-2".to_owned(), ..workflow("Running", "PreCheck", "Running") };
    scene.cloud.set_upgrades(CLUSTER, [next, over]);
    reaches(&scene, "prod", "Running PreCheck Running", "True BackupTaken").await;
    protected(&operator, &scene, "prod", "False", Some(0.0)).await;
    assert_eq!(scene.notes("prod", "UpgradeStarted").await.len(), 2);
}

async fn a_list_of_upgrades_that_cannot_be_read_costs_this_condition_alone(scene: Scene) {
    for digit in ['a', 'b', 'c'] {
        scene.cloud.set_tasks(&cluster(digit), [backup(1)]);
    }
    scene.cloud.set_upgrades_fault(&cluster('a'), Fault::error(403, "CCE.01403001", "Forbidden")).unwrap();
    scene.cloud.set_upgrades_fault(&cluster('b'), Fault::error(404, "CCE.01404001", "Not found")).unwrap();
    scene.cloud.set_upgrades_answer(&cluster('c'), Some(json!({ "items": "<html>" })));
    let operator = scene.operator().await;
    let cases = [
        ("forbidden", 'a', "Unknown PermissionDenied", "cce:cluster:getCluster"),
        ("missing", 'b', "Unknown ClusterNotFound", "CCE.01404001"),
        ("nonsense", 'c', "Unknown InvalidResponse", "no list of upgrades"),
    ];
    // Side by side, because the backoff of each list that cannot be read grows all the while.
    let all = cases.map(async |(name, digit, verdict, says_what)| {
        scene.watch(name, json!({ "clusterID": cluster(digit), "upgrades": "Watch" })).await;
        let status = scene.shows(name, verdict, |status| says(status, PROTECTED) == verdict).await;
        let said = message(&status, PROTECTED);
        assert!(said.starts_with("the list of upgrades cannot be read: "), "{name}: {said}");
        assert!(said.contains(says_what), "{name}: {said}");

        // A fault that comes again changes nothing else either.
        asked_again(&scene, &cluster(digit)).await;
        let status = scene.status(name).await;
        assert_eq!(ready(&status), "True Polled", "{name}");
        assert_eq!(healthy(&status), "True BackupSucceeded", "{name}");
        assert_eq!(says(&status, "Stalled") + &says(&status, "Reconciling"), "", "{name}");
        assert_eq!(says(&status, PROTECTED), verdict, "{name}");
        assert_eq!(scene.events(name).await, [], "{name}");
        protected(&operator, &scene, name, "Unknown", Some(1.0)).await;

        scene.cloud.clear_upgrades_fault(&cluster(digit));
        scene.cloud.set_upgrades_answer(&cluster(digit), None);
        scene.shows(name, "no upgrade", |status| says(status, PROTECTED) == "True NoUpgrade").await;
    });
    join_all(all).await;
}

async fn upgrades_are_asked_for_where_they_are_watched_and_seldom(scene: Scene) {
    scene.task("Running", 40);
    let operator = scene.operator().await;
    scene.watch("prod", json!({ "upgrades": "Ignore" })).await;
    scene.shows("prod", "40 %", |status| status.progress == Some(40)).await;
    scene.polled(CLUSTER, 5).await;
    assert_eq!(scene.cloud.upgrade_requests(CLUSTER), 0, "nobody wants to know");
    assert_eq!(says(&scene.status("prod").await, PROTECTED), "");
    protected(&operator, &scene, "prod", "True", None).await;

    scene.change("prod", json!({ "spec": { "upgrades": "Watch" } })).await;
    scene.shows("prod", "no upgrade", |status| says(status, PROTECTED) == "True NoUpgrade").await;
    protected(&operator, &scene, "prod", "True", Some(1.0)).await;
    // A second watch of the cluster has the same list.
    scene.watch("other", json!({ "upgrades": "Watch" })).await;
    scene.shows("other", "no upgrade", |status| says(status, PROTECTED) == "True NoUpgrade").await;
    // More than one interval: progress is no reason to ask.
    for progress in 41..=45 {
        scene.task("Running", progress);
        scene.shows("prod", "progress", |status| status.progress == Some(progress)).await;
    }
    scene.polled(CLUSTER, 2).await;
    assert_eq!(scene.cloud.upgrade_requests(CLUSTER), 1, "one in the hour, for both watches");

    scene.task("Success", 100);
    let again = async || scene.cloud.upgrade_requests(CLUSTER) == 2;
    holds("the list is read when a backup ends", LIMIT, again).await;
    scene.polled(CLUSTER, 2).await;
    assert_eq!(scene.cloud.upgrade_requests(CLUSTER), 2);

    scene.cloud.set_upgrades(CLUSTER, [workflow("Running", "Cluster", "Running")]);
    let ignored = async |name: &str| {
        scene.change(name, json!({ "spec": { "upgrades": "Ignore" } })).await;
        let status = scene.shows(name, "no verdict", |status| says(status, PROTECTED).is_empty()).await;
        assert_eq!(status.upgrade, None, "{name}");
    };
    ignored("prod").await;
    ignored("other").await;
    scene.polled(CLUSTER, 2).await;
    assert_eq!(scene.cloud.upgrade_requests(CLUSTER), 2);
    protected(&operator, &scene, "prod", "True", None).await;
    assert_eq!(told(&scene, "prod").await, []);

    // The backup ended before the step Cluster began.
    scene.change("prod", json!({ "spec": { "upgrades": "Watch" } })).await;
    reaches(&scene, "prod", "Running Cluster Running", "True BackupTaken").await;
    assert_eq!(told(&scene, "prod").await, once(&["UpgradeStarted"]));
    ignored("prod").await;
}

async fn an_upgrade_that_is_over_when_it_is_first_seen_is_no_news(scene: Scene) {
    let ends = [
        ("succeeded", 'a', "Success", "Success"),
        ("put-back", 'b', "Cancel", "Failed"),
        ("none", 'c', "", ""),
    ];
    for (_, digit, phase, state) in ends {
        scene.cloud.set_tasks(&cluster(digit), [backup(48)]);
        let over = workflow(phase, if state == "Failed" { "Cluster" } else { "PostCheck" }, state);
        scene.cloud.set_upgrades(&cluster(digit), [over].into_iter().filter(|_| !phase.is_empty()));
    }
    let _operator = scene.operator().await;
    for (name, digit, phase, _) in ends {
        scene.watch(name, json!({ "clusterID": cluster(digit), "upgrades": "Watch" })).await;
        let status = scene.shows(name, "none", |status| says(status, PROTECTED) == "True NoUpgrade").await;
        let shown = status.upgrade.and_then(|upgrade| upgrade.phase);
        assert_eq!(shown.unwrap_or_default(), phase, "{name}");
    }
    for (name, digit, ..) in ends {
        scene.asks(name, "again").await;
        assert!(scene.cloud.requests(&cluster(digit)) > 1, "it was polled again");
        assert_eq!(scene.events(name).await, [], "{name}");
    }
}
