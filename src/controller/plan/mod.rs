//! Decides what to do for one resource: the status to write, the Events to publish, how often to poll. Pure and total: no
//! I/O, no randomness, and the time is a parameter.
//!
//! The steps are `record → verdict → conditions → events → schedule`; the first is [`crate::task::record`], each other one a
//! file here. [`plan`] takes the resource
//! ([`Input`]) and the newest [`Outcome`] of polling, and returns a [`Plan`]. Planning again from the status that a plan
//! wrote, with the same outcome, gives no write and no Event; so it is harmless to repeat a plan after a crash.

pub mod conditions;
pub mod event;
pub mod events;
mod ready;
pub mod schedule;
pub mod upgrade;
pub mod verdict;

use std::time::Duration;

use jiff::Timestamp;

use crate::api::{ClusterBackupWatchSpec, ClusterBackupWatchStatus, condition};
use crate::cloud::Answer;
use crate::poll::{Cadence, Outcome};
use crate::task::record::Record;

pub use event::Event;

/// The longest echo of a request.
const ECHO_CHARS: usize = 1024;

/// All that a plan depends on.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// `metadata.name`
    pub name: &'a str,
    /// `metadata.uid`
    pub uid: &'a str,
    /// The name under which people know the cluster: the annotation [`crate::api::DISPLAY_NAME`].
    pub display_name: Option<&'a str>,
    /// `metadata.generation`
    pub generation: Option<i64>,
    /// `metadata.creationTimestamp`
    pub created: Option<Timestamp>,
    /// What the user wants.
    pub spec: &'a ClusterBackupWatchSpec,
    /// The status as it was last written.
    pub status: &'a ClusterBackupWatchStatus,
    /// The newest outcome of polling; none where the status already holds it.
    pub outcome: Option<&'a Outcome>,
    /// The newest outcome of listing the upgrades; none where they are not watched, or the status already holds it.
    pub upgrades: Option<&'a crate::upgrade::Outcome>,
    /// The newest answer to a poll, by which an upgrade is judged; none where the status holds all that counts.
    pub listed: Option<&'a Answer>,
    /// The value of the annotation `requestedAt` that this outcome answers. The status holds it as [`echo`] makes it.
    pub request: Option<&'a str>,
    /// The current time.
    pub now: Timestamp,
}

/// What to do for a resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The Events to publish, before the status is written.
    pub events: Vec<Event>,
    /// The status to write; none when the resource already says it.
    pub status: Option<ClusterBackupWatchStatus>,
    /// How often to poll from now on.
    pub cadence: Cadence,
    /// When time alone changes the verdict, if ever.
    pub judge_after: Option<Duration>,
}

impl Plan {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.status.is_none()
    }
}

/// Decides what to do for a resource.
pub fn plan(input: &Input<'_>) -> Plan {
    let old = input.status;
    let record = record(input);
    let ready = ready::ready(input);
    let healthy = verdict::backup_healthy(input, &record, &ready);

    let upgrade = upgrade::judge(input, &record, &ready);

    let mut status = record.status();
    status.upgrade = upgrade.as_ref().and_then(|upgrade| upgrade.status.clone());
    status.observed_generation = conditions::observed_generation(input, &ready);
    status.last_handled_reconcile_at = handled(input).or_else(|| old.last_handled_reconcile_at.clone());
    status.conditions = conditions::build(input, &ready, &healthy, upgrade.as_ref());

    Plan {
        events: events::events(input, &record, upgrade.as_ref(), &status),
        cadence: schedule::cadence(input.spec, record.tasks.as_deref(), input.now),
        judge_after: schedule::judge_after(input, &record),
        status: (says_something(input) && !same(old, &status)).then_some(status),
    }
}

/// The record after the outcome; without an answer it stays as it is.
fn record(input: &Input<'_>) -> Record {
    match input.outcome {
        Some(Outcome::Answer(answer)) if !input.spec.suspend => {
            Record::merge(input.status, answer, input.spec.history_limit, input.now)
        }
        _ => Record::known(input.status, input.now),
    }
}

/// Whether the status is worth writing. Before the first outcome it is not: after a start, thousands of watches wait for
/// their first poll, and each would cost a write that tells nobody anything.
fn says_something(input: &Input<'_>) -> bool {
    let has_verdict = condition::find(&input.status.conditions, condition::types::READY).is_some();
    input.outcome.is_some() || input.spec.suspend || has_verdict
}

/// The request that was handled. Only a poll handles one, whether or not it was answered; while polling is suspended a
/// request waits, so that it is not lost.
fn handled(input: &Input<'_>) -> Option<String> {
    let polled = !input.spec.suspend && input.outcome.is_some();
    input.request.filter(|_| polled).map(echo)
}

/// A value of `requestedAt` as the status echoes it, cut to 1024 characters. An annotation may be longer than the schema of
/// the status allows; a value that could not be echoed would be taken for a new request for ever.
pub fn echo(request: &str) -> String {
    request.chars().take(ECHO_CHARS).collect()
}

/// Whether the two are equal, the order of the conditions and those of foreign types left out: the operator does not write
/// those, so they are no reason for a write.
fn same(old: &ClusterBackupWatchStatus, new: &ClusterBackupWatchStatus) -> bool {
    let mut ours = old.clone();
    ours.conditions.retain(|c| condition::types::ALL.contains(&c.type_.as_str()));
    ours.conditions.sort_by(|a, b| a.type_.cmp(&b.type_));
    let mut new = new.clone();
    new.conditions.sort_by(|a, b| a.type_.cmp(&b.type_));
    ours == new
}

#[cfg(test)]
mod tests;
