//! One Event: its name, and its note within the limit. Pure.

use sha2::{Digest, Sha256};

use super::Input;
use crate::api::{EventReason, reason::EventType};
use crate::cloud::text::clean;

/// The longest note in bytes; the API server takes 1 kB.
const NOTE_BYTES: usize = 1000;
/// The longest name of a cluster in a note.
const DISPLAY_CHARS: usize = 64;

/// An Event to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The name of the Event object.
    pub name: String,
    /// Whether it is of type Warning, else Normal.
    pub warning: bool,
    /// Its reason.
    pub reason: &'static str,
    /// What it says.
    pub note: String,
}

impl Event {
    /// An Event whose name is derived from its reason and `key` (the task, then the milestone). Its note has the name under which
    /// people know the cluster, then `before`, `what`, which is cut where there is no room, and `after`.
    pub(super) fn new(
        input: &Input<'_>,
        reason: EventReason,
        key: &[&str],
        before: &str,
        what: &str,
        after: &str,
    ) -> Self {
        let warning = reason.event_type() == EventType::Warning;
        let reason = reason.as_str();
        let display = input.display_name.map(|name| clean(name.trim(), DISPLAY_CHARS)).unwrap_or_default();
        let display = if display.is_empty() { display } else { format!("{display}: ") };
        let room = NOTE_BYTES.saturating_sub(display.len() + before.len() + after.len());
        let note = format!("{display}{before}{}{after}", cut(what, room));
        Self { name: name(input, reason, key), warning, reason, note }
    }
}

/// `NAME.HASH`, as Kubernetes names Events; a long name is cut, so that the whole is a valid name.
fn name(input: &Input<'_>, reason: &str, key: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in [input.uid, reason].iter().chain(key) {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let hash = hex::encode(&hash.finalize()[..10]);
    let room = 253 - 1 - hash.len();
    let prefix = input.name.get(..room).unwrap_or(input.name).trim_end_matches(['.', '-']);
    format!("{prefix}.{hash}")
}

/// The text, cut to `max` bytes between two characters; the last one is `…` where something was cut.
fn cut(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let end = (0..=max.saturating_sub('…'.len_utf8())).rev().find(|at| text.is_char_boundary(*at));
    format!("{}…", &text[..end.unwrap_or_default()])
}
