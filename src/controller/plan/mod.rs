//! The heart: what one look at a watch leads to. Pure and total: no I/O, no clock, no randomness.
//!
//! `record → verdict → conditions → events → schedule`, each in a file of its own. [`plan`] takes what the resource
//! says ([`Input`]) and what the newest poll brought ([`Outcome`]), and returns what is to be written ([`Plan`]). The clock is
//! a parameter. Applying a plan and planning again from its result with the same answer yields no write and no Event;
//! that is what makes a crash between the two harmless.

pub mod conditions;
pub mod events;
pub mod record;
pub mod schedule;
pub mod verdict;

use std::time::Duration;

use jiff::Timestamp;

use crate::api::{ClusterBackupWatchSpec, ClusterBackupWatchStatus, condition};
use crate::poll::{Cadence, Outcome};

pub use events::Event;

/// The longest echo of a request.
const ECHO_CHARS: usize = 1024;

/// All that a plan depends on.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// `metadata.name`
    pub name: &'a str,
    /// `metadata.uid`
    pub uid: &'a str,
    /// `metadata.generation`
    pub generation: Option<i64>,
    /// `metadata.creationTimestamp`
    pub created: Option<Timestamp>,
    /// What the user wants.
    pub spec: &'a ClusterBackupWatchSpec,
    /// What the resource says so far.
    pub status: &'a ClusterBackupWatchStatus,
    /// What the newest poll brought; none where there is nothing that the status does not say already.
    pub outcome: Option<&'a Outcome>,
    /// The value of the annotation `requestedAt` that this poll honours; compare with the status through [`echo`].
    pub request: Option<&'a str>,
    /// The current time.
    pub now: Timestamp,
}

/// What is to be done.
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

/// Decides what one look at a watch leads to.
pub fn plan(input: &Input<'_>) -> Plan {
    let old = input.status;
    let record = record::Record::of(input);
    let ready = verdict::ready(input);
    let healthy = verdict::backup_healthy(input, &record, &ready);

    let mut status = record.status();
    status.observed_generation = conditions::observed_generation(input, &ready);
    status.last_handled_reconcile_at = handled(input).or_else(|| old.last_handled_reconcile_at.clone());
    status.conditions = conditions::build(input, &ready, &healthy);

    Plan {
        events: events::events(input, &record, &status),
        cadence: schedule::cadence(input.spec, record.tasks.as_deref(), input.now),
        judge_after: schedule::judge_after(input, &record),
        status: (says_something(input) && !same(old, &status)).then_some(status),
    }
}

/// Whether there is anything to say. Before the first outcome there is not: thousands of watches that wait for their turn
/// would each cost a write that says nothing.
fn says_something(input: &Input<'_>) -> bool {
    let has_verdict = condition::find(&input.status.conditions, condition::types::READY).is_some();
    input.outcome.is_some() || input.spec.suspend || has_verdict
}

/// The request that this look has handled: it takes a poll, answered or not, so that none is lost to a suspension.
fn handled(input: &Input<'_>) -> Option<String> {
    let polled = !input.spec.suspend && input.outcome.is_some();
    input.request.filter(|_| polled).map(echo)
}

/// A value of `requestedAt` as the status echoes it. An annotation may be longer than a status should be, and one that
/// could not be echoed would poll forever.
pub fn echo(request: &str) -> String {
    request.chars().take(ECHO_CHARS).collect()
}

/// Whether the resource already says all of `new`. Conditions of other owners are left out of the comparison: they are
/// neither ours to write nor a reason to write.
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
