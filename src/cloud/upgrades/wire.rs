//! Decodes a list of upgrade workflows, as leniently as any list (see [`crate::cloud::list`]), and bounded while it is
//! read.

use jiff::Timestamp;
use serde::de::SeqAccess;

use super::{Step, Workflow};
use crate::cloud::{
    field::{Lenient, Read, Time, Word, reader},
    list::{self, ListError, MAX_UID, Metadata, MetadataReader},
    newest::{self, Newest, heap_of},
};

/// The most workflows that are kept of an answer: the newest one counts.
const MAX_WORKFLOWS: usize = 64;
/// The most steps that are kept of a workflow, which has five.
const MAX_STEPS: usize = 32;
const MAX_WORD: usize = 64;

/// Decodes the body of a 200 into workflows, newest first, each uid once. Strings in it that are far too long to be used
/// lose their tail.
pub fn decode(body: &mut [u8]) -> Result<Vec<Workflow>, ListError> {
    let length = body.len();
    let mut workflows = list::decode(body, ItemsReader(length))?.items;
    workflows.sort_by_key(|workflow| std::cmp::Reverse(newest::Entry::time(workflow)));
    Ok(workflows)
}

/// Reads the items of an answer of so many bytes.
struct ItemsReader(usize);

impl<'de> Lenient<'de> for ItemsReader {
    type Out = Option<Vec<Workflow>>;

    // Go prints an empty list as null.
    fn null(self) -> Self::Out {
        Some(Vec::new())
    }

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Out, A::Error> {
        let mut newest = Newest::of(self.0, MAX_WORKFLOWS);
        while let Some(entry) = list.next_element_seed(Read(EntryReader))? {
            if let Some(workflow) = entry.and_then(Entry::workflow) {
                newest.push(workflow);
            }
        }
        Ok(Some(newest.finish().0))
    }
}

impl newest::Entry for Workflow {
    fn uid(&self) -> &str {
        &self.uid
    }

    fn time(&self) -> Option<Timestamp> {
        self.creation_time.or(self.update_time)
    }

    /// The later updated one counts, and of two that were updated at once the one that is not over.
    fn supersedes(&self, other: &Self) -> bool {
        let is_over = |w: &Self| matches!(w.phase.as_deref(), Some("Success" | "Cancel"));
        let by_rest = || format!("{other:?}").cmp(&format!("{self:?}"));
        let order = self.update_time.cmp(&other.update_time);
        order.then_with(|| is_over(other).cmp(&is_over(self))).then_with(by_rest).is_gt()
    }

    fn heap(&self) -> usize {
        let step = |step: &Step| heap_of(&[&step.type_, &step.task_id, &step.status]);
        self.uid.capacity()
            + heap_of(&[&self.from_version, &self.to_version, &self.phase])
            + self.steps.capacity() * size_of::<Step>()
            + self.steps.iter().map(step).sum::<usize>()
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
    from_version: Option<String>,
    to_version: Option<String>,
}

#[derive(Default)]
struct Status {
    phase: Option<String>,
    steps: Vec<Step>,
}

impl Entry {
    /// The workflow, where there is a usable uid.
    fn workflow(self) -> Option<Workflow> {
        let metadata = self.metadata?;
        let (spec, status) = (self.spec.unwrap_or_default(), self.status.unwrap_or_default());
        Some(Workflow {
            uid: metadata.uid?,
            creation_time: metadata.creation_time,
            update_time: metadata.update_time,
            from_version: spec.from_version,
            to_version: spec.to_version,
            phase: status.phase,
            steps: status.steps,
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
        "clusterVersion" => from_version: Word(MAX_WORD),
        "targetVersion" => to_version: Word(MAX_WORD),
    }
}

reader! {
    StatusReader makes Status {
        "phase" => phase: Word(MAX_WORD),
        "pointStatuses" => steps: StepsReader,
    }
}

reader! {
    StepReader makes Step {
        "taskType" => type_: Word(MAX_WORD),
        "taskID" => task_id: Word(MAX_UID),
        "status" => status: Word(MAX_WORD),
        "startTimeStamp" => start_time: Time("startTimeStamp"),
        "endTimeStamp" => end_time: Time("endTimeStamp"),
        "expireTimeStamp" => expiry_time: Time("expireTimeStamp"),
    }
}

/// The steps in their order. Where there are too many, those of the upgrade itself and those that did not succeed are kept:
/// a step that is lost must not make an upgrade look protected.
struct StepsReader;

impl<'de> Lenient<'de> for StepsReader {
    type Out = Vec<Step>;

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Step>, A::Error> {
        let mut steps: Vec<Step> = Vec::new();
        while let Some(step) = list.next_element_seed(Read(StepReader))? {
            steps.extend(step);
            if steps.len() > MAX_STEPS {
                steps.sort_by_key(|step| {
                    (step.type_.as_deref() != Some("Cluster"), step.status.as_deref() == Some("Success"))
                });
                steps.truncate(MAX_STEPS);
            }
        }
        steps.shrink_to_fit();
        Ok(steps)
    }
}

#[cfg(test)]
mod tests;
