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
mod tests;
