//! Backups that a request starts: what each of them does over time, and which fault strikes the request.
//!
//! Pure: the time since the start of the scenario is a parameter. Listing a started backup beside the other tasks of
//! its cluster is left to `state`.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    fault::Fault,
    scenario::{ANY_CLUSTER, Script, Step, Timeline},
    task::Task,
    uid::made_uid,
};

/// The most started backups that a cluster lists.
const KEEP: usize = 20;

/// The fault of a correctly signed request for a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartFault {
    /// The fault in place of a backup: nothing is started.
    Refused(Fault),
    /// The backup is started, and the fault strikes the answer, which is lost or spoilt.
    Lost(Fault),
}

impl StartFault {
    /// The fault itself.
    pub fn fault(&self) -> &Fault {
        match self {
            Self::Refused(fault) | Self::Lost(fault) => fault,
        }
    }

    /// What is left of it after it has struck once.
    fn spent(&self) -> Option<Self> {
        match self {
            Self::Refused(fault) => fault.spent().map(Self::Refused),
            Self::Lost(fault) => fault.spent().map(Self::Lost),
        }
    }
}

/// The backups that requests have started, by cluster.
#[derive(Debug, Default)]
pub(crate) struct Starts {
    /// What a started backup does, by cluster or for all; outranks the scenario.
    steps: HashMap<String, Vec<Step>>,
    faults: HashMap<String, StartFault>,
    scripts: HashMap<String, Script>,
    /// How many correctly signed requests for a backup there were, by cluster.
    requests: HashMap<String, u64>,
    /// How many backups were ever started: part of each uid.
    started: u64,
}

impl Starts {
    /// Sets what the backups of a cluster do that are started from now on.
    pub(crate) fn set_steps(&mut self, cluster: &str, steps: Vec<Step>) {
        self.steps.insert(cluster.to_owned(), steps);
    }

    pub(crate) fn set_fault(&mut self, cluster: &str, fault: Option<StartFault>) {
        match fault {
            Some(fault) => self.faults.insert(cluster.to_owned(), fault),
            None => self.faults.remove(cluster),
        };
    }

    /// The fault that strikes a request for a backup of this cluster; one with a count then strikes one time less.
    pub(crate) fn strike(&mut self, cluster: &str) -> Option<StartFault> {
        let key = [cluster, ANY_CLUSTER].into_iter().find(|key| self.faults.contains_key(*key))?;
        crate::strike::strike(&mut self.faults, key.to_owned(), StartFault::spent)
    }

    pub(crate) fn count(&mut self, cluster: &str) {
        *self.requests.entry(cluster.to_owned()).or_default() += 1;
    }

    pub(crate) fn requests(&self, cluster: &str) -> u64 {
        self.requests.get(cluster).copied().unwrap_or_default()
    }

    pub(crate) fn reset_counts(&mut self) {
        self.requests.clear();
    }

    /// Forgets every started backup.
    pub(crate) fn restart(&mut self) {
        self.scripts.clear();
    }

    /// Starts a backup and gives its uid. `scripted` is what the scenario says of such a backup.
    pub(crate) fn start(
        &mut self,
        cluster: &str,
        scripted: Option<&[Step]>,
        epoch: Timestamp,
        at: SignedDuration,
    ) -> String {
        let set = [cluster, ANY_CLUSTER].into_iter().find_map(|key| self.steps.get(key)).cloned();
        let steps = set.or_else(|| scripted.map(<[Step]>::to_vec)).unwrap_or_else(usual_steps);
        let script = self.scripts.entry(cluster.to_owned()).or_insert_with(|| Script {
            keep: KEEP,
            timelines: Vec::new(),
            on_backup: None,
        });
        self.started += 1;
        let uid = made_uid(&format!("{cluster}/started/{}/{epoch}", self.started));
        let timeline = Timeline { at, repeat_every: None, uid: Some(uid.clone()), gone_after: None, steps };
        script.timelines.push(timeline);
        let surplus = script.timelines.len().saturating_sub(KEEP);
        script.timelines.drain(..surplus);
        uid
    }

    /// The started backups of a cluster as they are now, the newest first.
    pub(crate) fn tasks(&self, cluster: &str, epoch: Timestamp, elapsed: SignedDuration) -> Vec<Task> {
        let moments = self.scripts.get(cluster).map(|script| script.play(elapsed)).unwrap_or_default();
        moments.iter().map(|moment| moment.task(cluster, epoch)).collect()
    }
}

/// The answer to a request that started a backup.
pub(crate) fn answer(uid: &str) -> Value {
    json!({ "uid": uid, "metadata": { "apiVersion": "v3.1", "kind": "SnapshotTask" } })
}

/// The steps of a started backup if none are set or scripted: it takes twenty seconds and succeeds.
fn usual_steps() -> Vec<Step> {
    let step = |after, phase: &str, progress| Step {
        after: SignedDuration::from_secs(after),
        phase: phase.to_owned(),
        progress: Some(progress),
        items: None,
    };
    vec![step(0, "Init", 0), step(2, "Running", 0), step(20, "Success", 100)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_started_backup_runs_from_its_request_on() {
        let mut starts = Starts::default();
        let seconds = SignedDuration::from_secs;
        let uid = starts.start("c", None, Timestamp::UNIX_EPOCH, seconds(100));
        let at = |second| {
            let tasks = starts.tasks("c", Timestamp::UNIX_EPOCH, seconds(second));
            tasks.into_iter().map(|task| (task.uid, task.phase.unwrap())).collect::<Vec<_>>()
        };
        assert_eq!(at(99), []);
        for (second, phase) in [(100, "Init"), (110, "Running"), (120, "Success")] {
            assert_eq!(at(second), [(uid.clone(), phase.to_owned())]);
        }
        assert!(starts.tasks("another", Timestamp::UNIX_EPOCH, seconds(200)).is_empty());
    }

    #[test]
    fn each_request_starts_a_backup_of_its_own_and_the_list_has_an_end() {
        let mut starts = Starts::default();
        let uids: std::collections::BTreeSet<_> = (0..30)
            .map(|n| starts.start("c", None, Timestamp::UNIX_EPOCH, SignedDuration::from_secs(n / 2)))
            .collect();
        assert_eq!(uids.len(), 30);
        assert_eq!(starts.tasks("c", Timestamp::UNIX_EPOCH, SignedDuration::from_hours(1)).len(), KEEP);
    }

    #[test]
    fn a_fault_of_one_cluster_outranks_that_of_all_and_is_used_up() {
        let mut starts = Starts::default();
        let own = StartFault::Lost(Fault::status(502).times(1));
        let all = StartFault::Refused(Fault::status(403));
        starts.set_fault("c", Some(own.clone()));
        starts.set_fault(ANY_CLUSTER, Some(all.clone()));
        assert_eq!(starts.strike("c"), Some(own));
        assert_eq!(starts.strike("c"), Some(all));
        starts.set_fault(ANY_CLUSTER, None);
        assert_eq!(starts.strike("c"), None);
    }
}
