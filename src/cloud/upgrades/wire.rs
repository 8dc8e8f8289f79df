//! Decodes a list of upgrade workflows: typed, unknown fields skipped, and bounded while it reads, so that no shape of an
//! answer takes much more memory than its bytes.

use std::fmt;
use std::marker::PhantomData;

use jiff::Timestamp;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

use super::{Step, Workflow};
use crate::cloud::{text::clean, time::parse_go_time};

/// The most workflows that are kept of an answer: the newest one counts.
const MAX_WORKFLOWS: usize = 64;
/// The most steps that are kept of a workflow, which has five.
const MAX_STEPS: usize = 32;
const MAX_UID: usize = 128;
const MAX_WORD: usize = 64;

/// An answer that is no list of workflows. No message repeats any of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// Not a JSON object, or nested too deeply, or a field twice.
    #[error("the answer is no JSON object")]
    NotJson,
    /// An error code where there should be workflows.
    #[error("the answer is an error in the shape of a success")]
    ErrorBody,
    /// `items` neither an array nor null, or absent from something that is no List.
    #[error("the answer is no list of upgrades")]
    NoList,
}

/// Decodes the body of a 200 into workflows, each uid once.
pub fn decode(body: &[u8]) -> Result<Vec<Workflow>, ListError> {
    let Any(answer) = serde_json::from_slice::<Any<RawList>>(body).map_err(|_| ListError::NotJson)?;
    let answer = answer.ok_or(ListError::NotJson)?;
    if [&answer.error_code, &answer.error_code_of_the_gateway].into_iter().any(|code| text(code).is_some()) {
        return Err(ListError::ErrorBody);
    }
    match answer.items {
        Some(Items::Workflows(workflows)) => Ok(newest(workflows, MAX_WORKFLOWS)),
        // Go prints an empty list as null.
        Some(Items::Null) => Ok(Vec::new()),
        None if text(&answer.kind) == Some("List") => Ok(Vec::new()),
        Some(Items::Other) | None => Err(ListError::NoList),
    }
}

/// The newest workflows, newest first, each uid once. Of two with one uid the later updated one counts, and of two that
/// were updated at once the one that is not over: the order of the answer decides nothing.
fn newest(mut workflows: Vec<Workflow>, max: usize) -> Vec<Workflow> {
    let is_over = |w: &Workflow| matches!(w.phase.as_deref(), Some("Success" | "Cancel"));
    workflows.sort_by(|a, b| {
        let by_update = || b.update_time.cmp(&a.update_time);
        let by_rest = || format!("{a:?}").cmp(&format!("{b:?}"));
        a.uid.cmp(&b.uid).then_with(by_update).then_with(|| is_over(a).cmp(&is_over(b))).then_with(by_rest)
    });
    workflows.dedup_by(|later, first| later.uid == first.uid);
    workflows.sort_by_key(|w| std::cmp::Reverse(w.creation_time.or(w.update_time)));
    workflows.truncate(max);
    workflows
}

/// A value of one type, or nothing where the JSON has another one.
struct Any<T>(Option<T>);

impl<T> Default for Any<T> {
    fn default() -> Self {
        Self(None)
    }
}

/// Reads and drops what is of another type than the one that is looked for.
macro_rules! of_another_type {
    ($value:ty, $nothing:expr, [$($method:ident: $type:ty),*]) => {
        $(fn $method<E>(self, _: $type) -> Result<$value, E> { Ok($nothing) })*
    };
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Any<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
            type Value = Any<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Any<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|value| Any(Some(value)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Any<T>, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Any(None))
            }

            fn visit_unit<E>(self) -> Result<Any<T>, E> {
                Ok(Any(None))
            }

            of_another_type!(Any<T>, Any(None), [visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str]);
        }
        deserializer.deserialize_any(Object(PhantomData))
    }
}

/// A text, cut to [`MAX_TEXT`] bytes; nothing where the JSON has no text, or an empty one.
#[derive(Default)]
struct Text(Option<String>);

/// Far more bytes than any text that is kept has.
const MAX_TEXT: usize = 1024;

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Word;
        impl<'de> Visitor<'de> for Word {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                let end = (0..=text.len().min(MAX_TEXT)).rev().find(|at| text.is_char_boundary(*at));
                let text = &text[..end.unwrap_or_default()];
                Ok(Text((!text.is_empty()).then(|| text.to_owned())))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Text(None))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Text, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Text(None))
            }

            fn visit_unit<E>(self) -> Result<Text, E> {
                Ok(Text(None))
            }

            of_another_type!(Text, Text(None), [visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64]);
        }
        deserializer.deserialize_any(Word)
    }
}

fn text(text: &Text) -> Option<&str> {
    text.0.as_deref()
}

fn word(field: &Text, max: usize) -> Option<String> {
    text(field).map(|text| clean(text, max))
}

fn time(field: &Text) -> Option<Timestamp> {
    parse_go_time(text(field)?)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawList {
    kind: Text,
    #[serde(rename = "errorCode")]
    error_code: Text,
    #[serde(rename = "error_code")]
    error_code_of_the_gateway: Text,
    #[serde(deserialize_with = "present")]
    items: Option<Items>,
}

/// The field is there, whatever its value; by itself an `Option` reads null as absent.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Items>, D::Error> {
    Items::deserialize(deserializer).map(Some)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawWorkflow {
    metadata: Any<RawMetadata>,
    spec: Any<RawSpec>,
    status: Any<RawStatus>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawMetadata {
    uid: Text,
    creation_timestamp: Text,
    update_timestamp: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawSpec {
    cluster_version: Text,
    target_version: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawStatus {
    phase: Text,
    point_statuses: Steps,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawStep {
    #[serde(rename = "taskType")]
    type_: Text,
    #[serde(rename = "taskID")]
    task_id: Text,
    status: Text,
    #[serde(rename = "startTimeStamp")]
    start: Text,
    #[serde(rename = "endTimeStamp")]
    end: Text,
    #[serde(rename = "expireTimeStamp")]
    expiry: Text,
}

fn workflow(raw: RawWorkflow) -> Option<Workflow> {
    let metadata = raw.metadata.0?;
    let uid = text(&metadata.uid).filter(|uid| uid.chars().take(MAX_UID + 1).count() <= MAX_UID)?;
    let (spec, status) = (raw.spec.0.unwrap_or_default(), raw.status.0.unwrap_or_default());
    Some(Workflow {
        uid: clean(uid, MAX_UID),
        creation_time: time(&metadata.creation_timestamp),
        update_time: time(&metadata.update_timestamp),
        from_version: word(&spec.cluster_version, MAX_WORD),
        to_version: word(&spec.target_version, MAX_WORD),
        phase: word(&status.phase, MAX_WORD),
        steps: bounded(status.point_statuses.0),
    })
}

fn step(raw: &RawStep) -> Step {
    Step {
        type_: word(&raw.type_, MAX_WORD),
        task_id: word(&raw.task_id, MAX_UID),
        status: word(&raw.status, MAX_WORD),
        start_time: time(&raw.start),
        end_time: time(&raw.end),
        expiry_time: time(&raw.expiry),
    }
}

/// The steps in their order. Where there are too many, those of the upgrade itself and those that did not succeed are kept:
/// a step that is lost must not make an upgrade look protected.
fn bounded(mut steps: Vec<Step>) -> Vec<Step> {
    if steps.len() > MAX_STEPS {
        steps.sort_by_key(|step| {
            (step.type_.as_deref() != Some("Cluster"), step.status.as_deref() == Some("Success"))
        });
        steps.truncate(MAX_STEPS);
    }
    steps
}

/// The field `items`.
enum Items {
    Workflows(Vec<Workflow>),
    Null,
    Other,
}

impl<'de> Deserialize<'de> for Items {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Items;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of workflows")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Items, A::Error> {
                let mut workflows = Vec::new();
                while let Some(Any(raw)) = seq.next_element::<Any<RawWorkflow>>()? {
                    workflows.extend(raw.and_then(workflow));
                    if workflows.len() >= 2 * MAX_WORKFLOWS {
                        workflows = newest(workflows, MAX_WORKFLOWS);
                    }
                }
                Ok(Items::Workflows(workflows))
            }

            fn visit_unit<E>(self) -> Result<Items, E> {
                Ok(Items::Null)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Items, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Items::Other)
            }

            of_another_type!(Items, Items::Other, [visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str]);
        }
        deserializer.deserialize_any(List)
    }
}

/// The field `pointStatuses`; empty where it is no list.
#[derive(Default)]
struct Steps(Vec<Step>);

impl<'de> Deserialize<'de> for Steps {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Steps;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of steps")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Steps, A::Error> {
                let mut steps = Vec::new();
                while let Some(Any(raw)) = seq.next_element::<Any<RawStep>>()? {
                    steps.extend(raw.as_ref().map(step));
                    if steps.len() >= 2 * MAX_STEPS {
                        steps = bounded(steps);
                    }
                }
                Ok(Steps(steps))
            }

            fn visit_unit<E>(self) -> Result<Steps, E> {
                Ok(Steps::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Steps, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Steps::default())
            }

            of_another_type!(Steps, Steps::default(), [visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str]);
        }
        deserializer.deserialize_any(List)
    }
}

#[cfg(test)]
mod tests;
