//! The vocabulary of upgrades: which workflow counts, whether it is over, which step it is in, and when the step Cluster,
//! the upgrade itself, began. Pure.
//!
//! [`crate::cloud::upgrades`] lists the workflows. Whether one is protected by a backup is left to
//! [`crate::controller::plan`].

use std::cmp::Reverse;
use std::sync::Arc;

use jiff::Timestamp;

use crate::api::UpgradeStatus;
use crate::cloud::fault::Fault;
use crate::cloud::upgrades::{Step, Workflow};
use crate::task;

/// The upgrade itself.
pub const CLUSTER: &str = "Cluster";
/// The step that takes a backup.
pub const SNAPSHOT: &str = "Snapshot";
/// The step that puts the cluster back.
pub const ROLLBACK: &str = "Rollback";
/// The step that looks whether the cluster can be upgraded.
pub const PRECHECK: &str = "PreCheck";
/// A step or a workflow that has reached its aim.
pub const SUCCESS: &str = "Success";
/// A step that failed.
pub const FAILED: &str = "Failed";
/// A workflow that somebody called off.
const CANCEL: &str = "Cancel";
/// A workflow of which a step failed, and that waits for a person.
const PENDING: &str = "Pending";
/// The states of a step before it begins.
const WAITING: [&str; 2] = ["Init", "Queuing"];

/// The result of the newest try to list the upgrades of a cluster.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The list.
    Workflows(Arc<[Workflow]>),
    /// The list could not be read.
    Fault(Arc<Fault>),
}

/// The newest workflow by its creation, else by its last change. Of several of one time the one that is not over counts, then
/// the uid decides: the order of the answer does not matter.
pub fn newest(workflows: &[Workflow]) -> Option<&Workflow> {
    workflows.iter().max_by_key(|workflow| {
        (workflow.creation_time.or(workflow.update_time), !is_over(phase(workflow)), &workflow.uid)
    })
}

/// Whether a phase is final. Every other one is under way, also one that nobody documented.
pub fn is_over(phase: Option<&str>) -> bool {
    matches!(phase, Some(SUCCESS | CANCEL))
}

/// Whether an upgrade needs a person: the step that it is in failed, or the workflow says that it waits.
pub fn has_failed(upgrade: &UpgradeStatus) -> bool {
    upgrade.phase.as_deref() == Some(PENDING) || upgrade.step_phase.as_deref() == Some(FAILED)
}

/// Whether the cluster was put back.
pub fn is_rolled_back(upgrade: &UpgradeStatus) -> bool {
    upgrade.step.as_deref() == Some(ROLLBACK) && upgrade.step_phase.as_deref() == Some(SUCCESS)
}

fn phase(workflow: &Workflow) -> Option<&str> {
    workflow.phase.as_deref()
}

/// When the step Cluster began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Began {
    /// It has not begun.
    NotYet,
    /// It began at this time.
    At(Timestamp),
    /// It has begun, and no believable time says when.
    Sometime,
}

/// When the upgrade itself began. Where the step Cluster is listed more than once, as after a retry, the first begin counts:
/// from then on the cluster is no longer what it was. A step without a believable time cannot have begun before its workflow
/// was created.
pub fn began(workflow: &Workflow, now: Timestamp) -> Began {
    let begun = of(workflow, CLUSTER).filter(|step| has_begun(step));
    let mut times =
        begun.map(|step| step.start_time.filter(|time| task::is_believable(*time, now))).peekable();
    if times.peek().is_none() {
        return Began::NotYet;
    }
    let created = workflow.creation_time.filter(|time| task::is_believable(*time, now));
    // A time that is missing sorts first: it may be the earliest one.
    times.min().flatten().or(created).map_or(Began::Sometime, Began::At)
}

/// The moments at which the step Cluster is known to have begun.
pub fn known_begins(workflow: &Workflow, now: Timestamp) -> impl Iterator<Item = Timestamp> {
    let begun = of(workflow, CLUSTER).filter(|step| has_begun(step));
    begun.filter_map(move |step| step.start_time.filter(|time| task::is_believable(*time, now)))
}

/// Whether a step has begun. A state that nobody documented counts as begun: an upgrade must not look protected because of
/// a word that is not known.
fn has_begun(step: &Step) -> bool {
    step.status.as_deref().is_some_and(|status| !WAITING.contains(&status))
}

fn of<'a>(workflow: &'a Workflow, type_: &'a str) -> impl Iterator<Item = &'a Step> {
    workflow.steps.iter().filter(move |step| step.type_.as_deref() == Some(type_))
}

/// The newest step of a type. Of several of one time a success comes last, so that the worse one is judged.
pub fn newest_step<'a>(workflow: &'a Workflow, type_: &'a str) -> Option<&'a Step> {
    of(workflow, type_).max_by_key(|step| age(step))
}

/// By what steps of one type are ordered, the newest greatest.
fn age(step: &Step) -> impl Ord {
    let status = step.status.as_deref();
    (step.start_time, status != Some(SUCCESS), status.map(str::to_owned), step.task_id.clone(), step.end_time)
}

/// The step that the status shows: of the newest steps of each type the newest that is under way or failed, or a Rollback that
/// has put the cluster back, which must not be forgotten.
fn current(workflow: &Workflow) -> Option<&Step> {
    let is_newest = |step: &&Step| {
        let type_ = step.type_.as_deref().unwrap_or_default();
        newest_step(workflow, type_).is_some_and(|newest| newest == *step)
    };
    let shows = |step: &&Step| {
        let is_rollback = step.type_.as_deref() == Some(ROLLBACK);
        match step.status.as_deref() {
            None | Some("Init") => false,
            Some(SUCCESS) => is_rollback,
            Some(_) => true,
        }
    };
    // The steps of a workflow in the order in which they are taken, for those that give no time.
    let order = [PRECHECK, SNAPSHOT, CLUSTER, "PostCheck", ROLLBACK];
    let place = |step: &Step| order.iter().position(|type_| step.type_.as_deref() == Some(type_));
    workflow
        .steps
        .iter()
        .filter(|step| step.type_.is_some())
        .filter(is_newest)
        .filter(shows)
        .max_by_key(|step| (step.start_time, place(step), Reverse(step.type_.clone())))
}

/// What the status shows of a workflow.
pub fn status(workflow: &Workflow) -> UpgradeStatus {
    let step = current(workflow);
    UpgradeStatus {
        uid: workflow.uid.clone(),
        from_version: workflow.from_version.clone(),
        to_version: workflow.to_version.clone(),
        phase: workflow.phase.clone(),
        step: step.and_then(|step| step.type_.clone()),
        step_phase: step.and_then(|step| step.status.clone()),
        start_time: workflow.creation_time,
        snapshot_uid: newest_step(workflow, SNAPSHOT).and_then(|step| step.task_id.clone()),
        precheck_expiry_time: newest_step(workflow, PRECHECK).and_then(|step| step.expiry_time),
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + minute * 60).unwrap()
    }

    fn step(type_: &str, status: &str, start: i64) -> Step {
        Step {
            type_: Some(type_.into()),
            status: Some(status.into()),
            start_time: Some(at(start)),
            ..Default::default()
        }
    }

    fn workflow(steps: &[Step]) -> Workflow {
        let phase = Some("Running".into());
        Workflow {
            uid: "w".into(),
            creation_time: Some(at(0)),
            phase,
            steps: steps.to_vec(),
            ..Default::default()
        }
    }

    #[test]
    fn the_newest_workflow_counts_in_any_order() {
        let of = |uid: &str, created: Option<i64>, phase: &str| Workflow {
            uid: uid.into(),
            creation_time: created.map(at),
            phase: Some(phase.into()),
            ..Default::default()
        };
        for (counts, other) in [
            (of("a", Some(2), "Success"), of("b", Some(1), "Running")),
            (of("a", Some(1), "Running"), of("b", Some(1), "Success")),
            (of("b", Some(1), "Running"), of("a", Some(1), "Running")),
            (of("a", Some(1), "Cancel"), of("b", None, "Running")),
        ] {
            for list in [[counts.clone(), other.clone()], [other.clone(), counts.clone()]] {
                assert_eq!(newest(&list), Some(&counts));
            }
        }
        assert_eq!(newest(&[]), None);
    }

    #[test]
    fn only_success_and_cancel_are_the_end() {
        for phase in ["Init", "Running", "Pending", "success", "Failed", ""] {
            assert!(!is_over(Some(phase)), "{phase}");
        }
        assert!(is_over(Some("Success")) && is_over(Some("Cancel")) && !is_over(None));
    }

    #[test]
    fn the_upgrade_itself_begins_with_the_first_begun_step_cluster() {
        let timeless = |status: &str| Step { start_time: None, ..step("Cluster", status, 0) };
        for (steps, begins) in [
            (vec![], Began::NotYet),
            (vec![step("Snapshot", "Running", 1)], Began::NotYet),
            (vec![step("Cluster", "Init", 1)], Began::NotYet),
            (vec![step("Cluster", "Queuing", 1)], Began::NotYet),
            (vec![Step { status: None, ..step("Cluster", "", 1) }], Began::NotYet),
            (vec![step("Cluster", "Running", 1)], Began::At(at(1))),
            (vec![step("Cluster", "Failed", 1), step("Cluster", "Running", 9)], Began::At(at(1))),
            (vec![step("Cluster", "Paused", 3)], Began::At(at(3))),
            (vec![timeless("Running")], Began::At(at(0))),
            (vec![step("Cluster", "Running", 9), timeless("Failed")], Began::At(at(0))),
            (vec![step("Cluster", "Running", 999)], Began::At(at(0))),
        ] {
            assert_eq!(began(&workflow(&steps), at(10)), begins, "{steps:?}");
        }
        let unborn = Workflow { creation_time: None, ..workflow(&[timeless("Success")]) };
        assert_eq!(began(&unborn, at(10)), Began::Sometime);
    }

    #[test]
    fn the_status_shows_the_newest_step_that_is_under_way_or_failed() {
        let timeless = |type_: &str, status: &str| Step { start_time: None, ..step(type_, status, 0) };
        for (steps, shows) in [
            (vec![], None),
            (vec![step("PreCheck", "Success", 1), timeless("Snapshot", "Init")], None),
            (vec![step("PreCheck", "Success", 1), timeless("Snapshot", "Queuing")], Some("Snapshot Queuing")),
            (vec![step("Snapshot", "Running", 2), step("PreCheck", "Failed", 1)], Some("Snapshot Running")),
            (vec![step("PreCheck", "Failed", 1), step("PreCheck", "Success", 2)], None),
            (vec![step("PreCheck", "Failed", 1), step("PreCheck", "Running", 2)], Some("PreCheck Running")),
            (vec![step("Cluster", "Failed", 3), step("Rollback", "Running", 4)], Some("Rollback Running")),
            (vec![step("Rollback", "Success", 4), step("Cluster", "Failed", 3)], Some("Rollback Success")),
            (vec![step("Rollback", "Success", 4), step("Cluster", "Running", 5)], Some("Cluster Running")),
            (vec![timeless("Cluster", "Running"), timeless("Snapshot", "Running")], Some("Cluster Running")),
        ] {
            let status = status(&workflow(&steps));
            let said = status
                .step
                .as_ref()
                .zip(status.step_phase.as_ref())
                .map(|(step, phase)| format!("{step} {phase}"));
            assert_eq!(said.as_deref(), shows, "{steps:?}");
        }
    }

    #[test]
    fn a_status_names_the_task_of_the_backup_and_when_the_precheck_expires() {
        let snapshot = Step { task_id: Some("t".into()), ..step("Snapshot", "Success", 2) };
        let older = Step { task_id: Some("o".into()), ..step("Snapshot", "Failed", 1) };
        let precheck = Step { expiry_time: Some(at(60)), ..step("PreCheck", "Success", 1) };
        let status = status(&workflow(&[snapshot, older, precheck]));
        assert_eq!((status.snapshot_uid.as_deref(), status.precheck_expiry_time), (Some("t"), Some(at(60))));
    }

    #[test]
    fn a_person_is_needed_where_the_workflow_waits_or_its_step_failed() {
        let says = |phase: &str, steps: &[Step]| {
            has_failed(&status(&Workflow { phase: Some(phase.into()), ..workflow(steps) }))
        };
        assert!(says("Pending", &[]) && says("Running", &[step("Cluster", "Failed", 1)]));
        assert!(!says("Running", &[step("Cluster", "Running", 1)]) && !says("Success", &[]));
    }

    proptest! {
        #[test]
        fn the_order_of_the_steps_does_not_matter(
            picks in proptest::collection::vec((0_usize..6, 0_usize..5, proptest::option::of(0_i64..4)), 0..8), turn in 0_usize..8,
        ) {
            let types = ["Cluster", "Snapshot", "Rollback", "PreCheck", "PostCheck", "?"];
            let states = ["Init", "Queuing", "Running", "Success", "Failed"];
            let steps: Vec<_> = picks
                .into_iter()
                .map(|(type_, state, start)| Step { start_time: start.map(at), ..step(types[type_], states[state], 0) })
                .collect();
            let mut turned = steps.clone();
            turned.rotate_left(turn % steps.len().max(1));
            let now = at(100) + SignedDuration::from_hours(1);
            let (one, other) = (workflow(&steps), workflow(&turned));
            prop_assert_eq!(status(&one), status(&other));
            prop_assert_eq!(began(&one, now), began(&other, now));
        }
    }
}
