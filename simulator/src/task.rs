//! Snapshot tasks and the answer that lists them, in the shape of the API page.
//!
//! Every field of an answer is a string, numbers and times included. Tasks come from a scenario or from a test;
//! answers of another shape are set whole and do not pass through here.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value, json};

use crate::go_time::go_time;

/// The type of an item that is a backup.
pub const BACKUP: &str = "master-backup";
/// The type of an item that is a restore.
pub const ROLLBACK: &str = "master-backup-rollback";

/// One task. What is `None` is left out of the answer, except for the times (see [`Task::creation_time`]).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Task {
    /// The task's id.
    pub uid: String,
    /// Such as `Running`, sent as it is.
    #[serde(default)]
    pub phase: Option<String>,
    /// Such as `67`, sent as it is; in JSON a number will do.
    #[serde(default, deserialize_with = "text_or_number")]
    pub progress: Option<String>,
    /// When it is absent, that of the task with this uid that was set before, else the time at which the task is set.
    #[serde(default)]
    pub creation_time: Option<Timestamp>,
    /// When it is absent, the time at which the task is set.
    #[serde(default)]
    pub update_time: Option<Timestamp>,
    /// When it is absent, the update time, as in the sample of the API page, even while the task runs.
    #[serde(default)]
    pub completion_time: Option<Timestamp>,
    /// The parts of the task.
    #[serde(default)]
    pub items: Vec<Item>,
}

/// One part of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Item {
    /// When it is absent, made from the task's uid.
    #[serde(default)]
    pub id: Option<String>,
    /// When it is absent, `master-backup`.
    #[serde(default, rename = "type")]
    pub type_: Option<String>,
    /// When it is absent, the phase of the task.
    #[serde(default)]
    pub status: Option<String>,
    /// When it is absent, left out.
    #[serde(default)]
    pub message: Option<String>,
}

impl Task {
    /// A task in a phase.
    pub fn new(uid: impl Into<String>, phase: impl Into<String>) -> Self {
        Self { uid: uid.into(), phase: Some(phase.into()), ..Self::default() }
    }

    /// The same with a progress in percent; for another text set the field.
    #[must_use]
    pub fn progress(mut self, progress: u8) -> Self {
        self.progress = Some(progress.to_string());
        self
    }

    /// The same with a creation time.
    #[must_use]
    pub fn created(mut self, at: Timestamp) -> Self {
        self.creation_time = Some(at);
        self
    }

    /// The same with an update time.
    #[must_use]
    pub fn updated(mut self, at: Timestamp) -> Self {
        self.update_time = Some(at);
        self
    }

    /// The same with a completion time.
    #[must_use]
    pub fn completed(mut self, at: Timestamp) -> Self {
        self.completion_time = Some(at);
        self
    }

    /// The same with one more item.
    #[must_use]
    pub fn item(mut self, item: Item) -> Self {
        self.items.push(item);
        self
    }

    /// Fills in the times that are absent.
    pub(crate) fn filled(mut self, before: &[Task], now: Timestamp) -> Self {
        let known = before.iter().find(|task| task.uid == self.uid).and_then(|task| task.creation_time);
        self.creation_time = self.creation_time.or(known).or(Some(now));
        self.update_time = self.update_time.or(Some(now));
        self.completion_time = self.completion_time.or(self.update_time);
        self
    }

    /// Whether it is a backup that has not ended.
    pub(crate) fn is_running(&self) -> bool {
        !matches!(self.phase.as_deref(), Some("Success" | "Failed")) && !self.is_rollback()
    }

    fn is_rollback(&self) -> bool {
        self.items.iter().any(|item| item.type_.as_deref() == Some(ROLLBACK))
    }

    fn to_json(&self) -> Value {
        let created = self.creation_time.map(go_time);
        let updated = self.update_time.map(go_time);
        let items: Vec<_> = self
            .items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                object([
                    ("id", item.id.clone().or_else(|| Some(format!("{}-{index}", self.uid)))),
                    ("type", item.type_.clone().or_else(|| Some(BACKUP.to_owned()))),
                    ("status", item.status.clone().or_else(|| self.phase.clone())),
                    ("creationTimestamp", created.clone()),
                    ("updateTimestamp", updated.clone()),
                    ("message", item.message.clone()),
                ])
            })
            .collect();
        json!({
            "kind": "SnapshotTask",
            "apiVersion": "v3.1",
            "metadata": object([
                ("uid", Some(self.uid.clone())),
                ("creationTimestamp", created.clone()),
                ("updateTimestamp", updated.clone()),
            ]),
            "spec": if items.is_empty() { json!({}) } else { json!({ "items": items }) },
            "status": object([
                ("phase", self.phase.clone()),
                ("progress", self.progress.clone()),
                ("completionTime", self.completion_time.map(go_time)),
            ]),
        })
    }
}

/// The answer that lists these tasks, in their order.
pub fn answer(tasks: &[Task]) -> Value {
    let latest = tasks
        .iter()
        .filter(|task| task.phase.as_deref() == Some("Success") && !task.is_rollback())
        .filter_map(|task| task.completion_time.or(task.update_time))
        .max();
    json!({
        "kind": "List",
        "apiVersion": "v3.1",
        "metadata": {},
        "items": tasks.iter().map(Task::to_json).collect::<Vec<_>>(),
        "status": object([("latestBackupTime", latest.map(go_time))]),
    })
}

fn object<const N: usize>(fields: [(&str, Option<String>); N]) -> Value {
    let fields = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
    Value::Object(fields.collect::<Map<_, _>>())
}

fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        Value::Number(number) => Ok(Some(number.to_string())),
        _ => Err(de::Error::custom("progress must be a string or a number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_has_the_shape_of_the_api_pages_sample() {
        let task = Task::new("87d326f9-46b0-486e-a4ba-1f82ec9315ed", "Running")
            .progress(67)
            .created("2023-11-25T09:03:46.739012Z".parse().unwrap())
            .updated("2023-11-25T09:03:46.739027Z".parse().unwrap())
            .filled(&[], Timestamp::UNIX_EPOCH);
        let expected = json!({
          "kind" : "List",
          "apiVersion" : "v3.1",
          "metadata" : { },
          "items" : [ {
            "kind" : "SnapshotTask",
            "apiVersion" : "v3.1",
            "metadata" : {
              "uid" : "87d326f9-46b0-486e-a4ba-1f82ec9315ed",
              "creationTimestamp" : "2023-11-25 17:03:46.739012 +0800 CST",
              "updateTimestamp" : "2023-11-25 17:03:46.739027 +0800 CST"
            },
            "spec" : { },
            "status" : {
              "phase" : "Running",
              "progress" : "67",
              "completionTime" : "2023-11-25 17:03:46.739027 +0800 CST"
            }
          } ],
          "status" : {}
        });
        assert_eq!(answer(&[task]), expected);
    }

    #[test]
    fn the_latest_backup_is_the_newest_success_and_no_rollback() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let rollback = Item { type_: Some(ROLLBACK.to_owned()), ..Item::default() };
        let tasks = [
            Task::new("a", "Success").completed(at(10)),
            Task::new("b", "Success").completed(at(20)),
            Task::new("c", "Failed").completed(at(30)),
            Task::new("d", "Success").completed(at(40)).item(rollback),
        ];
        assert_eq!(answer(&tasks)["status"]["latestBackupTime"], go_time(at(20)));
    }

    #[test]
    fn a_task_that_is_set_again_keeps_its_creation_time() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let first = Task::new("a", "Running").filled(&[], at(10));
        let second = Task::new("a", "Success").filled(&[first], at(20));
        assert_eq!((second.creation_time, second.update_time), (Some(at(10)), Some(at(20))));
    }

    #[test]
    fn items_take_what_they_do_not_say_from_the_task() {
        let item = Item { message: Some("disk full".to_owned()), ..Item::default() };
        let answer = answer(&[Task::new("a", "Failed").item(item)]);
        let expected = json!([{"id": "a-0", "type": BACKUP, "status": "Failed", "message": "disk full"}]);
        assert_eq!(answer["items"][0]["spec"]["items"], expected);
    }
}
