//! Decodes an answer of the snapshot-task API into tasks, as leniently as any list (see [`super::list`]).
//!
//! The result is bounded, however large the answer is, and so is the memory that decoding takes. What the tasks mean is
//! left to `controller::plan`.

use jiff::Timestamp;
use serde::de::SeqAccess;

use super::{
    Answer, Item, Task,
    field::{Lenient, Progress, Read, Time, Word, reader},
    list::{self, List, MAX_UID, Metadata, MetadataReader},
    newest::{self, Newest, heap_of},
};

pub use super::list::ListError;

/// The most tasks that are taken from one answer: far more than the cloud keeps, and still cheap to plan with.
const MAX_TASKS: usize = 2_000;
/// The most parts that are taken from one task.
const MAX_ITEMS: usize = 32;
const MAX_WORD: usize = 64;
const MAX_MESSAGE: usize = 256;

/// Decodes the body of a 200. Strings in it that are far too long to be used lose their tail.
pub fn decode(body: &mut [u8]) -> Result<Answer, ListError> {
    let length = body.len();
    let List { items: Items { tasks, left_out, dropped }, latest_backup_time } =
        list::decode(body, ItemsReader(length))?;
    Ok(Answer { tasks, latest_backup_time, left_out, dropped })
}

/// The tasks of an answer, how many entries are none, and how many were too many.
#[derive(Default)]
struct Items {
    tasks: Vec<Task>,
    left_out: usize,
    dropped: usize,
}

/// Reads the items of an answer of so many bytes.
struct ItemsReader(usize);

impl<'de> Lenient<'de> for ItemsReader {
    type Out = Option<Items>;

    // Go prints an empty list as null.
    fn null(self) -> Option<Items> {
        Some(Items::default())
    }

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<Option<Items>, A::Error> {
        let mut newest = Newest::of(self.0, MAX_TASKS);
        let mut left_out = 0;
        while let Some(task) = list.next_element_seed(Read(EntryReader))? {
            match task.and_then(Entry::task) {
                Some(task) => newest.push(task),
                None => left_out += 1,
            }
        }
        let (tasks, dropped) = newest.finish();
        Ok(Some(Items { tasks, left_out, dropped }))
    }
}

impl newest::Entry for Task {
    fn uid(&self) -> &str {
        &self.uid
    }

    fn time(&self) -> Option<Timestamp> {
        self.creation_time
    }

    /// The API promises no order of the answer, so the order must not matter: two tasks with the same times are told apart
    /// by phase and progress, and the one that is no success counts.
    fn supersedes(&self, other: &Self) -> bool {
        let last_change = |task: &Self| {
            let is_no_success = task.phase.as_deref() != Some("Success");
            (task.update_time, task.completion_time, is_no_success, task.progress)
        };
        last_change(self) > last_change(other)
    }

    fn heap(&self) -> usize {
        let item = |item: &Item| heap_of(&[&item.id, &item.type_, &item.status, &item.message]);
        self.uid.capacity()
            + heap_of(&[&self.phase])
            + self.items.capacity() * size_of::<Item>()
            + self.items.iter().map(item).sum::<usize>()
    }
}

#[derive(Default)]
struct Entry {
    metadata: Option<Metadata>,
    spec: Option<Spec>,
    status: Option<Status>,
}

#[derive(Default)]
struct Spec {
    items: Vec<Item>,
}

#[derive(Default)]
struct Status {
    phase: Option<String>,
    progress: Option<u8>,
    completion_time: Option<Timestamp>,
}

impl Entry {
    /// The task, where there is a usable uid.
    fn task(self) -> Option<Task> {
        let (metadata, status) = (self.metadata?, self.status.unwrap_or_default());
        Some(Task {
            uid: metadata.uid?,
            phase: status.phase,
            progress: status.progress,
            creation_time: metadata.creation_time,
            update_time: metadata.update_time,
            completion_time: status.completion_time,
            items: self.spec.unwrap_or_default().items,
        })
    }
}

reader! {
    EntryReader makes Entry {
        "metadata" => metadata: MetadataReader,
        "spec" => spec: SpecReader,
        "status" => status: StatusReader,
    }
}

reader! {
    SpecReader makes Spec {
        "items" => items: PartsReader,
    }
}

reader! {
    StatusReader makes Status {
        "phase" => phase: Word(MAX_WORD),
        "progress" => progress: Progress,
        "completionTime" => completion_time: Time("completionTime"),
    }
}

reader! {
    PartReader makes Item {
        "id" => id: Word(MAX_UID),
        "type" => type_: Word(MAX_WORD),
        "status" => status: Word(MAX_WORD),
        "creationTimestamp" => creation_time: Time("creationTimestamp"),
        "updateTimestamp" => update_time: Time("updateTimestamp"),
        "message" => message: Word(MAX_MESSAGE),
    }
}

/// The parts of a task in their order. Where there are too many, the rollbacks and the failed ones are kept: they
/// decide whether the task is a backup, and say why it failed.
struct PartsReader;

impl<'de> Lenient<'de> for PartsReader {
    type Out = Vec<Item>;

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Item>, A::Error> {
        let mut items: Vec<Item> = Vec::new();
        while let Some(item) = list.next_element_seed(Read(PartReader))? {
            items.extend(item);
            if items.len() > MAX_ITEMS {
                items.sort_by_key(|item| match (item.type_.as_deref(), item.status.as_deref()) {
                    (Some("master-backup-rollback"), _) => 0,
                    (_, Some("Failed")) => 1,
                    _ => 2,
                });
                items.truncate(MAX_ITEMS);
            }
        }
        items.shrink_to_fit();
        Ok(items)
    }
}

#[cfg(test)]
mod tests;
