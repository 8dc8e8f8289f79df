//! The verdict on the upgrade of a cluster, with `upgrades: Watch`: what the status shows of the newest workflow, the
//! condition `UpgradeProtected`, and the Events. Pure.
//!
//! [`RULES`] is the whole of what makes an upgrade protected, in the order of precedence; each rule is a function below.
//! Nothing here touches Ready or `BackupHealthy`, and no fault of this list ever does.

use jiff::{SignedDuration, Timestamp};

use super::{Event, Input, verdict::Verdict};
use crate::api::{
    EventReason, FailureRecord, Reason, TaskStatus, UpgradeStatus, Upgrades,
    condition::{self, Truth, types},
};
use crate::cloud::upgrades::Workflow;
use crate::task::{self, record::Record};
use crate::upgrade::{self, Began, Outcome};

/// How old a success may be when the step Cluster begins and still protect the upgrade.
const FRESH: SignedDuration = SignedDuration::from_hours(24);

/// What the status says of upgrades.
#[derive(Clone, Debug, PartialEq)]
pub struct Upgrade {
    /// The newest workflow, if there is one.
    pub status: Option<Box<UpgradeStatus>>,
    /// The condition `UpgradeProtected`.
    pub protected: Verdict,
}

/// What the status says of upgrades from now on; nothing where they are not watched.
pub fn judge(input: &Input<'_>, record: &Record, ready: &Verdict) -> Option<Upgrade> {
    if input.spec.upgrades == Upgrades::Ignore {
        return None;
    }
    let known = input.status.upgrade.clone();
    if ready.truth == Truth::False {
        // Where no poll is answered the list is not read either, and what it said last may be long over.
        let message = format!("the list of upgrades is not read while polls fail ({})", ready.reason);
        let protected = Verdict { truth: Truth::Unknown, reason: ready.reason.clone(), message };
        return Some(Upgrade { status: known, protected });
    }
    // Of a watch that was never answered the tasks are not known, and a verdict rests on them.
    let is_answered = ready.truth == Truth::True && !input.spec.suspend;
    let upgrade = match input.upgrades.filter(|_| is_answered) {
        Some(Outcome::Workflows(workflows)) => {
            let newest = upgrade::newest(workflows);
            let known = |answer| Record::merge(input.status, answer, input.spec.history_limit, input.now);
            // The status has forgotten the tasks beyond its limit. The verdict must not depend on which these are.
            let listed = input.listed.map(known); // mark: forgotten task
            let protected = protected(newest, listed.as_ref().unwrap_or(record), input.now);
            Upgrade { status: newest.map(|newest| upgrade::status(newest).into()), protected }
        }
        Some(Outcome::Fault(fault)) => {
            let message = format!("the list of upgrades cannot be read: {}", fault.message);
            Upgrade { status: known, protected: Verdict::new(Truth::Unknown, fault.kind.reason(), message) }
        }
        // The workflows of the last list are gone, so the last verdict stands until the list is read again.
        None => Upgrade { status: known, protected: recorded(input, record) },
    };
    Some(upgrade)
}

/// The verdict on record. It rests on what was known of backups then: where a failure became known since, only the list says
/// whether it is that of the backup which protects the upgrade.
fn recorded(input: &Input<'_>, record: &Record) -> Verdict {
    let unread =
        || Verdict::new(Truth::Unknown, Reason::NotYetPolled, "the list of upgrades is still to be read");
    let Some(last) = condition::find(&input.status.conditions, types::UPGRADE_PROTECTED) else {
        return unread();
    };
    // While the step Snapshot itself is under way or failed, it is another backup that protects.
    let known = input.status.upgrade.as_ref();
    let later = known.filter(|upgrade| upgrade.step.as_deref() != Some(upgrade::SNAPSHOT));
    let own = later.and_then(|upgrade| upgrade.snapshot_uid.as_deref());
    let uid = |failure: &Option<FailureRecord>| failure.as_ref().map(|failure| failure.uid.clone());
    let is_in_doubt = own.is_some_and(|uid| is_not_good(record, uid))
        || uid(&record.last_failure) != uid(&input.status.last_failure);
    if is_in_doubt && last.reason == Reason::BackupTaken { unread() } else { Verdict::of(last) }
}

/// Whether a task that is known did not succeed.
fn is_not_good(record: &Record, uid: &str) -> bool {
    let mut listed = tasks(record).filter(|task| task.uid == uid);
    listed.any(|task| task.phase.as_deref() != Some(task::SUCCESS))
        || record.last_failure.as_ref().is_some_and(|failure| failure.uid == uid)
}

/// The input of the rules.
struct Case<'a> {
    workflow: &'a Workflow,
    began: Began,
    record: &'a Record,
    now: Timestamp,
}

/// The rules, in order; the first that applies is the verdict, and [`missing`] where none does.
const RULES: [fn(&Case<'_>) -> Option<Verdict>; 3] = [
    over,          // the newest workflow is over
    own_snapshot,  // its step Snapshot is a Success, and so is the task of that step, where it is listed
    recent_backup, // the newest backup that had ended when the step Cluster began is a success of the 24 hours before
];

fn protected(newest: Option<&Workflow>, record: &Record, now: Timestamp) -> Verdict {
    let Some(workflow) = newest else {
        return Verdict::new(Truth::True, Reason::NoUpgrade, "the API lists no upgrade of the cluster");
    };
    let case = Case { workflow, began: upgrade::began(workflow, now), record, now };
    RULES.iter().find_map(|rule| rule(&case)).unwrap_or_else(|| missing(&case))
}

fn over(case: &Case<'_>) -> Option<Verdict> {
    let phase = case.workflow.phase.as_deref().filter(|phase| upgrade::is_over(Some(phase)))?;
    let message = format!("the newest upgrade, {}, is over ({phase})", case.workflow.uid);
    Some(Verdict::new(Truth::True, Reason::NoUpgrade, message))
}

fn own_snapshot(case: &Case<'_>) -> Option<Verdict> {
    let step = upgrade::newest_step(case.workflow, upgrade::SNAPSHOT)?;
    if step.status.as_deref() != Some(upgrade::SUCCESS) {
        return None;
    }
    // A backup that was taken after the begin holds a control plane that is half upgraded.
    let is_late = step.end_time.or(step.start_time).is_some_and(|ended| match case.began {
        Began::At(began) => ended > began,
        // Of one begin the time is not known, and another one may be.
        Began::Sometime => upgrade::known_begins(case.workflow, case.now).any(|began| ended > began),
        Began::NotYet => false,
    });
    let failed = step.task_id.as_deref().is_some_and(|uid| is_not_good(case.record, uid)); // mark: own snapshot
    (!is_late && !failed).then(|| {
        let message = format!("the step Snapshot of upgrade {} succeeded", case.workflow.uid);
        Verdict::new(Truth::True, Reason::BackupTaken, message)
    })
}

fn recent_backup(case: &Case<'_>) -> Option<Verdict> {
    let (uid, ended) = last_success_before(case)?;
    let begin = match case.began {
        Began::NotYet => case.now,
        Began::At(time) => time,
        Began::Sometime => return None,
    };
    (begin.duration_since(ended) <= FRESH).then(|| {
        let message = format!(
            "backup {uid} succeeded in the 24 h before the step Cluster of upgrade {}",
            case.workflow.uid
        );
        Verdict::new(Truth::True, Reason::BackupTaken, message)
    })
}

/// The success that had ended last when the step Cluster began, unless a failure ended after it. What ended later says
/// nothing of what the upgrade can be rolled back to. A failure of an unknown time counts as the newer one.
fn last_success_before<'a>(case: &Case<'a>) -> Option<(&'a str, Timestamp)> {
    let record = case.record;
    let is_before = |time: Timestamp| match case.began {
        Began::NotYet => task::is_believable(time, case.now),
        Began::At(began) => time <= began,
        Began::Sometime => false,
    };
    let ended = |task: &TaskStatus| task::ended(task, case.now);
    let of_phase = |phase: &'static str| {
        tasks(record).filter(move |task| task::is_backup(task) && task.phase.as_deref() == Some(phase))
    };
    let listed = of_phase(task::SUCCESS).map(|task| (task.uid.as_str(), ended(task)));
    let known = record.last_success.iter().map(|success| (success.uid.as_str(), success.time));
    let successes = listed.chain(known).filter_map(|(uid, time)| Some((uid, time?)));
    let success = successes.filter(|(_, time)| is_before(*time)).max_by_key(|(uid, time)| (*time, *uid))?;

    let listed = of_phase(task::FAILED).map(ended);
    let known = record.last_failure.iter().map(|failure| failure.time);
    // The workflow's own backup may be one that the API does not list.
    let own = upgrade::newest_step(case.workflow, upgrade::SNAPSHOT);
    let own = own.filter(|step| step.status.as_deref() == Some(upgrade::FAILED));
    let own = own.map(|step| step.end_time.or(step.start_time));
    let is_newer = |time: Option<Timestamp>| time.is_none_or(|time| time >= success.1 && is_before(time));
    (!listed.chain(known).chain(own).any(is_newer)).then_some(success)
}

/// Every task that is known: those of the answer, and those that the status keeps.
fn tasks(record: &Record) -> impl Iterator<Item = &TaskStatus> {
    record.answered.iter().chain(record.tasks.iter().flatten())
}

/// The verdict where no rule applies: there is no backup for the upgrade.
fn missing(case: &Case<'_>) -> Verdict {
    let uid = &case.workflow.uid;
    let version = case.workflow.to_version.as_deref().unwrap_or("another version");
    let step = upgrade::newest_step(case.workflow, upgrade::SNAPSHOT).and_then(|step| step.status.as_deref());
    let snapshot = match step {
        None => "it has no step Snapshot".to_owned(),
        Some(upgrade::SUCCESS) => "the backup of its step Snapshot is not good".to_owned(),
        Some(status) => format!("its step Snapshot is {status}"),
    };
    if case.began == Began::NotYet {
        let message = format!(
            "upgrade {uid} to {version} has not begun its step Cluster, and no backup protects it yet: {snapshot}, and \
             no other backup of the last 24 h is good"
        );
        return Verdict::new(Truth::Unknown, Reason::BackupPending, message);
    }
    let message = format!(
        "the cluster is upgraded to {version} without a backup to go back to: {snapshot}, and no other backup of the 24 h \
         before the step Cluster is good (upgrade {uid})"
    );
    Verdict::new(Truth::False, Reason::UpgradeUnprotected, message)
}

/// The Events of the newest workflow: what is not in the old status. Each has the workflow's uid in its name, so that it is
/// one Event however often it is published. Of a workflow that is over when it is first seen nothing is told.
pub fn events(input: &Input<'_>, new: Option<&Upgrade>) -> Vec<Event> {
    let Some(Upgrade { status: Some(upgrade), protected }) = new else { return Vec::new() };
    let is_read = matches!(input.upgrades, Some(Outcome::Workflows(_)));
    // What is told must be written, and before the first outcome of a poll no status is.
    if input.spec.suspend || !is_read || !super::says_something(input) {
        return Vec::new();
    }
    let known = input.status.upgrade.as_ref().filter(|known| known.uid == upgrade.uid);
    let is_over = upgrade::is_over(upgrade.phase.as_deref());
    if known.is_none() && is_over {
        return Vec::new();
    }
    let unprotected = Reason::UpgradeUnprotected;
    let was_unprotected = known.is_some()
        && condition::find(&input.status.conditions, types::UPGRADE_PROTECTED)
            .is_some_and(|old| old.reason == unprotected);
    let had = |is: fn(&UpgradeStatus) -> bool| known.is_some_and(|known| is(known));
    let version = upgrade.to_version.as_deref().unwrap_or("another version");
    let failed = format!("the upgrade needs a person: {}", said(upgrade));

    let succeeded = |upgrade: &UpgradeStatus| upgrade.phase.as_deref() == Some(upgrade::SUCCESS);
    [
        (known.is_none(), EventReason::UpgradeStarted, &*format!("upgrade to {version} started")),
        (
            protected.reason == unprotected && !was_unprotected,
            EventReason::UpgradeUnprotected,
            &*protected.message,
        ),
        (upgrade::has_failed(upgrade) && !had(upgrade::has_failed), EventReason::UpgradeFailed, &failed),
        (
            upgrade::is_rolled_back(upgrade) && !had(upgrade::is_rolled_back),
            EventReason::UpgradeRolledBack,
            "the cluster was put back to what it was before the upgrade",
        ),
        (
            succeeded(upgrade) && !had(succeeded),
            EventReason::UpgradeSucceeded,
            &*format!("upgrade to {version} succeeded"),
        ),
    ]
    .into_iter()
    .filter(|(holds, ..)| *holds)
    .map(|(_, reason, what)| {
        let what = format!("upgrade {} ({}): {what}", upgrade.uid, said(upgrade));
        Event::new(input, reason, &[&upgrade.uid], "", &what, "")
    })
    .collect()
}

/// The phase of a workflow, and the step that it is in.
fn said(upgrade: &UpgradeStatus) -> String {
    let phase = upgrade.phase.as_deref().unwrap_or("no phase");
    match (&upgrade.step, &upgrade.step_phase) {
        (Some(step), Some(state)) => format!("{phase}, {step} {state}"),
        _ => phase.to_owned(),
    }
}
