//! What a correctly signed request about a cluster gets: an answer from what was set, started or scripted, or a fault.

use std::time::Instant;

use serde_json::{Value, json};

use crate::{
    backup::{self, StartFault},
    cluster::Product,
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
        let fault = self.strike(cluster).or_else(|| self.strike(ANY_CLUSTER));
        match (fault, answer) {
            (Some(fault), answer) => {
                self.total.faulted += 1;
                if let Some(counts) = self.counts_of(cluster) {
                    counts.faulted += 1;
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
        self.starts.count(cluster);
        if let Err(retry_after) = self.writes.write(project, Instant::now()) {
            return Outcome::Throttled(retry_after);
        }
        match self.starts.strike(cluster) {
            Some(StartFault::Refused(fault)) => return Outcome::Fault(fault, None),
            Some(StartFault::Lost(fault)) => {
                return match self.started_answer(cluster) {
                    Some(answer) => Outcome::Fault(fault, Some(answer)),
                    None => Outcome::UnknownCluster,
                };
            }
            None => {}
        }
        if self.tasks(cluster).is_some_and(|tasks| tasks.iter().any(Task::is_running)) {
            return Outcome::Running;
        }
        self.started_answer(cluster).map_or(Outcome::UnknownCluster, Outcome::Started)
    }

    /// Starts a backup of a cluster that is known.
    fn started_answer(&mut self, cluster: &str) -> Option<Value> {
        self.answer(cluster)?;
        let elapsed = self.elapsed();
        let scripts = &self.scenario.clusters;
        let scripted = scripts.get(cluster).or_else(|| scripts.get(ANY_CLUSTER));
        let scripted = scripted.and_then(|script| script.on_backup.as_deref());
        Some(backup::answer(&self.starts.start(cluster, scripted, self.epoch, elapsed)))
    }

    /// The list of a project's clusters, and the fault that strikes it.
    pub(crate) fn clusters(&mut self, product: Product, project: &str) -> (Option<Fault>, Value) {
        let fault = self.listings.strike(product, project);
        (fault, self.listings.answer(product, project, &self.scenario.listed))
    }

    /// Whether a cluster has tasks, an answer or a script.
    pub(crate) fn knows(&self, cluster: &str) -> bool {
        self.answer(cluster).is_some()
    }

    fn answer(&self, cluster: &str) -> Option<Value> {
        match self.raw_answer(cluster) {
            Some(answer) => Some(answer.clone()),
            None => self.tasks(cluster).map(|tasks| task::answer(&tasks)),
        }
    }

    /// The raw answer that is set for a cluster, or that for all clusters unless this one has tasks or a script of its
    /// own.
    fn raw_answer(&self, cluster: &str) -> Option<&Value> {
        let own = self.settings.get(cluster);
        if let Some(answer) = own.and_then(|settings| settings.answer.as_ref()) {
            return Some(answer);
        }
        let is_known = own.is_some_and(|s| s.tasks.is_some()) || self.scenario.clusters.contains_key(cluster);
        self.settings.get(ANY_CLUSTER).filter(|_| !is_known)?.answer.as_ref()
    }

    /// The tasks of a cluster: those that requests have started, and those that are set or scripted.
    fn tasks(&self, cluster: &str) -> Option<Vec<Task>> {
        let given = [cluster, ANY_CLUSTER].into_iter().find_map(|key| self.own_tasks(key, cluster))?;
        let started = self.starts.tasks(cluster, self.epoch, self.elapsed());
        let mut tasks: Vec<_> =
            started.into_iter().filter(|task| given.iter().all(|known| known.uid != task.uid)).collect();
        tasks.extend(given);
        Some(tasks)
    }

    /// The tasks that the entry `key` gives for a cluster.
    fn own_tasks(&self, key: &str, cluster: &str) -> Option<Vec<Task>> {
        if let Some(tasks) = self.settings.get(key).and_then(|settings| settings.tasks.as_ref()) {
            return Some(tasks.clone());
        }
        let script = self.scenario.clusters.get(key)?;
        let moments = script.play(self.elapsed());
        Some(moments.iter().map(|moment| moment.task(cluster, self.epoch)).collect())
    }

    fn strike(&mut self, key: &str) -> Option<Fault> {
        let settings = self.settings.get_mut(key)?;
        let fault = settings.fault.clone()?;
        settings.fault = fault.spent();
        Some(fault)
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
        *self.upgrades.requests.entry(cluster.to_owned()).or_default() += 1;
        let answer = self.upgrades_answer(cluster);
        match (self.upgrades.strike(cluster), answer) {
            (Some(fault), answer) => Outcome::Fault(fault, answer),
            (None, Some(answer)) => Outcome::Answer(answer),
            (None, None) => self.recorded(Recorded::Upgrades),
        }
    }

    fn upgrades_answer(&self, cluster: &str) -> Option<Value> {
        let set = &self.upgrades;
        if let Some(answer) = set.answers.get(cluster).or_else(|| set.answers.get(ANY_CLUSTER)) {
            return Some(answer.clone());
        }
        let own = set.workflows.get(cluster).or_else(|| set.workflows.get(ANY_CLUSTER));
        let (epoch, elapsed) = (self.epoch, self.elapsed());
        let scripted = [cluster, ANY_CLUSTER].into_iter().find_map(|key| self.scenario.upgrades.get(key));
        let played = || {
            let scripts = scripted.into_iter().flatten();
            scripts.filter_map(|script| script.play(cluster, epoch, elapsed)).collect()
        };
        if own.is_none() && scripted.is_none() && !self.knows(cluster) {
            return None;
        }
        let workflows: Vec<Workflow> = own.cloned().unwrap_or_else(played);
        let items: Vec<_> = workflows.iter().map(|workflow| workflow.to_json(cluster)).collect();
        Some(json!({ "kind": "List", "apiVersion": "v3", "items": items }))
    }
}
