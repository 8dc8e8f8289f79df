//! Scenarios: what the tasks of each cluster do over time.
//!
//! Playing is pure: a [`Script`] and the time since the start give the tasks. Reading the YAML form, with all the
//! checks, is left to [`mod@file`], and the clock to `state`.

mod error;
pub mod file;
pub mod recording;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

pub use self::error::ScenarioError;
use self::recording::Recording;
use crate::{
    cluster::Listed,
    task::{Item, Task},
    uid::made_uid,
    upgrade,
};

/// The id that stands for every cluster that has no entry of its own.
pub const ANY_CLUSTER: &str = "*";

/// At most so many tasks are listed where a cluster does not say how many.
const DEFAULT_KEEP: usize = 20;

/// What each cluster does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// By cluster id, or [`ANY_CLUSTER`].
    pub clusters: BTreeMap<String, Script>,
    /// What requests for tasks get instead.
    #[serde(skip)]
    pub recording: Option<Arc<Recording>>,
}

/// What one cluster does.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Script {
    /// At most this many tasks are listed, the newest.
    pub keep: usize,
    /// One for each task, or for each row of tasks that repeats.
    #[serde(rename = "tasks")]
    pub timelines: Vec<Timeline>,
    /// What a backup does that a request starts.
    pub on_backup: Option<Vec<Step>>,
    /// Its upgrades.
    pub upgrades: Vec<upgrade::Script>,
    /// How every project lists it.
    pub listed: Option<Listed>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            keep: DEFAULT_KEEP,
            timelines: Vec::new(),
            on_backup: None,
            upgrades: Vec::new(),
            listed: None,
        }
    }
}

/// What one task does, once or again and again.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Timeline {
    /// When the task is created, counted from the start; negative: before it.
    pub at: SignedDuration,
    /// When the next one is created, counted from the one before.
    pub repeat_every: Option<SignedDuration>,
    /// The task's uid; made from cluster and time when absent.
    pub uid: Option<String>,
    /// When the task is no longer listed, counted from its creation.
    pub gone_after: Option<SignedDuration>,
    /// In the order of time; the first at zero.
    pub steps: Vec<Step>,
}

/// The state of a task from one moment until the next step.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// Counted from the creation of the task.
    #[serde(default)]
    pub after: SignedDuration,
    /// The task's phase.
    pub phase: String,
    /// 0 to 100; grows evenly to that of the next step where both have one.
    pub progress: Option<i64>,
    /// The task's items from here on; `None`: those of the step before.
    pub items: Option<Vec<Item>>,
}

/// A task as it is at one moment. All times are counted from the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment<'a> {
    /// The timeline it belongs to, by its place.
    pub timeline: usize,
    /// The uid that the timeline gives.
    pub uid: Option<&'a str>,
    /// When it was created.
    pub created: SignedDuration,
    /// When phase or progress last changed.
    pub updated: SignedDuration,
    /// Its phase.
    pub phase: &'a str,
    /// Its progress.
    pub progress: Option<i64>,
    /// Its items.
    pub items: &'a [Item],
}

impl Script {
    /// The tasks at a time counted from the start, the newest first.
    pub fn play(&self, elapsed: SignedDuration) -> Vec<Moment<'_>> {
        let mut moments: Vec<_> = self
            .timelines
            .iter()
            .enumerate()
            .flat_map(|(index, timeline)| {
                timeline
                    .creations(elapsed, self.keep)
                    .filter_map(move |created| timeline.moment(index, created, elapsed))
            })
            .collect();
        moments.sort_by_key(|moment| std::cmp::Reverse(moment.created));
        moments.truncate(self.keep);
        moments
    }
}

impl Timeline {
    /// When its tasks were created up to `elapsed`; if they are many, only the last `keep`.
    fn creations(
        &self,
        elapsed: SignedDuration,
        keep: usize,
    ) -> impl Iterator<Item = SignedDuration> + use<> {
        let (at, every) = (self.at, self.repeat_every.unwrap_or_default());
        let since = elapsed.saturating_sub(at);
        let last = if since.is_negative() {
            None
        } else {
            Some(
                since
                    .as_millis()
                    .checked_div(every.as_millis())
                    .map_or(0, |n| i32::try_from(n).unwrap_or(i32::MAX)),
            )
        };
        let keep = i32::try_from(keep).unwrap_or(i32::MAX);
        last.into_iter()
            .flat_map(move |last| (last.saturating_sub(keep).saturating_add(1)).max(0)..=last)
            .map(move |n| at.saturating_add(every.saturating_mul(n)))
    }

    fn moment(
        &self,
        timeline: usize,
        created: SignedDuration,
        elapsed: SignedDuration,
    ) -> Option<Moment<'_>> {
        let age = elapsed.saturating_sub(created);
        if self.gone_after.is_some_and(|gone| age >= gone) {
            return None;
        }
        let current = self.steps.iter().rposition(|step| step.after <= age)?;
        let step = &self.steps[current];
        let (progress, changed) = match self.steps.get(current + 1) {
            Some(next) => step.progress_towards(next, age),
            None => (step.progress, step.after),
        };
        let items =
            self.steps[..=current].iter().rev().find_map(|step| step.items.as_deref()).unwrap_or_default();
        Some(Moment {
            timeline,
            uid: self.uid.as_deref(),
            created,
            updated: created.saturating_add(changed),
            phase: &step.phase,
            progress,
            items,
        })
    }
}

impl Step {
    /// The progress at an age between this step and the next, and the age at which it was reached.
    fn progress_towards(&self, next: &Step, age: SignedDuration) -> (Option<i64>, SignedDuration) {
        let (Some(from), Some(to)) = (self.progress, next.progress) else {
            return (self.progress, self.after);
        };
        let span = next.after.saturating_sub(self.after).as_millis();
        let gone = age.saturating_sub(self.after).as_millis();
        let way = i128::from(to) - i128::from(from);
        if way == 0 || span <= 0 {
            return (Some(from), self.after);
        }
        // Whole percents only, rounded towards the start, so that the next step's value comes with the next step.
        let percent = way * gone / span;
        let reached = (percent.abs() * span + way.abs() - 1) / way.abs();
        let progress = i64::try_from(i128::from(from) + percent).unwrap_or(from);
        let reached = SignedDuration::from_millis(i64::try_from(reached).unwrap_or(0));
        (Some(progress), self.after.saturating_add(reached))
    }
}

impl Moment<'_> {
    /// The task to list, for a scenario that started at `epoch`.
    pub fn task(&self, cluster: &str, epoch: Timestamp) -> Task {
        let time = |offset: SignedDuration| epoch.checked_add(offset).unwrap_or(epoch);
        let updated = Some(time(self.updated));
        Task {
            uid: self.uid.map_or_else(|| self.made_uid(cluster, epoch), str::to_owned),
            phase: Some(self.phase.to_owned()),
            progress: self.progress.map(|progress| progress.to_string()),
            creation_time: Some(time(self.created)),
            update_time: updated,
            // As in the API page's sample, where a Running task has one: a client that trusts it is found out by its
            // tests.
            completion_time: updated,
            items: self.items.to_vec(),
        }
    }

    /// The same task has the same uid in each answer, and another one after the scenario is started again.
    fn made_uid(&self, cluster: &str, epoch: Timestamp) -> String {
        made_uid(&format!("{cluster}/{}/{}/{}", self.timeline, self.created, epoch))
    }
}
