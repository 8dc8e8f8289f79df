//! The list of a cluster's upgrades: what a test has set, else what the scenario plays.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::{
    fault::{Fault, FaultError},
    outcome::Outcome,
    scenario::{ANY_CLUSTER, recording::Recorded},
    state::{Inner, State},
    upgrade::Workflow,
};

/// What a test has set in place of the scenario, by cluster or for all (`*`), and what was asked for.
#[derive(Debug, Default)]
pub(crate) struct Upgrades {
    workflows: HashMap<String, Vec<Workflow>>,
    answers: HashMap<String, Value>,
    faults: HashMap<String, Fault>,
    requests: HashMap<String, u64>,
}

impl Upgrades {
    /// The fault that strikes a call; one with a count then strikes one time less.
    fn strike(&mut self, cluster: &str) -> Option<Fault> {
        let key = [cluster, ANY_CLUSTER].into_iter().find(|key| self.faults.contains_key(*key))?;
        crate::strike::strike(&mut self.faults, key.to_owned(), Fault::spent)
    }

    pub(crate) fn reset_counts(&mut self) {
        self.requests.clear();
    }
}

impl Inner {
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

impl State {
    /// Lists these upgrades of a cluster from now on, or of all without an entry of their own (`*`).
    pub fn set_upgrades(&self, cluster: &str, workflows: impl IntoIterator<Item = Workflow>) {
        self.lock().upgrades.workflows.insert(cluster.to_owned(), workflows.into_iter().collect());
    }

    /// Removes the upgrades that were set, so that the scenario decides again.
    pub fn clear_upgrades(&self, cluster: &str) {
        self.lock().upgrades.workflows.remove(cluster);
    }

    /// Answers a list of upgrades with this JSON, whatever its shape; `None` takes it back.
    pub fn set_upgrades_answer(&self, cluster: &str, answer: Option<Value>) {
        let answers = &mut self.lock().upgrades.answers;
        match answer {
            Some(answer) => answers.insert(cluster.to_owned(), answer),
            None => answers.remove(cluster),
        };
    }

    /// Sets the fault that strikes correctly signed requests for the upgrades of a cluster, or of all without a fault of their
    /// own (`*`). It strikes no other call.
    pub fn set_upgrades_fault(&self, cluster: &str, fault: impl Into<Fault>) -> Result<(), FaultError> {
        let fault = fault.into();
        fault.check()?;
        self.lock().upgrades.faults.insert(cluster.to_owned(), fault);
        Ok(())
    }

    /// Removes a fault that [`Self::set_upgrades_fault`] has set.
    pub fn clear_upgrades_fault(&self, cluster: &str) {
        self.lock().upgrades.faults.remove(cluster);
    }

    /// How many correctly signed requests for the upgrades of a cluster there were, whatever the answers.
    pub fn upgrade_requests(&self, cluster: &str) -> u64 {
        self.lock().upgrades.requests.get(cluster).copied().unwrap_or_default()
    }
}
