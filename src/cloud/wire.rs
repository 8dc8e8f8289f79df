//! Decodes an answer of the snapshot-task API leniently: every field may be absent or of any JSON type.
//!
//! A field of the wrong type is left out, and the rest of the answer is used. Only an answer without a list of tasks is
//! an error, because taking it for an empty list would report that there is no backup. The result is bounded, however
//! large the answer is. What the tasks mean is left to `controller::plan`.

use std::collections::{HashMap, hash_map::Entry};

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{
    Answer, Item, Task,
    field::{object, progress, text, time, word},
    text::clean,
};

/// The most tasks that are taken from one answer: far more than the cloud keeps, and still cheap to plan with.
const MAX_TASKS: usize = 2_000;
/// The most parts that are taken from one task.
const MAX_ITEMS: usize = 32;
const MAX_UID: usize = 128;
const MAX_WORD: usize = 64;
const MAX_MESSAGE: usize = 256;

/// An answer that is no list of tasks. No message repeats any of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Not JSON, or nested too deeply, or not UTF-8.
    #[error("the answer is not JSON")]
    NotJson,
    /// JSON, but no object.
    #[error("the answer is not a JSON object")]
    NotAnObject,
    /// An error code where there should be tasks.
    #[error("the answer is an error in the shape of a success")]
    ErrorBody,
    /// `items` neither an array nor null, or absent from something that is no List.
    #[error("the answer holds no list of tasks")]
    NoList,
}

/// Decodes the body of a 200.
pub fn decode(body: &[u8]) -> Result<Answer, WireError> {
    let Value::Object(answer) = serde_json::from_slice(body).map_err(|_| WireError::NotJson)? else {
        return Err(WireError::NotAnObject);
    };
    if ["errorCode", "error_code"].iter().any(|key| text(&answer, key).is_some()) {
        return Err(WireError::ErrorBody);
    }
    let items: &[Value] = match answer.get("items") {
        Some(Value::Array(items)) => items,
        // Go prints an empty list as null.
        Some(Value::Null) => &[],
        None if text(&answer, "kind") == Some("List") => &[],
        _ => return Err(WireError::NoList),
    };
    let (tasks, left_out) = tasks(items);
    let latest_backup_time = object(&answer, "status").and_then(|status| time(status, "latestBackupTime"));
    Ok(Answer { tasks, latest_backup_time, left_out })
}

fn tasks(items: &[Value]) -> (Vec<Task>, usize) {
    let mut tasks: Vec<Task> = Vec::new();
    let mut places = HashMap::new();
    let mut left_out = 0;
    for item in items {
        let Some(task) = item.as_object().and_then(task) else {
            left_out += 1;
            continue;
        };
        match places.entry(task.uid.clone()) {
            Entry::Vacant(place) => {
                place.insert(tasks.len());
                tasks.push(task);
            }
            Entry::Occupied(place) => {
                let known = &mut tasks[*place.get()];
                if last_change(&task) > last_change(known) {
                    *known = task;
                }
            }
        }
    }
    if tasks.len() > MAX_TASKS {
        let mut times: Vec<_> = tasks.iter().map(|t| t.creation_time).collect();
        times.sort_unstable_by(|a, b| b.cmp(a));
        let oldest_kept = times[MAX_TASKS - 1];
        tasks.retain(|t| t.creation_time >= oldest_kept);
        tasks.truncate(MAX_TASKS);
    }
    (tasks, left_out)
}

/// The key by which the later of two tasks with one uid is chosen. The API promises no order of the answer, so the
/// order must not matter: two tasks with the same times are told apart by phase and progress, and the one that is no
/// success counts.
fn last_change(task: &Task) -> (Option<Timestamp>, Option<Timestamp>, bool, Option<u8>) {
    (task.update_time, task.completion_time, task.phase.as_deref() != Some("Success"), task.progress)
}

fn task(item: &Map<String, Value>) -> Option<Task> {
    let metadata = object(item, "metadata")?;
    let uid = text(metadata, "uid").filter(|uid| uid.chars().take(MAX_UID + 1).count() <= MAX_UID)?;
    let status = object(item, "status");
    let parts = object(item, "spec").and_then(|spec| spec.get("items")).and_then(Value::as_array);
    Some(Task {
        uid: clean(uid, MAX_UID),
        phase: status.and_then(|s| word(s, "phase", MAX_WORD)),
        progress: status.and_then(|s| progress(s.get("progress")?)),
        creation_time: time(metadata, "creationTimestamp"),
        update_time: time(metadata, "updateTimestamp"),
        completion_time: status.and_then(|s| time(s, "completionTime")),
        items: parts.map(|parts| items(parts)).unwrap_or_default(),
    })
}

/// The parts of a task in their order. Where there are too many, the rollbacks and the failed ones are kept: they
/// decide whether the task is a backup, and say why it failed.
fn items(parts: &[Value]) -> Vec<Item> {
    let mut items: Vec<Item> = parts.iter().filter_map(Value::as_object).map(part).collect();
    if items.len() > MAX_ITEMS {
        items.sort_by_key(|item| match (item.type_.as_deref(), item.status.as_deref()) {
            (Some("master-backup-rollback"), _) => 0,
            (_, Some("Failed")) => 1,
            _ => 2,
        });
        items.truncate(MAX_ITEMS);
    }
    items
}

fn part(part: &Map<String, Value>) -> Item {
    Item {
        id: word(part, "id", MAX_UID),
        type_: word(part, "type", MAX_WORD),
        status: word(part, "status", MAX_WORD),
        creation_time: time(part, "creationTimestamp"),
        update_time: time(part, "updateTimestamp"),
        message: word(part, "message", MAX_MESSAGE),
    }
}

#[cfg(test)]
mod tests;
