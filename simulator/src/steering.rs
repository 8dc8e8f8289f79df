//! The ways to steer a simulator from a test. The admin API has some of them.

use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};

use jiff::SignedDuration;
use serde_json::Value;

use crate::{
    backup::StartFault,
    cluster::{Cluster, Product},
    credential::Credential,
    fault::{Fault, FaultError},
    identity::{Identity, IdentityCall, IdentityCounts},
    scenario::{Scenario, Step},
    state::{Counts, State, now},
    task::Task,
    upgrade::Workflow,
};

impl State {
    /// Lists these tasks for a cluster from now on, or for all without an entry of their own (`*`).
    pub fn set_tasks(&self, cluster: &str, tasks: impl IntoIterator<Item = Task>) {
        let now = now();
        self.lock().change(cluster, |settings| {
            let old = settings.tasks.take().unwrap_or_default();
            settings.tasks = Some(tasks.into_iter().map(|task| task.filled(&old, now)).collect());
        });
    }

    /// Removes the tasks that were set, so that the scenario decides again.
    pub fn clear_tasks(&self, cluster: &str) {
        self.lock().change(cluster, |settings| settings.tasks = None);
    }

    /// Answers with this JSON, whatever its shape, in place of tasks and scenario.
    pub fn set_answer(&self, cluster: &str, answer: Value) {
        self.lock().change(cluster, |settings| settings.answer = Some(answer));
    }

    /// Removes the answer that was set, so that tasks or scenario decide again.
    pub fn clear_answer(&self, cluster: &str) {
        self.lock().change(cluster, |settings| settings.answer = None);
    }

    /// Sets the fault that strikes correctly signed requests for a cluster, known or not, or for all clusters without a
    /// fault of their own (`*`).
    pub fn set_fault(&self, cluster: &str, fault: impl Into<Fault>) -> Result<(), FaultError> {
        let fault = fault.into();
        fault.check()?;
        self.lock().change(cluster, |settings| settings.fault = Some(fault));
        Ok(())
    }

    /// Removes the fault of a cluster.
    pub fn clear_fault(&self, cluster: &str) {
        self.lock().change(cluster, |settings| settings.fault = None);
    }

    /// Sets the steps of backups that are started from now on, for a cluster or for all without an entry of their own
    /// (`*`).
    pub fn set_backup_steps(&self, cluster: &str, steps: Vec<Step>) {
        self.lock().starts.set_steps(cluster, steps);
    }

    /// Sets the fault that strikes correctly signed requests for a backup of a cluster, or of all without a fault of
    /// their own (`*`).
    pub fn set_start_fault(&self, cluster: &str, fault: StartFault) -> Result<(), FaultError> {
        fault.fault().check()?;
        self.lock().starts.set_fault(cluster, Some(fault));
        Ok(())
    }

    /// Removes a fault that [`Self::set_start_fault`] has set.
    pub fn clear_start_fault(&self, cluster: &str) {
        self.lock().starts.set_fault(cluster, None);
    }

    /// How many correctly signed requests for a backup of a cluster there were, whatever the answers.
    pub fn start_requests(&self, cluster: &str) -> u64 {
        self.lock().starts.requests(cluster)
    }

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

    /// Lists these clusters for a project from now on, in place of those of the scenario.
    pub fn set_clusters(&self, project: &str, clusters: impl IntoIterator<Item = Cluster>) {
        self.lock().listings.set(project, clusters.into_iter().collect());
    }

    /// Answers a list of clusters with this JSON, whatever its shape.
    pub fn set_clusters_answer(&self, product: Product, project: &str, answer: Value) {
        self.lock().listings.set_answer(product, project, Some(answer));
    }

    /// Sets the fault that strikes correctly signed requests for a list of clusters.
    pub fn set_clusters_fault(
        &self,
        product: Product,
        project: &str,
        fault: impl Into<Fault>,
    ) -> Result<(), FaultError> {
        let fault = fault.into();
        fault.check()?;
        self.lock().listings.set_fault(product, project, Some(fault));
        Ok(())
    }

    /// Removes a fault that [`Self::set_clusters_fault`] has set.
    pub fn clear_clusters_fault(&self, product: Product, project: &str) {
        self.lock().listings.set_fault(product, project, None);
    }

    /// Plays another scenario from its start.
    pub fn set_scenario(&self, scenario: Scenario) {
        let mut inner = self.lock();
        inner.scenario = scenario;
        inner.restart();
    }

    /// Plays the scenario from its start.
    pub fn restart(&self) {
        self.lock().restart();
    }

    /// Accepts a credential, in place of the one with the same access key.
    pub fn add_credential(&self, credential: Credential) {
        self.lock().credentials.put(credential);
    }

    /// Stops accepting an access key; returns whether it was accepted before.
    pub fn remove_credential(&self, access_key: &str) -> bool {
        self.lock().credentials.remove(access_key)
    }

    /// Sets how long each request waits before it is checked.
    pub fn set_latency(&self, latency: Duration) {
        self.lock().latency = latency;
    }

    /// Sets the clock ahead, or back, that signatures are checked against and answers are dated by.
    pub fn set_clock_skew(&self, skew: SignedDuration) {
        self.lock().skew = skew;
    }

    /// Sets who gets temporary credentials from now on; what was issued stays accepted.
    pub fn set_identity(&self, identity: Identity) {
        self.lock().issuer.rules = identity;
    }

    /// Sets the fault that strikes a call to IAM or pod identity, before any check.
    pub fn set_identity_fault(&self, call: IdentityCall, fault: impl Into<Fault>) -> Result<(), FaultError> {
        let fault = fault.into();
        fault.check()?;
        self.lock().issuer.faults.insert(call, fault);
        Ok(())
    }

    /// Revokes at once every credential that expires, the issued ones among them.
    pub fn revoke_issued(&self) {
        self.lock().credentials.remove_temporary();
    }

    /// The counts of a call to IAM or pod identity.
    pub fn identity_counts(&self, call: IdentityCall) -> IdentityCounts {
        self.lock().issuer.counts.get(&call).copied().unwrap_or_default()
    }

    /// How many requests for a cluster, or for the clusters of a project, there were, whatever the answers.
    pub fn requests(&self, cluster: &str) -> u64 {
        let counts = self.counts(cluster);
        counts.accepted + counts.refused
    }

    /// The counts of the requests for a cluster.
    pub fn counts(&self, cluster: &str) -> Counts {
        self.lock().clusters.get(cluster).copied().unwrap_or_default()
    }

    /// The counts of the requests for all clusters together.
    pub fn total(&self) -> Counts {
        self.lock().total
    }

    /// The counts of the requests for each cluster that was asked for.
    pub fn counts_by_cluster(&self) -> BTreeMap<String, Counts> {
        self.lock().clusters.iter().map(|(cluster, counts)| (cluster.clone(), *counts)).collect()
    }

    /// The highest number of concurrent requests.
    pub fn max_concurrent(&self) -> u64 {
        self.most_in_flight.load(Ordering::Relaxed)
    }

    /// Sets all counts to zero.
    pub fn reset_counts(&self) {
        let mut inner = self.lock();
        inner.total = Counts::default();
        inner.clusters.clear();
        inner.issuer.counts.clear();
        inner.starts.reset_counts();
        inner.upgrades.reset_counts();
        self.most_in_flight.store(self.in_flight.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}
