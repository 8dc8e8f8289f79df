//! The upgrades of a cluster: workflows that take one step after the other, and every version of the list of them.
//!
//! `toVersion` carries the number of the version of the list, so that a status shows which version it was made from.

use std::time::Duration;

use cce_backup_watch::api::UpgradeStatus;
use cce_backup_watch::cloud::upgrades::{Step, Workflow};

use super::{Cluster, Task};
use crate::{
    script::{CloudTrouble, Snapshot, UpgradeEnd},
    time,
};

/// The upgrades of one cluster.
#[derive(Debug, Default)]
pub struct Upgrades {
    /// The workflows, oldest first.
    workflows: Vec<Workflow>,
    /// What was listed from each moment on; before the first nothing was.
    versions: Vec<(Duration, Vec<Workflow>)>,
    /// What is wrong with the list alone.
    pub troubles: Vec<CloudTrouble>,
}

/// What changes with one step: the phase of the workflow, or the state of a step, or both.
type Change = (Option<&'static str>, Option<(&'static str, &'static str)>);

/// All changes of an upgrade, in order.
pub fn changes(snapshot: Snapshot, end: UpgradeEnd) -> Vec<Change> {
    let step = |type_, status| (None, Some((type_, status)));
    let mut changes = vec![(Some("Running"), Some(("PreCheck", "Running"))), step("PreCheck", "Success")];
    if let Snapshot::Unlisted(succeeds) | Snapshot::Listed(succeeds, _) = snapshot {
        changes.push(step("Snapshot", "Running"));
        changes.push(step("Snapshot", if succeeds { "Success" } else { "Failed" }));
    }
    changes.push(step("Cluster", "Queuing"));
    if end == UpgradeEnd::Cancel(false) {
        changes.push((Some("Cancel"), None));
        return changes;
    }
    changes.push(step("Cluster", "Running"));
    let fails = (Some("Pending"), Some(("Cluster", "Failed")));
    let succeeds = [
        step("Cluster", "Success"),
        step("PostCheck", "Running"),
        (Some("Success"), Some(("PostCheck", "Success"))),
    ];
    match end {
        UpgradeEnd::Success => changes.extend(succeeds),
        UpgradeEnd::Retry => {
            changes.extend([fails, (Some("Running"), Some(("Cluster", "Running")))]);
            changes.extend(succeeds);
        }
        UpgradeEnd::Rollback => changes.extend([
            fails,
            (Some("Running"), Some(("Rollback", "Running"))),
            step("Rollback", "Success"),
            (Some("Cancel"), None),
        ]),
        UpgradeEnd::Fails => changes.push(fails),
        UpgradeEnd::Cancel(_) => changes.push((Some("Cancel"), None)),
        UpgradeEnd::Never => {}
    }
    changes
}

/// Whether a workflow has ended.
pub fn is_over(workflow: &Workflow) -> bool {
    matches!(workflow.phase.as_deref(), Some("Success" | "Cancel"))
}

impl Upgrades {
    /// The number of the current version of the list.
    pub fn version(&self) -> usize {
        self.versions.len()
    }

    /// The newest workflow of a version of the list, if there was one.
    pub fn newest(&self, version: usize) -> Option<&Workflow> {
        self.versions.get(version.checked_sub(1)?)?.1.last()
    }

    /// Every workflow in every version.
    pub fn all(&self) -> impl Iterator<Item = &Workflow> {
        self.versions.iter().flat_map(|(_, listed)| listed)
    }

    /// What is listed now.
    pub fn listed(&self) -> Vec<Workflow> {
        let to_version = Some(format!("v{}", self.version()));
        let numbered = |workflow: &Workflow| Workflow { to_version: to_version.clone(), ..workflow.clone() };
        self.workflows.iter().map(numbered).collect()
    }

    /// How long a workflow was under way so far.
    pub fn under_way(&self) -> Duration {
        let ends = self.versions.iter().skip(1).map(|(at, _)| *at).chain([time::now()]);
        let spans = self.versions.iter().zip(ends);
        let runs = |listed: &[Workflow]| listed.last().is_some_and(|newest| !is_over(newest));
        spans.filter(|((_, listed), _)| runs(listed)).map(|((at, _), end)| end.saturating_sub(*at)).sum()
    }

    fn changed(&mut self) {
        self.versions.push((time::now(), self.workflows.clone()));
    }
}

/// The number of the version of the list that a status was made from: 0, in which nothing is listed, where it shows none.
pub fn version(shown: Option<&UpgradeStatus>) -> usize {
    let to = shown.and_then(|upgrade| upgrade.to_version.as_deref());
    to.and_then(|to| to.strip_prefix('v')?.parse().ok()).unwrap_or_default()
}

impl Cluster {
    /// An upgrade begins, unless one is under way; returns whether it does.
    pub fn begin_upgrade(&mut self, uid: &str) -> bool {
        if self.upgrades.workflows.last().is_some_and(|newest| !is_over(newest)) {
            return false;
        }
        self.upgrades.workflows.push(Workflow {
            uid: uid.to_owned(),
            creation_time: Some(time::wall(time::now())),
            from_version: Some("v0".to_owned()),
            phase: Some("Init".to_owned()),
            ..Workflow::default()
        });
        self.upgrades.changed();
        true
    }

    /// The upgrade that is under way takes a step.
    pub fn step_upgrade(&mut self, (phase, step): Change, snapshot: Snapshot) {
        let now = time::now();
        let Some(mut workflow) = self.upgrades.workflows.pop() else { return };
        if let Some(phase) = phase {
            workflow.phase = Some(phase.to_owned());
        }
        if let Some((type_, status)) = step {
            let is_over = matches!(status, "Success" | "Failed");
            let open = workflow.steps.last_mut().filter(|last| last.end_time.is_none());
            if open.is_none_or(|last| last.type_.as_deref() != Some(type_)) {
                workflow.steps.push(Step { type_: Some(type_.to_owned()), ..Step::default() });
            }
            if let Some(last) = workflow.steps.last_mut() {
                last.status = Some(status.to_owned());
                if status == "Running" {
                    last.start_time = Some(time::wall(now));
                }
                last.end_time = is_over.then(|| time::wall(now));
                if type_ == "Snapshot" {
                    let uid = format!("snapshot-of-{}", workflow.uid);
                    last.task_id = Some(uid.clone());
                    self.snapshot(uid, is_over, snapshot);
                }
            }
        }
        self.upgrades.workflows.push(workflow);
        self.upgrades.changed();
    }

    /// The task of the step Snapshot, where it is listed: CCE makes one backup at a time.
    fn snapshot(&mut self, uid: String, is_over: bool, snapshot: Snapshot) {
        let now = time::now();
        let Snapshot::Listed(_, succeeds) = snapshot else { return };
        match self.tasks.iter_mut().find(|task| task.uid == uid) {
            Some(task) if is_over => {
                let phase = if succeeds { "Success" } else { "Failed" };
                (task.phase, task.updated, task.completed) = (phase.to_owned(), now, Some(now));
                self.is_busy = false;
            }
            None if !is_over && !self.is_busy => {
                self.tasks.push(Task {
                    uid,
                    phase: "Running".to_owned(),
                    progress: 0,
                    created: now,
                    updated: now,
                    completed: None,
                    rollback: false,
                });
                self.is_busy = true;
            }
            _ => return,
        }
        self.changed();
    }
}
