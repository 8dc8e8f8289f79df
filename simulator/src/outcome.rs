//! What a correctly signed request about a cluster gets: an answer from what was set, started or scripted, or a fault.

use std::time::Instant;

use serde_json::{Value, json};

use crate::{
    backup::{self, StartFault},
    cluster::{self, Product},
    fault::Fault,
    scenario::{ANY_CLUSTER, recording::Recorded},
    state::Inner,
    task::{self, Task},
    upgrade::Workflow,
};

/// What a correctly signed request gets.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The cluster is not known.
    UnknownCluster,
    /// This answer.
    Answer(Value),
    /// A backup was started; this answer names it.
    Started(Value),
    /// No backup was started, because one of the cluster runs already.
    Running,
    /// The account has made too many writes; the header `Retry-After` is sometimes there.
    Throttled(Option<String>),
    /// This fault, in place of the answer if there is one.
    Fault(Fault, Option<Value>),
}

impl Inner {
    /// What a correctly signed request for a cluster gets. A fault with a count then strikes one time less.
    pub(crate) fn outcome(&mut self, cluster: &str) -> Outcome {
        let answer = self.answer(cluster);
        match (self.strike(cluster, |set| &mut set.fault), answer) {
            (Some(fault), answer) => {
                self.total.faulted += 1;
                if let Some(requests) = self.requests_of(cluster) {
                    requests.counts.faulted += 1;
                }
                Outcome::Fault(fault, answer)
            }
            (None, Some(answer)) => Outcome::Answer(answer),
            (None, None) => self.recorded(Recorded::Tasks),
        }
    }

    /// What a correctly signed request for a backup of a cluster gets; starts the backup, unless the limit of the
    /// account, a fault or a running one prevents it.
    pub(crate) fn start(&mut self, project: &str, cluster: &str) -> Outcome {
        if let Some(requests) = self.requests_of(cluster) {
            requests.starts += 1;
        }
        if let Err(retry_after) = self.writes.write(project, Instant::now()) {
            return Outcome::Throttled(retry_after);
        }
        match self.strike(cluster, |set| &mut set.start_fault) {
            Some(StartFault::Refused(fault)) => return Outcome::Fault(fault, None),
            Some(StartFault::Lost(fault)) => {
                return match self.started_answer(cluster) {
                    Some(answer) => Outcome::Fault(fault, Some(answer)),
                    None => Outcome::UnknownCluster,
                };
            }
            None => {}
        }
        let tasks = [cluster, ANY_CLUSTER].into_iter().find_map(|key| self.tasks(key, cluster));
        if tasks.is_some_and(|tasks| tasks.iter().any(Task::is_running)) {
            return Outcome::Running;
        }
        self.started_answer(cluster).map_or(Outcome::UnknownCluster, Outcome::Started)
    }

    /// Starts a backup of a cluster that is known.
    fn started_answer(&mut self, cluster: &str) -> Option<Value> {
        self.answer(cluster)?;
        let elapsed = self.elapsed();
        let scripts = &self.scenario.clusters;
        let script = scripts.get(cluster).or_else(|| scripts.get(ANY_CLUSTER));
        let scripted = script.and_then(|script| script.on_backup.as_ref());
        let steps = self.set(cluster, |set| &set.backup_steps).or(scripted).cloned();
        Some(backup::answer(&self.starts.start(cluster, steps, self.epoch, elapsed)))
    }

    /// What a correctly signed request for the clusters of a project gets.
    pub(crate) fn clusters(&mut self, product: Product, project: &str) -> Outcome {
        let index = product as usize;
        let set = self.set(project, |set| &set.clusters_answer[index]).cloned();
        let answer = set.unwrap_or_else(|| {
            let scripts = self.scenario.clusters.iter();
            let scripted = scripts.filter_map(|(id, script)| Some(script.listed.as_ref()?.cluster(id)));
            let set = self.set(project, |set| &set.clusters).cloned();
            cluster::answer(product, &set.unwrap_or_else(|| scripted.collect()))
        });
        match self.strike(project, |set| &mut set.clusters_fault[index]) {
            Some(fault) => Outcome::Fault(fault, Some(answer)),
            None => Outcome::Answer(answer),
        }
    }

    /// Whether a cluster has tasks, an answer or a script.
    pub(crate) fn knows(&self, cluster: &str) -> bool {
        self.answer(cluster).is_some()
    }

    /// The answer or the tasks of a cluster, or those of all where it has neither of its own.
    fn answer(&self, cluster: &str) -> Option<Value> {
        [cluster, ANY_CLUSTER].into_iter().find_map(|key| match self.own(key, |set| &set.answer) {
            Some(answer) => Some(answer.clone()),
            None => self.tasks(key, cluster).map(|tasks| task::answer(&tasks)),
        })
    }

    /// The tasks of a cluster: those that requests have started, and those that the entry `key` sets or scripts.
    fn tasks(&self, key: &str, cluster: &str) -> Option<Vec<Task>> {
        let elapsed = self.elapsed();
        let scripted = || {
            let moments = self.scenario.clusters.get(key)?.play(elapsed);
            Some(moments.iter().map(|moment| moment.task(cluster, self.epoch)).collect())
        };
        let given: Vec<_> = self.own(key, |set| &set.tasks).cloned().or_else(scripted)?;
        let mut tasks = self.starts.tasks(cluster, self.epoch, elapsed);
        tasks.retain(|task| given.iter().all(|known| known.uid != task.uid));
        tasks.extend(given);
        Some(tasks)
    }

    /// The next exchange of the scenario's recording, if it has one of this call.
    pub(crate) fn recorded(&mut self, call: Recorded) -> Outcome {
        let played = match call {
            Recorded::Tasks => &mut self.played.tasks,
            Recorded::Upgrades => &mut self.played.upgrades,
        };
        let next = self.scenario.recording.as_ref().and_then(|recording| recording.exchange(call, *played));
        *played += 1;
        next.map_or(Outcome::UnknownCluster, |kind| Outcome::Fault(kind.into(), None))
    }

    /// What a correctly signed request for the upgrades of a cluster gets.
    pub(crate) fn upgrades_outcome(&mut self, cluster: &str) -> Outcome {
        if let Some(requests) = self.requests_of(cluster) {
            requests.upgrades += 1;
        }
        let answer = self.upgrades_answer(cluster);
        match (self.strike(cluster, |set| &mut set.upgrades_fault), answer) {
            (Some(fault), answer) => Outcome::Fault(fault, answer),
            (None, Some(answer)) => Outcome::Answer(answer),
            (None, None) => self.recorded(Recorded::Upgrades),
        }
    }

    fn upgrades_answer(&self, cluster: &str) -> Option<Value> {
        if let Some(answer) = self.set(cluster, |set| &set.upgrades_answer) {
            return Some(answer.clone());
        }
        let own = self.set(cluster, |set| &set.upgrades);
        let (epoch, elapsed) = (self.epoch, self.elapsed());
        let scripts = [cluster, ANY_CLUSTER].into_iter().filter_map(|key| self.scenario.clusters.get(key));
        let scripted = scripts.map(|script| &script.upgrades).find(|upgrades| !upgrades.is_empty());
        let played = || {
            let scripts = scripted.into_iter().flatten();
            scripts.filter_map(|script| script.play(cluster, epoch, elapsed)).collect()
        };
        if own.is_none() && !self.knows(cluster) {
            return None;
        }
        let workflows: Vec<Workflow> = own.cloned().unwrap_or_else(played);
        let items: Vec<_> = workflows.iter().map(|workflow| workflow.to_json(cluster)).collect();
        Some(json!({ "kind": "List", "apiVersion": "v3", "items": items }))
    }
}
