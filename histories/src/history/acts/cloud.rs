//! The acts of the cloud: backups, upgrades, task lists that become empty or shorter, tasks that become unfinished
//! again, and faults.

use std::time::Duration;

use super::super::{Event, History};
use super::drop_one;
use crate::{
    cloud::Task,
    script::{Act, End},
    time,
};

impl History {
    /// Begins an act of the cloud; returns how long it lasts, in seconds.
    pub(super) fn begin_in_cloud(&mut self, n: usize, act: Act) -> Option<u64> {
        let now = time::now();
        let mut lasts = None;
        match act {
            Act::Backup { cluster, .. } if self.cloud.clusters[cluster].is_busy => {}
            Act::Backup { cluster, rollback, .. } => {
                let uid = self.task_uid(n);
                self.cloud.clusters[cluster].is_busy = true;
                self.cloud.clusters[cluster].tasks.push(Task {
                    uid,
                    phase: "Init".into(),
                    progress: 0,
                    created: now,
                    updated: now,
                    completed: None,
                    rollback,
                });
                self.cloud.clusters[cluster].changed();
                self.at(now, Event::Step { cluster, act: n, step: 0 });
            }
            Act::Empty { cluster, for_ } => {
                self.cloud.clusters[cluster].is_empty = true;
                self.cloud.clusters[cluster].changed();
                lasts = Some(for_);
            }
            Act::Drop { cluster } => {
                self.cloud.clusters[cluster].drop_oldest();
                self.cloud.clusters[cluster].changed();
            }
            Act::Unfinish { cluster, for_ } => {
                let finished = self.cloud.clusters[cluster].tasks.iter_mut().rev().find(|t| t.is_finished());
                if let Some(task) = finished {
                    (task.phase, task.updated) = (format!("Was{}", task.phase), now);
                }
                self.cloud.clusters[cluster].changed();
                lasts = Some(for_);
            }
            Act::Upgrade { cluster, .. } => self.begin_upgrade(cluster, n),
            Act::Upgrades { cluster, trouble, for_ } => {
                self.cloud.clusters[cluster].upgrades.troubles.push(trouble);
                lasts = Some(for_);
            }
            Act::Cloud { level, trouble, for_ } => {
                self.cloud.troubles.push((level, trouble));
                lasts = Some(for_);
            }
            _ => {}
        }
        lasts
    }

    pub(super) fn end_in_cloud(&mut self, act: Act) {
        let now = time::now();
        match act {
            Act::Empty { cluster, .. } => {
                self.cloud.clusters[cluster].is_empty = false;
                self.cloud.clusters[cluster].changed();
            }
            Act::Unfinish { cluster, .. } => {
                for task in &mut self.cloud.clusters[cluster].tasks {
                    if let Some(phase) = task.phase.strip_prefix("Was") {
                        (task.phase, task.updated) = (phase.to_owned(), now);
                    }
                }
                self.cloud.clusters[cluster].changed();
            }
            Act::Upgrades { cluster, trouble, .. } => {
                drop_one(&mut self.cloud.clusters[cluster].upgrades.troubles, &trouble);
            }
            Act::Cloud { level, trouble, .. } => drop_one(&mut self.cloud.troubles, &(level, trouble)),
            _ => {}
        }
    }

    /// The id of the task that an act creates. It is made from the time of the act and not from its number, so that it
    /// stays the same when a search leaves out other acts.
    fn task_uid(&self, n: usize) -> String {
        format!("task-{}", self.script.acts[n].0.as_millis())
    }

    /// A running backup takes its next step, or ends.
    pub(in crate::history) fn step_backup(&mut self, cluster: usize, n: usize, step: u8) {
        let now = time::now();
        let Act::Backup { steps, step: seconds, end, pauses, .. } = self.script.acts[n].1 else { return };
        let uid = self.task_uid(n);
        let Some(task) = self.cloud.clusters[cluster].tasks.iter_mut().find(|task| task.uid == uid) else {
            return;
        };
        task.updated = now;
        task.progress = u8::try_from(u32::from(step) * 100 / u32::from(steps)).unwrap_or(100);
        let phase = if pauses && step % 2 == 1 { "Pause" } else { "Running" };
        phase.clone_into(&mut task.phase);
        let is_last = step >= steps;
        if is_last && let End::In(phase) = end {
            (task.phase, task.completed) = (phase.to_owned(), Some(now));
        }
        self.cloud.clusters[cluster].is_busy = !is_last;
        self.cloud.clusters[cluster].changed();
        if !is_last {
            // Faster steps after the calm, so that every backup that ends has ended well before the status is checked.
            let seconds = if now > self.script.calm { 1 } else { seconds };
            self.after(Duration::from_secs(seconds), Event::Step { cluster, act: n, step: step + 1 });
        }
    }
}
