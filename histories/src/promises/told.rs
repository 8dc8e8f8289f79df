//! Promises on every status that is written and every Event that is created: each says what the cloud said, no status
//! goes backwards, and each transition gets one Event, before the status that shows it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use cce_backup_watch::api::{
    ClusterBackupWatch, ClusterBackupWatchStatus, TaskStatus,
    condition::{self, types},
};
use cce_backup_watch::poll::WatchKey;
use k8s_openapi::api::events::v1::Event;

use crate::{
    api_server::Stored,
    cloud::{self, Cluster},
    finding::{Finding, promise},
    promises::upgrades,
    time,
};

/// How long an Event that cannot be written holds back the status, less the time that a try takes.
const HELD_BACK: Duration = Duration::from_secs(50);

/// What identifies a transition: the uid of the resource, the reason of its Event, and the task if it is about one.
type Transition = (String, String, String);

/// What was told so far, and what excuses an Event that is missing.
#[derive(Default)]
pub struct Told {
    /// The Events that were created: resource, reason, task, and the milestone of a progress Event.
    events: HashSet<(String, String, String, String)>,
    /// Since when the Event of each transition could not be created, and the transitions whose Event may be lost.
    failing: HashMap<Transition, Duration>,
    lossy: HashSet<Transition>,
    /// For each resource, how many failures to poll were told as Events and how many were written into the status.
    failures: HashMap<String, (usize, usize)>,
    /// By resource, the transition times of the Ready conditions that a failure replaced.
    left: HashSet<(String, Option<jiff::Timestamp>)>,
    /// Resources whose status somebody else wrote: no Event is promised for what such a status says.
    restored: HashSet<String>,
}

impl Told {
    /// Notes that somebody else wrote the status of a resource.
    pub fn restored(&mut self, uid: &str) {
        self.restored.insert(uid.to_owned());
    }

    /// Whether somebody else wrote the status of a resource.
    pub fn was_restored(&self, uid: &str) -> bool {
        self.restored.contains(uid)
    }

    /// Notes that a process was frozen, perhaps for longer than an Event may hold back a status, so that Events that
    /// were failing at that time may be lost.
    pub fn stood_still(&mut self) {
        self.lossy.extend(self.failing.keys().cloned());
    }

    /// Notes that an Event could not be created; `lasts` says that a retry would be refused as well. An outage of the
    /// whole API server excuses no lost Event, however long it is; an Event that is refused after it may be lost at
    /// once.
    pub fn not_created(&mut self, event: &Event, lasts: bool, is_outage: bool) {
        let transition = transition(event);
        let since = *self.failing.entry(transition.clone()).or_insert_with(time::now);
        if !is_outage && (lasts || time::now() >= since + HELD_BACK) {
            self.lossy.insert(transition);
        }
    }

    /// Checks an Event that is created: it says what happened, and its transition was not told before.
    pub fn created(&mut self, key: &WatchKey, event: &Event, cluster: &Cluster) -> Result<(), Box<Finding>> {
        let transition = transition(event);
        self.failing.remove(&transition);
        let note = event.note.clone().unwrap_or_default();
        let (resource, reason, task) = transition;
        if reason == "PollFailed" {
            self.failures.entry(resource).or_default().0 += 1;
            return Ok(());
        }
        let milestone = note.split("reached ").nth(1).unwrap_or_default();
        let seen: Vec<&cloud::Task> =
            cluster.versions.iter().flatten().filter(|listed| listed.uid == task).collect();
        let is_true = match reason.as_str() {
            "BackupSucceeded" => seen.iter().any(|task| task.phase == "Success" && !task.rollback),
            "BackupFailed" => seen.iter().any(|task| task.phase == "Failed" && !task.rollback),
            "BackupStarted" => seen.iter().any(|task| !task.is_finished() && !task.rollback),
            "BackupProgressing" => {
                let reached = milestone.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(101);
                seen.iter().any(|task| task.progress >= reached)
            }
            _ => return Ok(()),
        };
        promise(is_true, "nothing is told that did not happen", || format!("{key}: {reason}, {note}"))?;
        let is_new = self.events.insert((resource, reason.clone(), task, milestone.to_owned()));
        promise(is_new, "a transition is told once", || format!("{key}: {reason}, {note}"))
    }

    /// Checks an Event of a changed phase: it says what the task changes from in the status.
    pub fn phase_changed(
        &self,
        key: &WatchKey,
        event: &Event,
        watch: &ClusterBackupWatch,
    ) -> Result<(), Box<Finding>> {
        let (resource, reason, task) = transition(event);
        let is_old = watch.metadata.uid.as_ref() != Some(&resource);
        if reason != "BackupPhaseChanged" || is_old || self.was_restored(&resource) {
            return Ok(());
        }
        let note = event.note.as_deref().unwrap_or_default();
        let from = note.split("changed from ").nth(1).and_then(|rest| rest.split(" to ").next());
        let tasks = watch.status.iter().flat_map(|status| status.tasks.iter().flatten());
        let shown = tasks.filter(|shown| shown.uid == task).find_map(|shown| shown.phase.as_deref());
        promise(from == shown, "nothing is told that did not happen", || {
            format!("{key}: {note}, but the status says {shown:?}")
        })
    }

    /// Checks a status that is written in place of an older one.
    pub fn written(
        &mut self,
        key: &WatchKey,
        old: &Stored,
        new: &Stored,
        cluster: &Cluster,
    ) -> Result<(), Box<Finding>> {
        let nothing = ClusterBackupWatchStatus::default();
        let (before, after) =
            (old.watch.status.as_ref().unwrap_or(&nothing), new.watch.status.as_ref().unwrap_or(&nothing));
        promise(before != after, "a write changes something", || format!("{key}: {after:?}"))?;
        let time = |status: &ClusterBackupWatchStatus| status.last_success.as_ref().map(|last| last.time);
        promise(time(after) >= time(before), "the last success is never lost", || {
            format!("{key}: {:?} after {:?}", after.last_success, before.last_success)
        })?;
        promise(after.latest_backup_time >= before.latest_backup_time, "no status moves backwards", || {
            format!("{key}: {:?} after {:?}", after.latest_backup_time, before.latest_backup_time)
        })?;
        let generation = new.watch.metadata.generation;
        promise(
            after.observed_generation <= generation
                && after.observed_generation >= before.observed_generation,
            "the observed generation is one that was, and grows",
            || format!("{key}: {:?} of {generation:?}", after.observed_generation),
        )?;
        if new.is_undecodable {
            return Ok(());
        }
        shows_what_was_answered(key, after, cluster)?;
        upgrades::written(key, &new.watch, after, cluster)?;
        self.tells(key, new, before, after)
    }

    /// Checks that every transition that is written was told as an Event before.
    fn tells(
        &mut self,
        key: &WatchKey,
        new: &Stored,
        before: &ClusterBackupWatchStatus,
        after: &ClusterBackupWatchStatus,
    ) -> Result<(), Box<Finding>> {
        let uid = new.watch.metadata.uid.clone().unwrap_or_default();
        let is_lossy = |reason: &str, task: &str| {
            self.restored.contains(&uid)
                || self.lossy.contains(&(uid.clone(), reason.to_owned(), task.to_owned()))
        };
        let is = |status: &ClusterBackupWatchStatus, truth: &str| {
            condition::find(&status.conditions, types::READY).is_some_and(|ready| ready.status == truth)
        };
        // Transition times are whole seconds. If two Ready conditions began in the same second, as when two processes
        // disagree, the Events of their failures share a name and only one is created. This is a known limit of the
        // names, so the two count as one failure here.
        let left =
            condition::find(&before.conditions, types::READY).map(|ready| ready.last_transition_time.0);
        if is(after, "False") && !is(before, "False") && self.left.insert((uid.clone(), left)) {
            let (told, written) = self.failures.entry(uid.clone()).or_default();
            *written += 1;
            promise(
                is_lossy("PollFailed", "") || *told >= *written,
                "a failure is told before it is written",
                || format!("{key}: {told} told, {written} written"),
            )?;
        }
        let (Some(known), Some(tasks)) = (&before.tasks, &after.tasks) else { return Ok(()) };
        for task in tasks.iter().filter(|task| is_backup(task)) {
            let reason = match task.phase.as_deref() {
                Some("Success") => "BackupSucceeded",
                Some("Failed") => "BackupFailed",
                _ => continue,
            };
            let was_unfinished = known.iter().any(|old| {
                old.uid == task.uid && !matches!(old.phase.as_deref(), Some("Success" | "Failed"))
            });
            let event = (uid.clone(), reason.to_owned(), task.uid.clone(), String::new());
            promise(
                !was_unfinished || is_lossy(reason, &task.uid) || self.events.contains(&event),
                "a transition is told before it is written",
                || format!("{key}: {reason} of {}", task.uid),
            )?;
        }
        Ok(())
    }
}

/// Checks that a status shows one version of the cloud's list, and is healthy only if the cloud listed a success that
/// no failure followed.
fn shows_what_was_answered(
    key: &WatchKey,
    status: &ClusterBackupWatchStatus,
    cluster: &Cluster,
) -> Result<(), Box<Finding>> {
    let Some(version) = status.latest_backup_time.map(cloud::version) else { return Ok(()) };
    let Some(listed) = cluster.versions.get(version) else {
        return promise(false, "a status shows what was answered", || format!("{key}: no version {version}"));
    };
    if let (Some(newest), Some(shown)) = (listed.last(), status.tasks.iter().flatten().next())
        && newest.uid == shown.uid
    {
        promise(
            Some(newest.phase.as_str()) == shown.phase.as_deref() && Some(newest.progress) == shown.progress,
            "a status shows what was answered",
            || format!("{key}: {shown:?}, but the cloud said {newest:?}"),
        )?;
    }
    let healthy = condition::find(&status.conditions, types::BACKUP_HEALTHY);
    if healthy.is_some_and(|healthy| healthy.status == "True") {
        let finished = |phase: &str, of: &[cloud::Task]| {
            of.iter().filter(|task| task.phase == phase && !task.rollback).map(|task| task.created).max()
        };
        let failed = finished("Failed", listed);
        let good = cluster.versions[..=version].iter().filter_map(|listed| finished("Success", listed)).max();
        promise(good.is_some() && good >= failed, "never healthy without a Success", || {
            format!("{key}: version {version}, {listed:?}")
        })?;
    }
    Ok(())
}

fn transition(event: &Event) -> Transition {
    let resource = event.regarding.as_ref().and_then(|of| of.uid.clone()).unwrap_or_default();
    let reason = event.reason.clone().unwrap_or_default();
    let note = event.note.as_deref().unwrap_or_default();
    let task = note.strip_prefix("task ").and_then(|rest| rest.split(' ').next()).unwrap_or_default();
    // A failure to poll belongs to the watch, although the note may name the newest task.
    let task = if reason == "PollFailed" { "" } else { task };
    (resource, reason, task.to_owned())
}

fn is_backup(task: &TaskStatus) -> bool {
    !task.items.iter().any(|item| item.type_.as_deref() == Some("master-backup-rollback"))
}
