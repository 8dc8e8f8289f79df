//! Decodes an answer of the snapshot-task API leniently: every field may be absent or of any JSON type.
//!
//! A field of the wrong type is left out, and the rest of the answer is used. Only an answer without a list of tasks is
//! an error, because taking it for an empty list would report that there is no backup. The result is bounded, however
//! large the answer is, and so is the memory that decoding takes: with the answer itself at most four times its size.
//! What the tasks mean is left to `controller::plan`.

use jiff::Timestamp;
use serde::de::{MapAccess, SeqAccess};

use super::{
    Answer, Item, Task,
    bound::bound,
    field::{self, Allowance, Fields, Is, Lenient, Progress, Read, ShortWord, Time, Word, push, reader},
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
    /// More tasks or parts than any list of its size has: each of them is next to empty.
    #[error("the answer lists too many empty tasks")]
    TooMany,
}

/// Decodes the body of a 200. Strings in it that are far too long to be used lose their tail.
pub fn decode(body: &mut [u8]) -> Result<Answer, WireError> {
    // What is skipped is not checked by the decoder.
    if std::str::from_utf8(body).is_err() || bound(body).is_err() {
        return Err(WireError::NotJson);
    }
    let allowance = Allowance::of(body.len());
    let list = field::read(body, ListReader(&allowance))
        .map_err(|_| if allowance.is_used_up() { WireError::TooMany } else { WireError::NotJson })?;
    let list = list.ok_or(WireError::NotAnObject)?;
    if list.is_error {
        return Err(WireError::ErrorBody);
    }
    let Items { tasks, left_out } = match list.items {
        Some(items) => items.ok_or(WireError::NoList)?,
        None if list.is_list => Items::default(),
        None => return Err(WireError::NoList),
    };
    Ok(Answer { tasks: newest(distinct(tasks)), latest_backup_time: list.latest_backup_time, left_out })
}

/// What is read of an answer.
#[derive(Default)]
struct List {
    is_error: bool,
    is_list: bool,
    /// Absent, something else than a list, or a list.
    items: Option<Option<Items>>,
    latest_backup_time: Option<Timestamp>,
}

struct ListReader<'a>(&'a Allowance);

impl<'de> Lenient<'de> for ListReader<'_> {
    type Out = Option<List>;

    fn object<A: MapAccess<'de>>(self, mut object: Fields<A>) -> Result<Option<List>, A::Error> {
        let (mut list, mut codes) = (List::default(), [false; 2]);
        while let Some(key) = object.key()? {
            match key.as_str() {
                "errorCode" => codes[0] = object.read(Is(|code| !code.is_empty()))?,
                "error_code" => codes[1] = object.read(Is(|code| !code.is_empty()))?,
                "kind" => list.is_list = object.read(Is(|kind| kind == "List"))?,
                "items" => list.items = Some(object.read(ItemsReader(self.0))?),
                "status" => {
                    list.latest_backup_time =
                        object.read(ListStatusReader)?.and_then(|status| status.latest_backup_time);
                }
                _ => object.skip()?,
            }
        }
        list.is_error = codes.contains(&true);
        Ok(Some(list))
    }
}

#[derive(Default)]
struct ListStatus {
    latest_backup_time: Option<Timestamp>,
}

reader! {
    ListStatusReader makes ListStatus {
        "latestBackupTime" => latest_backup_time: Time("latestBackupTime"),
    }
}

/// The tasks of an answer as they stand there, and how many entries are none.
#[derive(Default)]
struct Items {
    tasks: Vec<Task>,
    left_out: usize,
}

struct ItemsReader<'a>(&'a Allowance);

impl<'de> Lenient<'de> for ItemsReader<'_> {
    type Out = Option<Items>;

    // Go prints an empty list as null.
    fn null(self) -> Option<Items> {
        Some(Items::default())
    }

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<Option<Items>, A::Error> {
        let mut items = Items::default();
        while let Some(task) = list.next_element_seed(Read(EntryReader))? {
            let Some(task) = task.and_then(Entry::task) else {
                items.left_out += 1;
                continue;
            };
            self.0.take(size(&task))?;
            push(&mut items.tasks, task);
        }
        Ok(Some(items))
    }
}

/// What a task takes in memory.
fn size(task: &Task) -> usize {
    let item = |item: &Item| {
        [&item.id, &item.type_, &item.status, &item.message]
            .map(|text| Allowance::string(text.as_ref()))
            .iter()
            .sum::<usize>()
    };
    size_of::<Task>()
        + Allowance::string(Some(&task.uid))
        + Allowance::string(task.phase.as_ref())
        + task.items.capacity() * size_of::<Item>()
        + task.items.iter().map(item).sum::<usize>()
}

/// Each uid once, at the first of its places, with the task that changed last.
fn distinct(mut tasks: Vec<Task>) -> Vec<Task> {
    let mut by_uid: Vec<usize> = (0..tasks.len()).collect();
    by_uid.sort_by(|a, b| tasks[*a].uid.cmp(&tasks[*b].uid));
    let mut is_first = vec![false; tasks.len()];
    let mut swaps = Vec::new();
    for places in by_uid.chunk_by(|a, b| tasks[*a].uid == tasks[*b].uid) {
        let later = |best: usize, next: usize| {
            if last_change(&tasks[next]) > last_change(&tasks[best]) { next } else { best }
        };
        let first = places[0];
        is_first[first] = true;
        swaps.push((first, places.iter().copied().fold(first, later)));
    }
    for (first, counts) in swaps {
        tasks.swap(first, counts);
    }
    let mut is_first = is_first.into_iter();
    tasks.retain(|_| is_first.next() == Some(true));
    tasks
}

/// At most [`MAX_TASKS`] tasks, in their order: the newest.
fn newest(mut tasks: Vec<Task>) -> Vec<Task> {
    if tasks.len() > MAX_TASKS {
        let mut times: Vec<_> = tasks.iter().map(|t| t.creation_time).collect();
        times.sort_unstable_by(|a, b| b.cmp(a));
        let oldest_kept = times[MAX_TASKS - 1];
        tasks.retain(|t| t.creation_time >= oldest_kept);
        tasks.truncate(MAX_TASKS);
    }
    tasks
}

/// The key by which the later of two tasks with one uid is chosen. The API promises no order of the answer, so the
/// order must not matter: two tasks with the same times are told apart by phase and progress, and the one that is no
/// success counts.
fn last_change(task: &Task) -> (Option<Timestamp>, Option<Timestamp>, bool, Option<u8>) {
    (task.update_time, task.completion_time, task.phase.as_deref() != Some("Success"), task.progress)
}

#[derive(Default)]
struct Entry {
    metadata: Option<Metadata>,
    spec: Option<Spec>,
    status: Option<Status>,
}

#[derive(Default)]
struct Metadata {
    uid: Option<String>,
    creation_time: Option<Timestamp>,
    update_time: Option<Timestamp>,
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
    MetadataReader makes Metadata {
        "uid" => uid: ShortWord(MAX_UID),
        "creationTimestamp" => creation_time: Time("creationTimestamp"),
        "updateTimestamp" => update_time: Time("updateTimestamp"),
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
