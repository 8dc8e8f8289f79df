//! The YAML form of a scenario, read strictly: a value that makes no sense is refused with its place in the file.

use std::{path::Path, sync::Arc};

use jiff::SignedDuration;

use super::{ANY_CLUSTER, Scenario, ScenarioError, Script, Step, Timeline, recording::Recording};
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
        let scenario: Self =
            serde_saphyr::from_str(text).map_err(|error| ScenarioError::Form(error.to_string()))?;
        check("clusters", within(scenario.clusters.len(), 0, MAX_CLUSTERS, "clusters"))?;
        for (id, script) in &scenario.clusters {
            check_cluster(id, script, &format!("clusters.{id}"))?;
        }
        Ok(scenario)
    }
}

fn check_cluster(id: &str, script: &Script, place: &str) -> Result<(), ScenarioError> {
    check(place, text_within(id, 128))?;
    if let Some(listed) = &script.listed {
        if id == ANY_CLUSTER {
            let problem = "only a cluster with an id can be listed".to_owned();
            return check(&format!("{place}.listed"), Err(problem));
        }
        check(&format!("{place}.listed.name"), text_within(&listed.name, 128))?;
    }
    check(&format!("{place}.upgrades"), within(script.upgrades.len(), 0, MAX_UPGRADES, "upgrades"))?;
    for (index, upgrade) in script.upgrades.iter().enumerate() {
        let place = format!("{place}.upgrades[{index}]");
        check(&format!("{place}.at"), offset(upgrade.at, MIN_OFFSET))?;
        check(&place, within(upgrade.changes.len(), 0, MAX_STEPS, "changes"))?;
        check(&place, upgrade.check())?;
    }
    check(&format!("{place}.keep"), within(script.keep, 1, MAX_TASKS, "tasks"))?;
    check(&format!("{place}.tasks"), within(script.timelines.len(), 0, MAX_TASKS, "tasks"))?;
    for (index, task) in script.timelines.iter().enumerate() {
        check_task(task, &format!("{place}.tasks[{index}]"))?;
    }
    script.on_backup.iter().try_for_each(|steps| check_steps(steps, &format!("{place}.onBackup")))
}

fn check_task(task: &Timeline, place: &str) -> Result<(), ScenarioError> {
    check(&format!("{place}.at"), offset(task.at, MIN_OFFSET))?;
    for (field, time) in [("repeatEvery", task.repeat_every), ("goneAfter", task.gone_after)] {
        check(&format!("{place}.{field}"), time.map_or(Ok(()), |time| offset(time, MIN_REPEAT)))?;
    }
    if let Some(uid) = &task.uid {
        let unique = match task.repeat_every {
            Some(_) => Err("tasks that repeat cannot share one uid".to_owned()),
            None => text_within(uid, 128),
        };
        check(&format!("{place}.uid"), unique)?;
    }
    check_steps(&task.steps, &format!("{place}.steps"))
}

fn check_steps(steps: &[Step], place: &str) -> Result<(), ScenarioError> {
    check(place, within(steps.len(), 1, MAX_STEPS, "steps"))?;
    let mut before: Option<&Step> = None;
    for (index, step) in steps.iter().enumerate() {
        let place = format!("{place}[{index}]");
        let order = match before.replace(step) {
            None if !step.after.is_zero() => Err("must be 0s or absent in the first step".to_owned()),
            Some(before) if step.after <= before.after => {
                Err(format!("must be later than that of the step before, {:#}", before.after))
            }
            _ => offset(step.after, SignedDuration::ZERO),
        };
        check(&format!("{place}.after"), order)?;
        check(&format!("{place}.phase"), text_within(&step.phase, 64))?;
        if step.progress.is_some_and(|progress| !(0..=100).contains(&progress)) {
            return check(&format!("{place}.progress"), Err("must be 0 to 100".to_owned()));
        }
        let items = step.items.as_deref().unwrap_or_default();
        check(&format!("{place}.items"), within(items.len(), 0, MAX_ITEMS, "items"))?;
        for (index, item) in items.iter().enumerate() {
            for text in [&item.id, &item.type_, &item.status, &item.message].into_iter().flatten() {
                check(&format!("{place}.items[{index}]"), text_within(text, MAX_TEXT))?;
            }
        }
    }
    Ok(())
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
