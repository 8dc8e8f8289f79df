//! The table of `UpgradeProtected`, line by line, and what the status shows of an upgrade.

use super::*;
use crate::cloud::upgrades::{Step, Workflow};

/// A step that began at a minute of the story and, where it is over, ended a minute later.
pub(super) fn step(type_: &str, status: &str, start: i64) -> Step {
    Step {
        type_: Some(type_.into()),
        status: Some(status.into()),
        start_time: Some(minute(start)),
        end_time: matches!(status, "Success" | "Failed").then(|| minute(start + 1)),
        ..Default::default()
    }
}

/// A workflow created at a minute of the story.
pub(super) fn workflow(uid: &str, phase: &str, created: i64, steps: &[Step]) -> Workflow {
    Workflow {
        uid: uid.into(),
        creation_time: Some(minute(created)),
        update_time: Some(minute(created)),
        from_version: Some("v1.33.12-r2".into()),
        to_version: Some("v1.34.8-r2".into()),
        phase: Some(phase.into()),
        steps: steps.to_vec(),
    }
}

impl Watch {
    /// One that watches upgrades, at minute 2,000 with a good answer before it.
    pub(super) fn of_upgrades(tasks: &[Task]) -> Self {
        let mut watch = Self::with(|spec| spec.upgrades = Upgrades::Watch);
        watch.at(2_000).answer(tasks);
        watch
    }

    /// The list of upgrades was read.
    pub(super) fn upgrades(&mut self, workflows: &[Workflow]) -> Plan {
        self.upgrades = Some(upgrade::Outcome::Workflows(workflows.into()));
        self.nothing()
    }

    pub(super) fn upgrade_fault(&mut self, kind: FaultKind) -> Plan {
        self.upgrades = Some(upgrade::Outcome::Fault(Arc::new(fault(kind))));
        self.nothing()
    }
}

/// The situation, the tasks, the newest workflow's phase and steps, then `UpgradeProtected`. A task ends two minutes after it
/// was created, the workflow was created at minute 1,900, and it is minute 2,000.
type Row = (&'static str, fn() -> Vec<Task>, &'static str, fn() -> Vec<Step>, &'static str);

fn none() -> Vec<Task> {
    vec![]
}

fn named(uid: &str, step: Step) -> Step {
    Step { task_id: Some(uid.into()), ..step }
}

fn timeless_step(step: Step) -> Step {
    Step { start_time: None, end_time: None, ..step }
}

const BEGUN: &str = "False UpgradeUnprotected";
const WAITS: &str = "Unknown BackupPending";
const TAKEN: &str = "True BackupTaken";

#[rustfmt::skip]
const TABLE: &[Row] = &[
    ("over: Success, and nothing was backed up", none, "Success", || vec![step("Cluster", "Success", 1_950)], "True NoUpgrade"),
    ("over: Cancel", none, "Cancel", || vec![step("Cluster", "Failed", 1_950)], "True NoUpgrade"),
    ("its Snapshot is a Success", none, "Running", || vec![step("Snapshot", "Success", 1_910), step("Cluster", "Running", 1_950)], TAKEN),
    ("its Snapshot is a Success, and the upgrade has not begun", none, "Running", || vec![step("Snapshot", "Success", 1_910)], TAKEN),
    ("its Snapshot is a Success without any time", none, "Running", || vec![timeless_step(step("Snapshot", "Success", 0)), step("Cluster", "Running", 1_950)], TAKEN),
    ("and so is its task", || vec![task("t", "Success", 1_910)], "Running", || vec![named("t", step("Snapshot", "Success", 1_910)), step("Cluster", "Running", 1_950)], TAKEN),
    ("its task failed", || vec![failed("t", 1_910)], "Running", || vec![named("t", step("Snapshot", "Success", 1_910)), step("Cluster", "Running", 1_950)], BEGUN),
    ("its task still runs", || vec![running("t", 1_910, 9)], "Running", || vec![named("t", step("Snapshot", "Success", 1_910)), step("Cluster", "Running", 1_950)], BEGUN),
    ("its Snapshot ended after the upgrade began", none, "Running", || vec![step("Snapshot", "Success", 1_950), step("Cluster", "Running", 1_950)], BEGUN),
    ("its Snapshot was taken again and failed", none, "Running", || vec![step("Snapshot", "Success", 1_910), step("Snapshot", "Failed", 1_930), step("Cluster", "Running", 1_950)], BEGUN),
    ("its Snapshot failed and was taken again", none, "Running", || vec![step("Snapshot", "Failed", 1_910), step("Snapshot", "Success", 1_930), step("Cluster", "Running", 1_950)], TAKEN),
    ("a success just before the upgrade", || vec![task("s", "Success", 1_940)], "Running", || vec![step("Cluster", "Running", 1_950)], TAKEN),
    ("a success 24 h before the upgrade", || vec![task("s", "Success", 1_950 - 24 * 60 - 2)], "Running", || vec![step("Cluster", "Running", 1_950)], TAKEN),
    ("a success longer before the upgrade", || vec![task("s", "Success", 1_950 - 24 * 60 - 3)], "Running", || vec![step("Cluster", "Running", 1_950)], BEGUN),
    ("a success 24 h before now, not begun", || vec![task("s", "Success", 2_000 - 24 * 60 - 2)], "Running", || vec![step("Cluster", "Init", 1_950)], TAKEN),
    ("a success longer before now, not begun", || vec![task("s", "Success", 2_000 - 24 * 60 - 3)], "Running", || vec![step("Cluster", "Queuing", 1_950)], WAITS),
    ("a success that a failure followed", || vec![failed("f", 1_945), task("s", "Success", 1_940)], "Running", || vec![step("Cluster", "Running", 1_950)], BEGUN),
    ("a success that a failure followed, not begun", || vec![failed("f", 1_945), task("s", "Success", 1_940)], "Running", Vec::new, WAITS),
    ("a failure that a success followed", || vec![failed("f", 1_935), task("s", "Success", 1_940)], "Running", || vec![step("Cluster", "Running", 1_950)], TAKEN),
    ("a success before, a failure after the begin", || vec![failed("f", 1_960), task("s", "Success", 1_940)], "Running", || vec![step("Cluster", "Running", 1_950)], TAKEN),
    ("a success after the begin alone", || vec![task("s", "Success", 1_951)], "Running", || vec![step("Cluster", "Running", 1_950)], BEGUN),
    ("successes before and after the begin", || vec![task("t", "Success", 1_960), task("s", "Success", 1_940)], "Running", || vec![step("Cluster", "Running", 1_950)], TAKEN),
    ("a success that is still under way at the begin", || vec![task("s", "Success", 1_949)], "Running", || vec![step("Cluster", "Running", 1_950)], BEGUN),
    ("its Snapshot failed after a success", || vec![task("s", "Success", 1_900)], "Running", || vec![step("Snapshot", "Failed", 1_910), step("Cluster", "Running", 1_950)], BEGUN),
    ("a rollback is no backup", || vec![rollback(task("s", "Success", 1_940))], "Running", || vec![step("Cluster", "Running", 1_950)], BEGUN),
    ("a success without any time", || vec![timeless(task("s", "Success", 0))], "Running", || vec![step("Cluster", "Running", 1_950)], BEGUN),
    ("a failure without any time", || vec![timeless(failed("f", 0)), task("s", "Success", 1_940)], "Running", || vec![step("Cluster", "Running", 1_990)], BEGUN),
    ("begun, and nothing holds: Running", none, "Running", || vec![step("Cluster", "Running", 1_950)], BEGUN),
    ("begun, and nothing holds: Success", none, "Running", || vec![step("Cluster", "Success", 1_950), step("PostCheck", "Running", 1_970)], BEGUN),
    ("begun, and nothing holds: Failed", none, "Pending", || vec![step("Cluster", "Failed", 1_950)], BEGUN),
    ("begun in a state that nobody documented", none, "Running", || vec![step("Cluster", "Paused", 1_950)], BEGUN),
    ("begun nobody knows when, a success before the workflow", || vec![task("s", "Success", 1_890)], "Running", || vec![timeless_step(step("Cluster", "Running", 0))], TAKEN),
    ("begun nobody knows when, a success since the workflow", || vec![task("s", "Success", 1_905)], "Running", || vec![timeless_step(step("Cluster", "Running", 0))], BEGUN),
    ("retried: the first begin counts", || vec![task("s", "Success", 1_955)], "Running", || vec![step("Cluster", "Failed", 1_950), step("Cluster", "Running", 1_960)], BEGUN),
    ("not begun: absent", none, "Init", Vec::new, WAITS),
    ("not begun: Init", none, "Running", || vec![step("Cluster", "Init", 1_950)], WAITS),
    ("not begun: Queuing", none, "Running", || vec![step("Cluster", "Queuing", 1_950)], WAITS),
    ("not begun, the Snapshot runs", || vec![running("t", 1_990, 9)], "Running", || vec![named("t", step("Snapshot", "Running", 1_990))], WAITS),
];

#[test]
fn each_situation_has_its_verdict() {
    for (situation, tasks, phase, steps, says) in TABLE {
        let mut watch = Watch::of_upgrades(&tasks());
        watch.upgrades(&[workflow("w", phase, 1_900, &steps())]);
        assert_eq!(watch.says("UpgradeProtected"), *says, "{situation}");
        assert!(watch.says("Ready").starts_with("True"), "{situation}");
    }
}

#[test]
fn without_a_workflow_nothing_is_unprotected() {
    let mut watch = Watch::of_upgrades(&[]);
    assert_eq!(watch.says("UpgradeProtected"), "Unknown NotYetPolled", "before the first list");
    watch.upgrades(&[]);
    assert_eq!((watch.says("UpgradeProtected"), &watch.status.upgrade), ("True NoUpgrade".to_owned(), &None));
}

#[test]
fn the_newest_workflow_counts() {
    let mut watch = Watch::of_upgrades(&[]);
    let over = workflow("new", "Success", 1_990, &[]);
    watch.upgrades(&[workflow("old", "Running", 1_000, &[step("Cluster", "Running", 1_001)]), over]);
    assert_eq!(watch.says("UpgradeProtected"), "True NoUpgrade");
    assert_eq!(watch.status.upgrade.as_ref().unwrap().uid, "new");
}

#[test]
fn a_fault_says_what_is_missing_and_keeps_what_is_known() {
    let mut watch = Watch::of_upgrades(&[]);
    watch.upgrades(&[workflow("w", "Running", 1_900, &[step("Cluster", "Running", 1_950)])]);
    let healthy = watch.says("BackupHealthy");
    for kind in [FaultKind::PermissionDenied, FaultKind::CloudUnavailable, FaultKind::ClusterNotFound] {
        watch.upgrade_fault(kind);
        assert_eq!(watch.says("UpgradeProtected"), format!("Unknown {kind}"));
        assert_eq!(
            (watch.says("Ready"), watch.says("BackupHealthy")),
            ("True Polled".to_owned(), healthy.clone())
        );
        assert_eq!(watch.says("Stalled") + &watch.says("Reconciling"), "");
        let condition = condition::find(&watch.status.conditions, "UpgradeProtected").unwrap();
        assert_eq!(
            condition.message,
            format!("the list of upgrades cannot be read: the cloud said {kind:?}")
        );
        assert_eq!(watch.status.upgrade.as_ref().unwrap().uid, "w");
    }
}

#[test]
fn the_condition_is_there_only_while_upgrades_are_watched() {
    let mut watch = Watch::new();
    watch.at(2_000).answer(&[]);
    assert_eq!(watch.says("UpgradeProtected"), "");
    watch.upgrades(&[workflow("w", "Running", 1_900, &[])]);
    assert_eq!((watch.says("UpgradeProtected"), &watch.status.upgrade), (String::new(), &None), "ignored");
    watch.change(|spec| spec.upgrades = Upgrades::Watch);
    watch.again();
    assert_eq!(watch.says("UpgradeProtected"), "Unknown BackupPending");
    watch.change(|spec| spec.upgrades = Upgrades::Ignore);
    watch.again();
    assert_eq!((watch.says("UpgradeProtected"), &watch.status.upgrade), (String::new(), &None), "gone again");
}

#[test]
fn while_nothing_is_read_the_last_verdict_stands() {
    let mut watch = Watch::of_upgrades(&[]);
    watch.upgrades(&[workflow("w", "Running", 1_900, &[step("Cluster", "Running", 1_950)])]);
    let before = watch.status.clone();
    watch.upgrades = None;
    watch.at(2_001).answer(&[]);
    assert_eq!(watch.status, before, "a poll of tasks alone");
    watch.change(|spec| spec.suspend = true);
    watch.at(2_002).upgrades(&[]);
    assert_eq!(watch.says("UpgradeProtected"), BEGUN, "suspended");
    assert_eq!(watch.status.upgrade, before.upgrade);
}

#[test]
fn a_failure_since_the_last_list_leaves_open_whether_the_upgrade_is_protected() {
    let own = [named("t", step("Snapshot", "Success", 1_910)), step("Cluster", "Running", 1_950)];
    for (what, before, steps, after, says) in [
        ("its own task failed", vec![], &own[..], vec![failed("t", 1_910)], "Unknown NotYetPolled"),
        ("its own task still runs", vec![], &own, vec![running("t", 1_910, 9)], "Unknown NotYetPolled"),
        ("its own task succeeded", vec![], &own, vec![task("t", "Success", 1_910)], TAKEN),
        (
            "the backup before it was followed by a failure",
            vec![task("s", "Success", 1_940)],
            &own[1..],
            vec![failed("f", 1_945), task("s", "Success", 1_940)],
            "Unknown NotYetPolled",
        ),
    ] {
        let mut watch = Watch::of_upgrades(&before);
        watch.upgrades(&[workflow("w", "Running", 1_900, steps)]);
        assert_eq!(watch.says("UpgradeProtected"), TAKEN, "{what}");
        // A new process has no list yet.
        watch.upgrades = None;
        watch.at(2_001).answer(&after);
        assert_eq!(watch.says("UpgradeProtected"), says, "{what}");
        watch.again();
        assert_eq!(watch.says("UpgradeProtected"), says, "{what}, and so it stays");
    }
}

#[test]
fn the_task_of_its_own_backup_counts_though_the_status_has_forgotten_it() {
    let steps = [named("t", step("Snapshot", "Success", 1_910)), step("Cluster", "Running", 1_950)];
    let mut watch = Watch::with(|spec| (spec.upgrades, spec.history_limit) = (Upgrades::Watch, 1));
    let tasks = vec![failed("later", 1_960), failed("t", 1_910)];
    watch.at(2_000).answer(&tasks);
    assert_eq!(watch.tasks(), ["later"]);
    watch.listed = Some(Answer { tasks, ..Default::default() });
    watch.upgrades(&[workflow("w", "Running", 1_900, &steps)]);
    assert_eq!(watch.says("UpgradeProtected"), BEGUN);
    assert!(watch.nothing().is_empty(), "and so it stays");
}

#[test]
fn a_watch_that_was_never_answered_judges_no_upgrade() {
    let mut watch = Watch::with(|spec| spec.upgrades = Upgrades::Watch);
    watch.upgrades = Some(upgrade::Outcome::Workflows([workflow("w", "Running", 1_900, &[])].into()));
    watch.listed = Some(Answer { tasks: vec![task("t", "Success", 1_910)], ..Default::default() });
    let plan = watch.at(2_000).fault(FaultKind::CloudUnavailable);
    assert_eq!(watch.says("UpgradeProtected"), "Unknown NotYetPolled");
    assert_eq!((told(&plan), &watch.status.upgrade), (vec![], &None));
}

#[test]
fn a_backup_that_is_taken_for_the_upgrade_protects_it() {
    let mut watch = Watch::of_upgrades(&[]);
    watch.upgrades(&[workflow("w", "Running", 1_990, &[named("t", step("Snapshot", "Running", 1_995))])]);
    assert_eq!(watch.says("UpgradeProtected"), WAITS);
    watch.at(2_010).answer(&[task("t", "Success", 1_995)]);
    let steps = [named("t", step("Snapshot", "Success", 1_995)), step("Cluster", "Running", 2_005)];
    watch.upgrades(&[workflow("w", "Running", 1_990, &steps)]);
    assert_eq!(watch.says("UpgradeProtected"), TAKEN);
    // A day later the API no longer lists the task, and the upgrade still runs.
    watch.at(2_010 + 48 * 60).answer(&[]);
    assert_eq!(watch.says("UpgradeProtected"), TAKEN);
    let upgrade = watch.status.upgrade.as_ref().unwrap();
    assert_eq!((upgrade.step.as_deref(), upgrade.snapshot_uid.as_deref()), (Some("Cluster"), Some("t")));
}

#[test]
fn a_message_names_the_versions_and_what_is_missing() {
    let mut watch = Watch::of_upgrades(&[]);
    let says = |watch: &Watch| {
        condition::find(&watch.status.conditions, "UpgradeProtected").unwrap().message.clone()
    };
    watch.upgrades(&[workflow(
        "w",
        "Running",
        1_900,
        &[step("Snapshot", "Failed", 1_905), step("Cluster", "Running", 1_950)],
    )]);
    assert_eq!(
        says(&watch),
        "the cluster is upgraded to v1.34.8-r2 without a backup to go back to: its step Snapshot is Failed, and no other \
         backup of the 24 h before the step Cluster is good (upgrade w)"
    );
    watch.upgrades(&[workflow("w", "Running", 1_900, &[])]);
    assert_eq!(
        says(&watch),
        "upgrade w to v1.34.8-r2 has not begun its step Cluster, and no backup protects it yet: it has no step Snapshot, \
         and no other backup of the last 24 h is good"
    );
}
