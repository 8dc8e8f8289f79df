//! The Events of upgrades: each once, by the uid of the workflow.

use super::{
    upgrades::{step, workflow},
    *,
};
use crate::cloud::upgrades::{Step, Workflow};

const NONE: [&str; 0] = [];

fn running(steps: &[Step]) -> Vec<Workflow> {
    vec![workflow("w", "Running", 1_990, steps)]
}

#[test]
fn an_upgrade_that_goes_well_is_told_from_its_start_to_its_end() {
    let mut watch = Watch::of_upgrades(&[]);
    let (pre, snapshot) = (step("PreCheck", "Success", 1_991), step("Snapshot", "Success", 1_993));
    assert_eq!(told(&watch.upgrades(&running(&[]))), ["Normal UpgradeStarted"]);
    for steps in [
        vec![step("PreCheck", "Running", 1_991)],
        vec![pre.clone(), step("Snapshot", "Running", 1_993)],
        vec![pre.clone(), snapshot.clone(), step("Cluster", "Running", 1_996)],
        vec![pre, snapshot, step("Cluster", "Success", 1_996), step("PostCheck", "Running", 1_999)],
    ] {
        assert_eq!(told(&watch.upgrades(&running(&steps))), NONE, "{steps:?}");
    }
    let over = [workflow("w", "Success", 1_990, &[])];
    assert_eq!(told(&watch.upgrades(&over)), ["Normal UpgradeSucceeded"]);
    assert_eq!(told(&watch.upgrades(&over)), NONE, "once");
    assert_eq!(told(&watch.answer(&[])), NONE, "once");
}

#[test]
fn an_upgrade_without_a_backup_is_told_once() {
    let mut watch = Watch::of_upgrades(&[]);
    watch.upgrades(&running(&[]));
    let begun = running(&[step("Cluster", "Running", 1_996)]);
    let plan = watch.upgrades(&begun);
    assert_eq!(told(&plan), ["Warning UpgradeUnprotected"]);
    assert!(plan.events[0].note.contains("without a backup to go back to"), "{}", plan.events[0].note);
    assert_eq!(told(&watch.upgrades(&begun)), NONE);
    watch.upgrade_fault(FaultKind::CloudUnavailable);
    assert_eq!(names(&watch.upgrades(&begun)), names(&plan), "after blindness it is the same Event");
    assert_eq!(told(&watch.upgrades(&[workflow("w", "Cancel", 1_990, &[])])), NONE, "called off");
    let next = workflow("x", "Running", 1_999, &[step("Cluster", "Running", 1_999)]);
    let next = watch.upgrades(&[next]);
    assert_eq!(told(&next), ["Normal UpgradeStarted", "Warning UpgradeUnprotected"]);
    assert_ne!(next.events[1].name, plan.events[0].name, "another workflow is another Event");
}

#[test]
fn a_step_that_fails_and_a_workflow_that_waits_are_one_failure() {
    let mut watch = Watch::of_upgrades(&[]);
    let snapshot = step("Snapshot", "Success", 1_991);
    watch.upgrades(&running(std::slice::from_ref(&snapshot)));
    let steps = [snapshot.clone(), step("Cluster", "Failed", 1_995)];
    let plan = watch.upgrades(&running(&steps));
    assert_eq!(told(&plan), ["Warning UpgradeFailed"]);
    assert!(plan.events[0].note.contains("Cluster Failed"), "{}", plan.events[0].note);
    assert_eq!(told(&watch.upgrades(&[workflow("w", "Pending", 1_990, &steps)])), NONE, "once");
    watch.upgrades(&running(&[snapshot.clone(), step("Cluster", "Running", 1_997)]));
    let again = watch.upgrades(&[workflow("w", "Pending", 1_990, &[snapshot])]);
    assert_eq!(names(&again), names(&plan), "a second failure of the workflow is the same Event");
}

#[test]
fn a_rollback_is_told_once_it_has_put_the_cluster_back() {
    let mut watch = Watch::of_upgrades(&[]);
    let steps = [step("Snapshot", "Success", 1_991), step("Cluster", "Failed", 1_993)];
    watch.upgrades(&running(&steps));
    let with = |status: &str| [&steps[..], &[step("Rollback", status, 1_995)]].concat();
    assert_eq!(told(&watch.upgrades(&running(&with("Running")))), NONE);
    assert_eq!(told(&watch.upgrades(&running(&with("Success")))), ["Warning UpgradeRolledBack"]);
    assert_eq!(told(&watch.upgrades(&running(&with("Success")))), NONE);
    assert_eq!(
        told(&watch.upgrades(&[workflow("w", "Cancel", 1_990, &with("Success"))])),
        NONE,
        "over, and told"
    );
}

#[test]
fn of_a_workflow_first_seen_under_way_what_holds_is_told_and_of_one_that_is_over_nothing() {
    let failed = [step("Cluster", "Failed", 1_995)];
    let rolled_back = [step("Cluster", "Failed", 1_993), step("Rollback", "Success", 1_995)];
    for (phase, steps, tells) in [
        ("Running", &[][..], &["Normal UpgradeStarted"][..]),
        (
            "Pending",
            &failed,
            &["Normal UpgradeStarted", "Warning UpgradeUnprotected", "Warning UpgradeFailed"],
        ),
        (
            "Running",
            &rolled_back,
            &["Normal UpgradeStarted", "Warning UpgradeUnprotected", "Warning UpgradeRolledBack"],
        ),
        ("Success", &failed, &[]),
        ("Cancel", &rolled_back, &[]),
    ] {
        let mut watch = Watch::of_upgrades(&[]);
        let plan = watch.upgrades(&[workflow("w", phase, 1_990, steps)]);
        assert_eq!(told(&plan), tells, "{phase} {steps:?}");
        assert!(plan.events.iter().all(|event| event.note.contains("upgrade w")));
    }
}

#[test]
fn while_suspended_or_ignored_nothing_is_told() {
    let mut watch = Watch::of_upgrades(&[]);
    watch.change(|spec| spec.suspend = true);
    assert_eq!(told(&watch.upgrades(&running(&[]))), NONE);
    watch.change(|spec| (spec.suspend, spec.upgrades) = (false, Upgrades::Ignore));
    assert_eq!(told(&watch.answer(&[])), NONE);
    watch.change(|spec| spec.upgrades = Upgrades::Watch);
    assert_eq!(told(&watch.answer(&[])), ["Normal UpgradeStarted"], "told when it is watched again");
}
