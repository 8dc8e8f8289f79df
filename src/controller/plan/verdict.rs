//! What a verdict is, and the one on the backup: `BackupHealthy` says whether it is good.
//!
//! [`RULES`] is the whole of what makes a backup good, in the order of precedence; each rule is a function below.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::core::Duration;

use super::Input;
use crate::api::{
    ClusterBackupWatchSpec, FailureRecord, Reason, TaskStatus,
    condition::{self, Truth, types, whole_seconds},
    duration,
};
use crate::poll::Outcome;
use crate::task::{self, FAILED, SUCCESS, record::Record};

/// A verdict: the status, reason and message of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The condition's status.
    pub truth: Truth,
    /// The condition's reason.
    pub reason: String,
    /// What a person is told. It holds no duration and nothing else that changes from poll to poll: a condition that changes
    /// is written, and Events repeat it.
    pub message: String,
}

impl Verdict {
    pub(super) fn new(truth: Truth, reason: Reason, message: impl Into<String>) -> Self {
        Self { truth, reason: reason.to_string(), message: message.into() }
    }

    /// The verdict that a condition states.
    pub(super) fn of(condition: &Condition) -> Self {
        let truth = match condition.status.as_str() {
            "True" => Truth::True,
            "False" => Truth::False,
            _ => Truth::Unknown,
        };
        Self { truth, reason: condition.reason.clone(), message: condition.message.clone() }
    }
}

/// What is known of a backup while polls fail for a reason.
pub fn blind(reason: &str) -> String {
    format!(
        "nothing new is known of the backup while polls fail ({reason}): the condition Ready says what to do"
    )
}

/// Whether the backup is good.
pub fn backup_healthy(input: &Input<'_>, record: &Record, ready: &Verdict) -> Verdict {
    if ready.truth == Truth::False {
        let message = blind(&ready.reason);
        return Verdict::new(Truth::Unknown, Reason::PollFailing, message);
    }
    // Time alone changes no verdict: the cloud is asked first, since it may know of a newer backup.
    if matches!(input.outcome, Some(Outcome::Answer(_))) && ready.reason == Reason::Polled {
        return judge(input, record);
    }
    // Suspended, or no new outcome, or a fault that may pass: the last verdict stands.
    recorded(input, types::BACKUP_HEALTHY).unwrap_or_else(|| {
        Verdict::new(Truth::Unknown, Reason::NotYetPolled, "the first poll is still to be answered")
    })
}

/// Whether time alone has changed the verdict since the status was written.
pub fn is_outdated(input: &Input<'_>, record: &Record) -> bool {
    let is_polled = recorded(input, types::READY).is_some_and(|ready| ready.reason == Reason::Polled);
    let healthy = recorded(input, types::BACKUP_HEALTHY);
    input.outcome.is_none()
        && is_polled
        && healthy.is_some_and(|old| {
            let new = judge(input, record);
            (old.truth, old.reason) != (new.truth, new.reason)
        })
}

/// The verdict that the status has on record.
pub(super) fn recorded(input: &Input<'_>, type_: &str) -> Option<Verdict> {
    condition::find(&input.status.conditions, type_).map(Verdict::of)
}

/// The input of the rules.
struct Case<'a> {
    spec: &'a ClusterBackupWatchSpec,
    created: Option<Timestamp>,
    record: &'a Record,
    now: Timestamp,
}

/// The rules, in order; the first that applies is the verdict, and [`no_backup`] where none does.
const RULES: [fn(&Case<'_>) -> Option<Verdict>; 5] = [
    failed,    // the newest finished backup failed
    stuck,     // a backup newer than any finished one has not moved for stuckAfter
    stale,     // the newest success is older than maxAge
    succeeded, // the newest finished backup is a success
    running,   // none is finished, one runs
];

fn judge(input: &Input<'_>, record: &Record) -> Verdict {
    let case = Case { spec: input.spec, created: input.created, record, now: input.now };
    RULES.iter().find_map(|rule| rule(&case)).unwrap_or_else(|| no_backup(&case))
}

/// How the newest finished backup ended, wherever it is on record.
enum Finished {
    Success(String),
    Failed(FailureRecord),
}

/// The newest finished backup: the first in the list of tasks, or the newest on record where the history limit left none in
/// the list. A success counts only if it is known to be newer than the newest failure.
fn newest_finished(case: &Case<'_>) -> Option<Finished> {
    let record = case.record;
    let listed = record.backups().find(|task| task::is_finished(task));
    if let Some(task) = listed.filter(|task| is_failed(task)) {
        return Some(Finished::Failed(failure(task)));
    }
    let (success, time) = match (listed, &record.last_success) {
        (Some(task), _) => (Some(&task.uid), task::ended(task, case.now)),
        (None, Some(last)) => (Some(&last.uid), last.time),
        (None, None) => (None, None),
    };
    // A failed backup without any time is at the end of the list, because its age is unknown. It counts as ended when this
    // operator saw its phase or progress change for the last time.
    let unplaced = record.backups().find(|task| is_failed(task) && task::born(task).is_none());
    let failed = unplaced.map(failure).or_else(|| record.last_failure.clone());
    let older = |failed: &FailureRecord| match (time, failed.time) {
        (None, _) => false,
        (Some(time), Some(failed)) if unplaced.is_some() || listed.is_none() => time > failed,
        (Some(time), Some(at)) => time > at || record.backups().any(|task| task.uid == failed.uid),
        (Some(_), None) => listed.is_some(),
    };
    match (success, failed) {
        (Some(uid), failed) if failed.as_ref().is_none_or(older) => Some(Finished::Success(uid.clone())),
        (_, failed) => failed.map(Finished::Failed),
    }
}

fn is_failed(task: &TaskStatus) -> bool {
    task.phase.as_deref() == Some(FAILED)
}

fn failure(task: &TaskStatus) -> FailureRecord {
    FailureRecord { uid: task.uid.clone(), time: task.progress_time, message: task::failure_message(task) }
}

fn failed(case: &Case<'_>) -> Option<Verdict> {
    let Finished::Failed(FailureRecord { uid, message, .. }) = newest_finished(case)? else { return None };
    let said =
        message.unwrap_or_else(|| "the API does not say why; look at the cluster in the CCE console".into());
    // A success that seems to come from the future was made after the failure, or one of the clocks is wrong.
    let ahead = case.record.backups().filter(|task| task.phase.as_deref() == Some(SUCCESS));
    let ahead = ahead.into_iter().find_map(|task| dated_ahead(task, case.now));
    let ahead = ahead.map(|ahead| format!("; {ahead}")).unwrap_or_default();
    Some(Verdict::new(Truth::False, Reason::BackupFailed, format!("backup {uid} failed: {said}{ahead}")))
}

/// What a backup says that ended in the future, which counts for nothing until its time is believable.
fn dated_ahead(task: &TaskStatus, now: Timestamp) -> Option<String> {
    let end = whole_seconds(task::ahead(task, now)?);
    Some(format!(
        "backup {} ended {end}, in the future: check clocks, the cloud's and the operator's",
        task.uid
    ))
}

/// The backup that has not moved for stuckAfter, if any; of several the one that stands still the longest, because it stays
/// that one while time passes: a verdict that is told again after a crash has the name of the first time.
pub fn stuck_backup<'a>(
    spec: &ClusterBackupWatchSpec,
    record: &'a Record,
    now: Timestamp,
) -> Option<&'a TaskStatus> {
    let stuck = record.open_backups().filter(|task| is_stuck(task, spec.stuck_after, now));
    stuck.min_by_key(|task| task.progress_time)
}

fn is_stuck(task: &TaskStatus, stuck_after: Duration, now: Timestamp) -> bool {
    task.progress_time.is_some_and(|moved| now >= after(moved, stuck_after))
}

/// Whether any task, a backup or not, is under way: it may still end, and it is not stuck. `tasks` stand newest first.
pub fn runs(tasks: Option<&[TaskStatus]>, stuck_after: Duration, now: Timestamp) -> bool {
    task::open(tasks.unwrap_or_default()).any(|task| !is_stuck(task, stuck_after, now))
}

fn stuck(case: &Case<'_>) -> Option<Verdict> {
    let task = stuck_backup(case.spec, case.record, case.now)?;
    let message =
        format!("stuckAfter is {}, and {}", duration::text(case.spec.stuck_after), stands_still(task));
    Some(Verdict::new(Truth::False, Reason::BackupStuck, message))
}

/// That a backup does not move.
pub fn stands_still(task: &TaskStatus) -> String {
    let since = task.progress_time.map(|time| whole_seconds(time).to_string()).unwrap_or_default();
    let phase = task.phase.as_deref().unwrap_or("without a phase");
    format!("backup {} has been {phase} without progress since {since}", task.uid)
}

fn stale(case: &Case<'_>) -> Option<Verdict> {
    let max_age = case.spec.max_age?;
    let success = case.record.last_success.as_ref()?;
    if success.time.is_some_and(|time| case.now <= after(time, max_age)) {
        return None;
    }
    let message =
        format!("maxAge is {}, and {}", duration::text(max_age), newest_success(case.record, case.now));
    Some(Verdict::new(Truth::False, Reason::BackupStale, message))
}

/// What is known of the newest success: its date and not its age, which would change with every poll.
pub fn newest_success(record: &Record, now: Timestamp) -> String {
    let Some(success) = &record.last_success else { return "no backup succeeded yet".into() };
    if let Some(time) = success.time {
        return format!("the newest success, {}, is of {}", success.uid, whole_seconds(time));
    }
    let mut listed = record.answered.iter().chain(record.tasks.iter().flatten());
    let ahead = listed.find(|task| task.uid == success.uid).and_then(|task| dated_ahead(task, now));
    ahead.unwrap_or_else(|| format!("the newest success, {}, has no readable time", success.uid))
}

fn succeeded(case: &Case<'_>) -> Option<Verdict> {
    let Finished::Success(uid) = newest_finished(case)? else { return None };
    Some(Verdict::new(Truth::True, Reason::BackupSucceeded, format!("backup {uid} succeeded")))
}

fn running(case: &Case<'_>) -> Option<Verdict> {
    let task = case.record.open_backups().next()?;
    let message = format!("backup {} is not finished, and none before it is on record", task.uid);
    Some(Verdict::new(Truth::Unknown, Reason::BackupRunning, message))
}

/// The verdict where no rule applies: there is no backup at all.
fn no_backup(case: &Case<'_>) -> Verdict {
    let overdue = case
        .spec
        .max_age
        .filter(|max_age| case.created.is_some_and(|created| case.now > after(created, *max_age)));
    let (truth, since) = match overdue.map(duration::text) {
        Some(age) => {
            (Truth::False, format!(", and maxAge, {age}, has passed since this resource was created"))
        }
        None => (Truth::Unknown, String::new()),
    };
    let message = format!(
        "the API lists no backup of this cluster{since}: start one, in the CCE console or with the command backup"
    );
    Verdict::new(truth, Reason::NoBackup, message)
}

/// `duration` after `time`, or the latest time that can be represented if that is out of range.
pub fn after(time: Timestamp, duration: Duration) -> Timestamp {
    time.saturating_add(signed(duration)).unwrap_or(Timestamp::MAX)
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(std::time::Duration::from(duration)).unwrap_or(SignedDuration::MAX)
}
