//! The Events of one plan: what changed between the old status and the new one.
//!
//! The name of an Event is derived from what it reports, so publishing it twice makes one Event. Its note holds no request
//! id and no duration, so that repeated Events have equal notes. Pure; publishing is left to [`crate::controller::apply`].

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{
    Event, Input,
    upgrade::{self, Upgrade},
    verdict,
};
use crate::api::{
    ClusterBackupWatchStatus, EventReason, Reason, TaskStatus,
    condition::{self, types},
};
use crate::poll::Outcome;
use crate::task::{self, FAILED, SUCCESS, is_backup, is_finished, record::Record};

/// The progress, in percent, at which an Event is published, the highest first.
pub const MILESTONES: [u8; 3] = [75, 50, 25];

/// The Events of a plan, in the order in which things happened.
pub fn events(
    input: &Input<'_>,
    record: &Record,
    upgrade: Option<&Upgrade>,
    new: &ClusterBackupWatchStatus,
) -> Vec<Event> {
    let mut events = Vec::new();
    if input.spec.suspend {
        return events;
    }
    if let Some(Outcome::Answer(_)) = input.outcome {
        task_events(input, record, &mut events);
    }
    verdict_events(input, record, new, &mut events);
    events.extend(upgrade::events(input, upgrade));
    events
}

fn task_events(input: &Input<'_>, record: &Record, events: &mut Vec<Event>) {
    let known = input.status.tasks.as_deref().unwrap_or_default();
    // Oldest first: the order in which it happened.
    for task in record.answered.iter().rev() {
        match known.iter().find(|old| old.uid == task.uid) {
            Some(old) => events.extend(transitions(input, old, task)),
            None if is_backup(task) && is_news(input, record, task) => events.push(first_sight(input, task)),
            None => {}
        }
    }
}

/// Whether a backup that is missing from the status is new, and not an old one that the API lists again or for the first
/// time.
fn is_news(input: &Input<'_>, record: &Record, task: &TaskStatus) -> bool {
    let Some(known) = &input.status.tasks else {
        // The first answer: of all that happened before, at most the newest backup is reported. One that ended before the
        // resource was created, or at an unknown time, is in the status, and is no news.
        let newest = record.answered.iter().find(|task| is_backup(task));
        let ended_since = || {
            let created = input.created?;
            task::ended(task, input.now).filter(|end| *end > created)
        };
        return newest.is_some_and(|newest| newest.uid == task.uid)
            && (!is_finished(task) || ended_since().is_some());
    };
    let (success, failure) = (input.status.last_success.as_ref(), input.status.last_failure.as_ref());
    if success.is_some_and(|last| last.uid == task.uid) || failure.is_some_and(|last| last.uid == task.uid) {
        return false;
    }
    let last_end = success.and_then(|last| last.time).max(failure.and_then(|last| last.time));
    // The list may be empty because an answer was incomplete. A backup that ended before the last known end is then not new
    // when it is listed again.
    let newest = known.iter().map(task::born).max().unwrap_or(last_end);
    // A backup that the history limit removed from the status while it ran is reported when it ends.
    let just_ended = is_finished(task) && last_end.is_some() && task::ended(task, input.now) > last_end;
    task::born(task) > newest || just_ended || (known.is_empty() && newest.is_none())
}

fn first_sight(input: &Input<'_>, task: &TaskStatus) -> Event {
    finished(input, task)
        .unwrap_or_else(|| event(input, task, EventReason::BackupStarted, &[&task.uid], "backup started"))
}

fn finished(input: &Input<'_>, task: &TaskStatus) -> Option<Event> {
    match task.phase.as_deref() {
        Some(SUCCESS) => {
            Some(event(input, task, EventReason::BackupSucceeded, &[&task.uid], "backup succeeded"))
        }
        Some(FAILED) => {
            let said = task::failure_message(task).map(|m| format!(": {m}")).unwrap_or_default();
            Some(event(input, task, EventReason::BackupFailed, &[&task.uid], &format!("backup failed{said}")))
        }
        _ => None,
    }
}

fn transitions(input: &Input<'_>, old: &TaskStatus, task: &TaskStatus) -> Vec<Event> {
    let mut events = Vec::new();
    let moved = old.phase != task.phase;
    if moved && !is_finished(old) && !is_finished(task) {
        let phases = |t: &TaskStatus| t.phase.clone().unwrap_or_else(|| "no phase".to_owned());
        // A task may pause and resume more than once. The time at which it entered the phase that it leaves makes the name of
        // each change unique.
        let milestone = format!("{}>{} {}", phases(old), phases(task), text(old.progress_time));
        let what = format!("phase changed from {} to {}", phases(old), phases(task));
        events.push(event(input, task, EventReason::BackupPhaseChanged, &[&task.uid, &milestone], &what));
    }
    if !is_backup(task) {
        return events;
    }
    if moved {
        events.extend(finished(input, task));
    }
    if !is_finished(task)
        && let Some(reached) = task.progress
        && let Some(milestone) =
            MILESTONES.into_iter().find(|m| reached >= *m && old.progress.unwrap_or_default() < *m)
    {
        let what = format!("reached {milestone} %");
        events.push(event(
            input,
            task,
            EventReason::BackupProgressing,
            &[&task.uid, &milestone.to_string()],
            &what,
        ));
    }
    events
}

/// The Events of verdicts. Their names are derived from the condition that ends and from the backup that the verdict is
/// about, and never from the newest task: if the operator crashes before it writes the status, it repeats the Event, and a
/// task that appeared in between must not give it another name.
fn verdict_events(
    input: &Input<'_>,
    record: &Record,
    new: &ClusterBackupWatchStatus,
    events: &mut Vec<Event>,
) {
    let pair =
        |type_| (condition::find(&input.status.conditions, type_), condition::find(&new.conditions, type_));
    let newest = record.newest_backup();

    if let (old, Some(ready)) = pair(types::READY) {
        let was_false = old.is_some_and(|old| old.status == "False");
        if ready.status == "False" && !was_false {
            // The fault's own words: what the condition adds has a duration.
            let why = match input.outcome {
                Some(Outcome::Fault { fault, .. }) => &fault.message,
                _ => &ready.message,
            };
            let what = format!("poll failed ({}): {why}", ready.reason);
            events.push(verdict(input, newest, EventReason::PollFailed, &["", &left(old)], &what));
        } else if was_false && ready.status == "True" && ready.reason == Reason::Polled {
            let what = "polls are answered again";
            events.push(verdict(input, newest, EventReason::PollRecovered, &["", &left(old)], what));
        }
    }
    if let (old, Some(healthy)) = pair(types::BACKUP_HEALTHY)
        && old.is_none_or(|old| old.reason != healthy.reason)
    {
        // The notes leave out what the conditions add, the configured duration.
        if healthy.reason == Reason::BackupStale {
            let stale = record.last_success.as_ref().map_or("", |success| &success.uid);
            let what = format!("maxAge is not met: {}", verdict::newest_success(record, input.now));
            events.push(verdict(input, newest, EventReason::BackupStale, &[stale, &left(old)], &what));
        } else if healthy.reason == Reason::BackupStuck
            && let Some(stuck) = verdict::stuck_backup(input.spec, record, input.now)
        {
            let key = [&stuck.uid, &*text(stuck.progress_time), &left(old)];
            let what = format!("{}, for longer than stuckAfter", verdict::stands_still(stuck));
            events.push(verdict(input, Some(stuck), EventReason::BackupStuck, &key, &what));
        }
    }
}

/// Identifies the condition that ends, so that each beginning of a verdict has an Event of its own: the time of its last
/// transition, and its message, because two verdicts of the same status share that time.
fn left(old: Option<&Condition>) -> String {
    old.map(|old| format!("{} {}", old.last_transition_time.0, old.message)).unwrap_or_default()
}

fn text(time: Option<Timestamp>) -> String {
    time.map(|time| time.to_string()).unwrap_or_default()
}

/// The Event of a task: its note begins with the task, its phase and its progress.
fn event(input: &Input<'_>, task: &TaskStatus, reason: EventReason, key: &[&str], what: &str) -> Event {
    Event::new(input, reason, key, &format!("task {}: ", state(task)), what, "")
}

/// The Event of a verdict: its note begins with what happened to the watch, which is not what happened to a task, and ends
/// with the backup that is on record.
fn verdict(
    input: &Input<'_>,
    task: Option<&TaskStatus>,
    reason: EventReason,
    key: &[&str],
    what: &str,
) -> Event {
    let on_record = task.map(|task| format!("; on record is task {}", state(task))).unwrap_or_default();
    Event::new(input, reason, key, "", what, &on_record)
}

/// The id of a task, its phase and its progress.
fn state(task: &TaskStatus) -> String {
    let phase = task.phase.as_deref().unwrap_or("no phase");
    let progress = task.progress.map_or_else(|| "no progress given".to_owned(), |p| format!("{p} %"));
    format!("{} ({phase}, {progress})", task.uid)
}
