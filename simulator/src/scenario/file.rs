//! The YAML form of a scenario, read strictly: a value that makes no sense is refused with its place in the file.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use jiff::SignedDuration;
use serde::Deserialize;

use super::{ANY_CLUSTER, Scenario, ScenarioError, Script, Step, Timeline, recording::Recording};
use crate::{cluster::Cluster, task::Item, upgrade};

/// The scenario that plays when no other is given.
pub const DEFAULT: &str = include_str!("../../scenarios/default.yaml");

/// A time further from the start than this is taken for a mistake.
const MAX_OFFSET: SignedDuration = SignedDuration::from_hours(366 * 24);
const MIN_OFFSET: SignedDuration = SignedDuration::from_hours(-366 * 24);
const MIN_REPEAT: SignedDuration = SignedDuration::from_secs(1);
const MAX_CLUSTERS: usize = 20_000;
const MAX_TASKS: usize = 1_000;
const MAX_STEPS: usize = 200;
const MAX_UPGRADES: usize = 100;
const MAX_ITEMS: usize = 100;
const MAX_TEXT: usize = 10_000;
const DEFAULT_KEEP: usize = 20;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ScenarioFile {
    clusters: BTreeMap<String, ClusterEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ClusterEntry {
    keep: Option<usize>,
    #[serde(default)]
    tasks: Vec<TaskEntry>,
    on_backup: Option<Vec<StepEntry>>,
    listed: Option<ListedEntry>,
    #[serde(default)]
    upgrades: Vec<upgrade::Script>,
}

/// How a cluster stands in the list of clusters; its id is the key of the entry.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ListedEntry {
    name: String,
    alias: Option<String>,
    version: Option<String>,
    phase: Option<String>,
    #[serde(default)]
    autopilot: bool,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TaskEntry {
    at: SignedDuration,
    repeat_every: Option<SignedDuration>,
    uid: Option<String>,
    gone_after: Option<SignedDuration>,
    steps: Vec<StepEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StepEntry {
    #[serde(default)]
    after: SignedDuration,
    phase: String,
    progress: Option<i64>,
    items: Option<Vec<Item>>,
}

impl Scenario {
    /// The built-in scenario: one backup that succeeds and one that fails, on any cluster.
    pub fn built_in() -> Result<Self, ScenarioError> {
        Self::from_yaml(DEFAULT)
    }

    /// Reads a file: the YAML form, or a recording.
    pub fn from_file(path: &Path) -> Result<Self, ScenarioError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ScenarioError::Read { path: path.display().to_string(), source })?;
        if Recording::is(&text) {
            return Ok(Self { recording: Some(Arc::new(Recording::read(&text)?)), ..Self::default() });
        }
        Self::from_yaml(&text)
    }

    /// Reads the YAML form.
    pub fn from_yaml(text: &str) -> Result<Self, ScenarioError> {
        let file: ScenarioFile =
            serde_saphyr::from_str(text).map_err(|error| ScenarioError::Form(error.to_string()))?;
        check("clusters", within(file.clusters.len(), 0, MAX_CLUSTERS, "clusters"))?;
        let mut scenario = Self::default();
        for (id, mut entry) in file.clusters {
            let place = format!("clusters.{id}");
            check(&place, text_within(&id, 128))?;
            if let Some(listed) = entry.listed.take() {
                scenario.listed.push(listed.cluster(&id, &format!("{place}.listed"))?);
            }
            let upgrades = std::mem::take(&mut entry.upgrades);
            check(&format!("{place}.upgrades"), within(upgrades.len(), 0, MAX_UPGRADES, "upgrades"))?;
            for (index, script) in upgrades.iter().enumerate() {
                let place = format!("{place}.upgrades[{index}]");
                check(&format!("{place}.at"), offset(script.at, MIN_OFFSET))?;
                check(&place, within(script.changes.len(), 0, MAX_STEPS, "changes"))?;
                check(&place, script.check())?;
            }
            if !upgrades.is_empty() {
                scenario.upgrades.insert(id.clone(), upgrades);
            }
            scenario.clusters.insert(id, Arc::new(entry.script(&place)?));
        }
        Ok(scenario)
    }
}

impl ClusterEntry {
    fn script(self, place: &str) -> Result<Script, ScenarioError> {
        let keep = self.keep.unwrap_or(DEFAULT_KEEP);
        check(&format!("{place}.keep"), within(keep, 1, MAX_TASKS, "tasks"))?;
        check(&format!("{place}.tasks"), within(self.tasks.len(), 0, MAX_TASKS, "tasks"))?;
        let timelines = self.tasks.into_iter().enumerate();
        let timelines = timelines.map(|(index, task)| task.timeline(&format!("{place}.tasks[{index}]")));
        let timelines = timelines.collect::<Result<_, _>>()?;
        let on_backup = self.on_backup.map(|entries| steps(entries, &format!("{place}.onBackup")));
        Ok(Script { keep, timelines, on_backup: on_backup.transpose()? })
    }
}

impl ListedEntry {
    fn cluster(self, id: &str, place: &str) -> Result<Cluster, ScenarioError> {
        let any = if id == ANY_CLUSTER {
            Err("only a cluster with an id can be listed".to_owned())
        } else {
            Ok(())
        };
        check(place, any)?;
        check(&format!("{place}.name"), text_within(&self.name, 128))?;
        let Self { name, alias, version, phase, autopilot, tags } = self;
        Ok(Cluster { uid: id.to_owned(), name, alias, version, phase, autopilot, tags })
    }
}

/// Reads the steps of a task, in their order.
fn steps(entries: Vec<StepEntry>, place: &str) -> Result<Vec<Step>, ScenarioError> {
    check(place, within(entries.len(), 1, MAX_STEPS, "steps"))?;
    let mut steps: Vec<Step> = Vec::with_capacity(entries.len());
    for (index, entry) in entries.into_iter().enumerate() {
        let step = entry.step(&format!("{place}[{index}]"), steps.last())?;
        steps.push(step);
    }
    Ok(steps)
}

impl TaskEntry {
    fn timeline(self, place: &str) -> Result<Timeline, ScenarioError> {
        check(&format!("{place}.at"), offset(self.at, MIN_OFFSET))?;
        if let Some(every) = self.repeat_every {
            check(&format!("{place}.repeatEvery"), offset(every, MIN_REPEAT))?;
        }
        if let Some(gone) = self.gone_after {
            check(&format!("{place}.goneAfter"), offset(gone, MIN_REPEAT))?;
        }
        if let Some(uid) = &self.uid {
            let unique = if self.repeat_every.is_some() {
                Err("tasks that repeat cannot share one uid".to_owned())
            } else {
                text_within(uid, 128)
            };
            check(&format!("{place}.uid"), unique)?;
        }
        let steps = steps(self.steps, &format!("{place}.steps"))?;
        let Self { at, repeat_every, uid, gone_after, .. } = self;
        Ok(Timeline { at, repeat_every, uid, gone_after, steps })
    }
}

impl StepEntry {
    fn step(self, place: &str, before: Option<&Step>) -> Result<Step, ScenarioError> {
        let order = match before {
            None if !self.after.is_zero() => Err("must be 0s or absent in the first step".to_owned()),
            Some(before) if self.after <= before.after => {
                Err(format!("must be later than that of the step before, {:#}", before.after))
            }
            _ => offset(self.after, SignedDuration::ZERO),
        };
        check(&format!("{place}.after"), order)?;
        check(&format!("{place}.phase"), text_within(&self.phase, 64))?;
        let progress = match self.progress.map(u8::try_from) {
            None => None,
            Some(Ok(progress)) if progress <= 100 => Some(progress),
            Some(_) => return check(&format!("{place}.progress"), Err("must be 0 to 100".to_owned())),
        };
        if let Some(items) = &self.items {
            check(&format!("{place}.items"), within(items.len(), 0, MAX_ITEMS, "items"))?;
            for (index, item) in items.iter().enumerate() {
                for text in [&item.id, &item.type_, &item.status, &item.message].into_iter().flatten() {
                    check(&format!("{place}.items[{index}]"), text_within(text, MAX_TEXT))?;
                }
            }
        }
        Ok(Step { after: self.after, phase: self.phase, progress, items: self.items })
    }
}

/// Puts the place in front of a problem.
fn check<T>(place: &str, result: Result<T, String>) -> Result<T, ScenarioError> {
    result.map_err(|problem| ScenarioError::Value { place: place.to_owned(), problem })
}

fn within(count: usize, least: usize, most: usize, what: &str) -> Result<(), String> {
    if (least..=most).contains(&count) {
        Ok(())
    } else {
        Err(format!("must be {least} to {most} {what}, not {count}"))
    }
}

fn text_within(text: &str, most: usize) -> Result<(), String> {
    match text.chars().count() {
        0 => Err("must not be empty".to_owned()),
        count if count > most => Err(format!("must be at most {most} characters, not {count}")),
        _ => Ok(()),
    }
}

fn offset(value: SignedDuration, least: SignedDuration) -> Result<(), String> {
    if value < least {
        Err(format!("must be at least {least:#}, not {value:#}"))
    } else if value > MAX_OFFSET {
        Err(format!("must be at most {MAX_OFFSET:#}, not {value:#}"))
    } else {
        Ok(())
    }
}
