//! The vocabulary of tasks: which phase is final, what counts as a backup, which tasks are open, and when one began and
//! ended. Pure. The operator, the commands and their output all take it from here, so that they never disagree.
//!
//! [`record`] merges an answer of the cloud into what is known. What a record means for a resource is left to
//! [`crate::controller::plan`].

pub mod record;

use std::cmp::Ordering;

use jiff::{SignedDuration, Timestamp};

use crate::api::TaskStatus;

/// The one phase that makes a backup good.
pub const SUCCESS: &str = "Success";
/// The one phase that makes it bad.
pub const FAILED: &str = "Failed";
/// The type of an item whose task puts a backup back instead of making one.
pub(crate) const ROLLBACK: &str = "master-backup-rollback";

/// How far in the future a time may lie and still count, because the clocks of the cloud and of this host differ.
const FUTURE: SignedDuration = SignedDuration::from_mins(5);
/// The longest message of a failed task.
const FAILURE_CHARS: usize = 512;

/// Whether a task is a backup and not a rollback, which restores one.
pub fn is_backup(task: &TaskStatus) -> bool {
    !task.items.iter().any(|item| item.type_.as_deref() == Some(ROLLBACK))
}

/// Whether the phase of a task is final. Huawei documents no phases of a task; its own tools take these two as final.
pub fn is_finished(task: &TaskStatus) -> bool {
    matches!(task.phase.as_deref(), Some(SUCCESS | FAILED))
}

/// The unfinished tasks, backups or not, that are newer than the newest finished backup; `tasks` stand newest first.
///
/// Only these can run or be stuck. An older unfinished task was abandoned, or it ended in a phase that Huawei does not
/// document: a backup that was made since then says more about the cluster than it does.
pub fn open(tasks: &[TaskStatus]) -> impl Iterator<Item = &TaskStatus> {
    tasks
        .iter()
        .take_while(|task| !(is_backup(task) && is_finished(task))) // mark: never ended
        .filter(|task| !is_finished(task))
}

/// The time by which tasks are ordered: that of the creation, else of the last update, else of the completion.
pub fn born(task: &TaskStatus) -> Option<Timestamp> {
    task.creation_time.or(task.update_time).or(task.completion_time)
}

/// When a finished task ended. A time that lies more than [`FUTURE`] after `now` is passed over.
pub fn ended(task: &TaskStatus, now: Timestamp) -> Option<Timestamp> {
    ends(task).find(|time| is_believable(*time, now))
}

/// The times that may be that of the end, the best one first.
fn ends(task: &TaskStatus) -> impl Iterator<Item = Timestamp> {
    [task.completion_time, task.update_time, task.creation_time].into_iter().flatten()
}

/// Whether a time of the cloud lies no more than [`FUTURE`] after `now`.
pub fn is_believable(time: Timestamp, now: Timestamp) -> bool {
    time.duration_since(now) <= FUTURE
}

/// The time of a finished task that [`ended`] would be, were it not in the future; none where the best time is believed.
pub fn ahead(task: &TaskStatus, now: Timestamp) -> Option<Timestamp> {
    ends(task).next().filter(|time| !is_believable(*time, now))
}

/// When [`ended`] will next give another time than now, because a better one is no longer too far in the future.
pub fn believed_from(task: &TaskStatus, now: Timestamp) -> Option<Timestamp> {
    let unbelieved = ends(task).take_while(|time| !is_believable(*time, now));
    unbelieved.min().map(|time| time.saturating_sub(FUTURE).unwrap_or(time))
}

/// Orders tasks newest first. Of tasks with the same time (or with none) a failed one comes first and a success last, so
/// that the worse one is judged; then the uid decides, so that the order of the answer does not matter.
pub fn newest_first(a: &TaskStatus, b: &TaskStatus) -> Ordering {
    let gravity = |task: &TaskStatus| match task.phase.as_deref() {
        Some(FAILED) => 0,
        Some(SUCCESS) => 2,
        _ => 1,
    };
    born(b).cmp(&born(a)).then_with(|| gravity(a).cmp(&gravity(b))).then_with(|| a.uid.cmp(&b.uid))
}

/// What the failing items of a task say.
pub fn failure_message(task: &TaskStatus) -> Option<String> {
    let said = |failing_only: bool| {
        let items = task
            .items
            .iter()
            .filter(|item| !failing_only || item.status.as_deref() == Some(FAILED))
            .filter_map(|item| {
                let message = item.message.as_deref().filter(|m| !m.is_empty())?;
                Some(item.type_.as_deref().map_or_else(|| message.to_owned(), |t| format!("{t}: {message}")))
            });
        items.collect::<Vec<_>>().join("; ")
    };
    let message = Some(said(true)).filter(|m| !m.is_empty()).unwrap_or_else(|| said(false));
    (!message.is_empty()).then(|| message.chars().take(FAILURE_CHARS).collect())
}
