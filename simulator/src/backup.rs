//! Backups that a request starts: what each of them does over time, and the faults that can strike the request.
//!
//! Pure: the time since the start of the scenario is a parameter. Listing a started backup beside the other tasks of
//! its cluster is left to `outcome`.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    fault::{Fault, FaultError},
    scenario::{Script, Step, Timeline},
    task::Task,
    uid::made_uid,
};

/// The fault of a correctly signed request for a backup. Its JSON is that of the fault, with `started` for the second kind.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub enum StartFault {
    /// The fault in place of a backup: nothing is started.
    Refused(Fault),
    /// The backup is started, and the fault strikes the answer, which is lost or spoilt.
    Lost(Fault),
}

impl AsMut<Fault> for StartFault {
    fn as_mut(&mut self) -> &mut Fault {
        match self {
            Self::Refused(fault) | Self::Lost(fault) => fault,
        }
    }
}

impl TryFrom<Value> for StartFault {
    type Error = FaultError;

    fn try_from(mut value: Value) -> Result<Self, FaultError> {
        let started = value.as_object_mut().and_then(|fields| fields.remove("started"));
        match started.unwrap_or(Value::Bool(false)) {
            Value::Bool(true) => value.try_into().map(Self::Lost),
            Value::Bool(false) => value.try_into().map(Self::Refused),
            _ => Err(FaultError::Range("started", "true or false")),
        }
    }
}

/// The backups that requests have started, by cluster.
#[derive(Debug, Default)]
pub(crate) struct Starts {
    scripts: HashMap<String, Script>,
    /// How many backups were ever started: part of each uid.
    started: u64,
}

impl Starts {
    /// Forgets every started backup.
    pub(crate) fn restart(&mut self) {
        self.scripts.clear();
    }

    /// Starts a backup and gives its uid. `steps` is what it does, where that is set or scripted.
    pub(crate) fn start(
        &mut self,
        cluster: &str,
        steps: Option<Vec<Step>>,
        epoch: Timestamp,
        at: SignedDuration,
    ) -> String {
        let steps = steps.unwrap_or_else(usual_steps);
        let script = self.scripts.entry(cluster.to_owned()).or_default();
        self.started += 1;
        let uid = made_uid(&format!("{cluster}/started/{}/{epoch}", self.started));
        let timeline = Timeline { at, repeat_every: None, uid: Some(uid.clone()), gone_after: None, steps };
        script.timelines.push(timeline);
        let surplus = script.timelines.len().saturating_sub(script.keep);
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
        assert_eq!(starts.tasks("c", Timestamp::UNIX_EPOCH, SignedDuration::from_hours(1)).len(), 20);
    }
}
