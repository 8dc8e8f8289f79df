//! The record: the tasks, the newest success and the newest failure. Merges an answer of the cloud into what the status
//! already holds; without an answer the record stays as it is. Pure.
//!
//! What the record means for a resource is left to [`crate::controller::plan`].

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use super::{FAILED, ROLLBACK, SUCCESS, ended, failure_message, is_backup, is_finished, newest_first, open};
use crate::api::{
    ClusterBackupWatchStatus, FailureRecord, ItemStatus, SuccessRecord, TaskStatus, condition::whole_seconds,
};
use crate::cloud::{self, Answer};

/// The most bytes of tasks in a status. etcd refuses objects above 1.5 MiB; this is far less, because every watcher of the
/// resource receives it.
const TASKS_BYTES: usize = 160 * 1024;
/// What is known of a cluster's backups.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// The tasks, newest first, as the status keeps them; none before the first answer.
    pub tasks: Option<Vec<TaskStatus>>,
    /// Every task of this answer, newest first, before the history limit; Events are made from these.
    pub answered: Vec<TaskStatus>,
    /// The newest success ever seen.
    pub last_success: Option<SuccessRecord>,
    /// The newest failure ever seen.
    pub last_failure: Option<FailureRecord>,
    /// `status.latestBackupTime` as the API states it.
    pub latest_backup_time: Option<Timestamp>,
}

impl Record {
    /// What a status holds, without an answer. A time that was in the future when the status was written may be believed
    /// by now.
    pub fn known(status: &ClusterBackupWatchStatus, now: Timestamp) -> Self {
        let tasks = status.tasks.as_deref().unwrap_or_default();
        let (success, failure) = (status.last_success.as_ref(), status.last_failure.as_ref());
        let is_later = |phase, known: Option<Timestamp>| {
            newest_ended(tasks, phase, now).is_some_and(|(_, time)| time > known)
        };
        let succeeded = success.is_some_and(|last| is_later(SUCCESS, last.time));
        let failed = failure.is_some_and(|last| is_later(FAILED, last.time));
        Self {
            tasks: status.tasks.clone(),
            answered: Vec::new(),
            last_success: last_success(success, if succeeded { tasks } else { &[] }, now),
            last_failure: last_failure(failure, if failed { tasks } else { &[] }, now),
            latest_backup_time: status.latest_backup_time,
        }
    }

    /// What is known, with an answer merged into it; `limit` is the most tasks to keep, 1 to 50.
    pub fn merge(known: &ClusterBackupWatchStatus, answer: &Answer, limit: i32, now: Timestamp) -> Self {
        let old_tasks = known.tasks.as_deref().unwrap_or_default();
        let by_uid: HashMap<&str, &TaskStatus> = old_tasks.iter().map(|t| (t.uid.as_str(), t)).collect();
        let mut answered: Vec<TaskStatus> =
            answer.tasks.iter().map(|t| task_status(t, by_uid.get(t.uid.as_str()).copied(), now)).collect();
        answered.sort_by(newest_first);

        let listed: HashSet<&str> = answered.iter().map(|t| t.uid.as_str()).collect();
        let gone = old_tasks.iter().filter(|t| is_finished(t) && !listed.contains(t.uid.as_str()));
        let mut tasks: Vec<TaskStatus> = answered.iter().chain(gone).cloned().collect();
        tasks.sort_by(newest_first);
        tasks.truncate(usize::try_from(limit.clamp(1, 50)).unwrap_or(1));
        bound(&mut tasks);

        Self {
            last_success: last_success(known.last_success.as_ref(), &answered, now),
            last_failure: last_failure(known.last_failure.as_ref(), &answered, now),
            latest_backup_time: answer.latest_backup_time,
            tasks: Some(tasks),
            answered,
        }
    }

    /// The part of the status that states the record.
    pub fn status(&self) -> ClusterBackupWatchStatus {
        let newest = self.newest_backup();
        ClusterBackupWatchStatus {
            phase: newest.and_then(|task| task.phase.clone()),
            progress: newest.and_then(|task| task.progress),
            latest_backup_time: self.latest_backup_time,
            last_success: self.last_success.clone(),
            last_failure: self.last_failure.clone(),
            tasks: self.tasks.clone(),
            ..Default::default()
        }
    }

    /// The tasks that are backups, newest first.
    pub fn backups(&self) -> impl Iterator<Item = &TaskStatus> {
        self.tasks.iter().flatten().filter(|task| is_backup(task))
    }

    /// The newest backup, finished or not.
    pub fn newest_backup(&self) -> Option<&TaskStatus> {
        self.backups().next()
    }

    /// The backups that may still end, newest first; see [`open`].
    pub fn open_backups(&self) -> impl Iterator<Item = &TaskStatus> {
        open(self.tasks.as_deref().unwrap_or_default()).filter(|task| is_backup(task))
    }
}

/// A task as the status keeps it. A task that stood still when it was first seen moved no later than its own updateTime.
fn task_status(task: &cloud::Task, known: Option<&TaskStatus>, now: Timestamp) -> TaskStatus {
    let unmoved = known.filter(|old| old.phase == task.phase && old.progress == task.progress);
    let mut items: Vec<ItemStatus> = task.items.iter().map(item_status).collect();
    if items.is_empty() {
        // Huawei has announced that the API will drop `spec`, and the items with it. A task that was seen to be a rollback
        // must stay one then.
        items = known.map(|old| old.items.clone()).unwrap_or_default();
    }
    TaskStatus {
        uid: task.uid.clone(),
        phase: task.phase.clone(),
        progress: task.progress,
        creation_time: task.creation_time,
        update_time: task.update_time,
        completion_time: task.completion_time,
        progress_time: Some(match (known, unmoved.and_then(|old| old.progress_time)) {
            (_, Some(since)) => since,
            (Some(_), None) => whole_seconds(now),
            (None, None) => whole_seconds(now.min(task.update_time.unwrap_or(now))),
        }),
        items,
    }
}

fn item_status(item: &cloud::Item) -> ItemStatus {
    ItemStatus {
        id: item.id.clone(),
        type_: item.type_.clone(),
        status: item.status.clone(),
        creation_time: item.creation_time,
        update_time: item.update_time,
        message: item.message.clone(),
    }
}

/// Keeps the tasks within [`TASKS_BYTES`]: the first task that does not fit and all older ones lose their items, except for
/// the one that marks a rollback.
fn bound(tasks: &mut [TaskStatus]) {
    let mut bytes = 0;
    for task in tasks {
        bytes += serde_json::to_vec(task).map_or(TASKS_BYTES, |json| json.len());
        if bytes > TASKS_BYTES {
            task.items.retain(|item| item.type_.as_deref() == Some(ROLLBACK));
            task.items.truncate(1);
            for item in &mut task.items {
                *item = ItemStatus { type_: item.type_.take(), ..Default::default() };
            }
        }
    }
}

/// The backup of this phase that ended last, and when; of several with the same time, the first of the record.
fn newest_ended<'a>(
    tasks: &'a [TaskStatus],
    phase: &str,
    now: Timestamp,
) -> Option<(&'a TaskStatus, Option<Timestamp>)> {
    let mut newest: Option<(&TaskStatus, Option<Timestamp>)> = None;
    for task in tasks.iter().filter(|t| is_backup(t) && t.phase.as_deref() == Some(phase)) {
        let time = ended(task, now);
        if newest.is_none_or(|(_, best)| time > best) {
            newest = Some((task, time));
        }
    }
    newest
}

/// Whether a task replaces the one on record: it ended later, or the one on record has no time, or it is the same task with
/// the same time. So the record never moves backwards.
fn supersedes(uid: &str, time: Option<Timestamp>, old_uid: &str, old_time: Option<Timestamp>) -> bool {
    time > old_time || old_time.is_none() || (uid == old_uid && time == old_time)
}

fn last_success(old: Option<&SuccessRecord>, tasks: &[TaskStatus], now: Timestamp) -> Option<SuccessRecord> {
    let newest = newest_ended(tasks, SUCCESS, now)
        .filter(|(task, time)| old.is_none_or(|old| supersedes(&task.uid, *time, &old.uid, old.time)))
        .map(|(task, time)| SuccessRecord { uid: task.uid.clone(), time });
    newest.or_else(|| old.cloned())
}

fn last_failure(old: Option<&FailureRecord>, tasks: &[TaskStatus], now: Timestamp) -> Option<FailureRecord> {
    let newest = newest_ended(tasks, FAILED, now)
        .filter(|(task, time)| old.is_none_or(|old| supersedes(&task.uid, *time, &old.uid, old.time)))
        .map(|(task, time)| {
            let said = || old.filter(|old| old.uid == task.uid)?.message.clone();
            FailureRecord { uid: task.uid.clone(), time, message: failure_message(task).or_else(said) }
        });
    newest.or_else(|| old.cloned())
}
