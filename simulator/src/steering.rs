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
    state::{Counts, State},
    task::Task,
    upgrade::Workflow,
};

impl State {
    /// Lists these tasks for a cluster from now on, or for all without an entry of their own (`*`).
    pub fn set_tasks(&self, cluster: &str, tasks: impl IntoIterator<Item = Task>) {
        self.lock().settings(cluster).set_tasks(Some(tasks.into_iter().collect()));
    }

    /// Removes the tasks that were set, so that the scenario decides again.
    pub fn clear_tasks(&self, cluster: &str) {
        self.lock().settings(cluster).tasks = None;
    }

    /// Answers with this JSON, whatever its shape, in place of tasks and scenario.
    pub fn set_answer(&self, cluster: &str, answer: Value) {
        self.lock().settings(cluster).answer = Some(answer);
    }

    /// Removes the answer that was set, so that tasks or scenario decide again.
    pub fn clear_answer(&self, cluster: &str) {
        self.lock().settings(cluster).answer = None;
    }

    /// Sets the fault that strikes correctly signed requests for a cluster, known or not, or for all clusters without a
    /// fault of their own (`*`).
    pub fn set_fault(&self, cluster: &str, fault: impl Into<Fault>) -> Result<(), FaultError> {
        self.lock().settings(cluster).fault = Some(fault.into().checked()?);
        Ok(())
    }

    /// Removes the fault of a cluster.
    pub fn clear_fault(&self, cluster: &str) {
        self.lock().settings(cluster).fault = None;
    }

    /// Sets the steps of backups that are started from now on, for a cluster or for all without an entry of their own
    /// (`*`).
    pub fn set_backup_steps(&self, cluster: &str, steps: Vec<Step>) {
        self.lock().settings(cluster).backup_steps = Some(steps);
    }

    /// Sets the fault that strikes correctly signed requests for a backup of a cluster, or of all without a fault of
    /// their own (`*`).
    pub fn set_start_fault(&self, cluster: &str, mut fault: StartFault) -> Result<(), FaultError> {
        fault.as_mut().check()?;
        self.lock().settings(cluster).start_fault = Some(fault);
        Ok(())
    }

    /// How many correctly signed requests for a backup of a cluster there were, whatever the answers.
    pub fn start_requests(&self, cluster: &str) -> u64 {
        self.lock().requests.get(cluster).map_or(0, |requests| requests.starts)
    }

    /// Lists these upgrades of a cluster from now on, or of all without an entry of their own (`*`).
    pub fn set_upgrades(&self, cluster: &str, workflows: impl IntoIterator<Item = Workflow>) {
        self.lock().settings(cluster).upgrades = Some(workflows.into_iter().collect());
    }

    /// Answers a list of upgrades with this JSON, whatever its shape; `None` takes it back.
    pub fn set_upgrades_answer(&self, cluster: &str, answer: Option<Value>) {
        self.lock().settings(cluster).upgrades_answer = answer;
    }

    /// Sets the fault that strikes correctly signed requests for the upgrades of a cluster, or of all without a fault of their
    /// own (`*`). It strikes no other call.
    pub fn set_upgrades_fault(&self, cluster: &str, fault: impl Into<Fault>) -> Result<(), FaultError> {
        self.lock().settings(cluster).upgrades_fault = Some(fault.into().checked()?);
        Ok(())
    }

    /// Removes a fault that [`Self::set_upgrades_fault`] has set.
    pub fn clear_upgrades_fault(&self, cluster: &str) {
        self.lock().settings(cluster).upgrades_fault = None;
    }

    /// How many correctly signed requests for the upgrades of a cluster there were, whatever the answers.
    pub fn upgrade_requests(&self, cluster: &str) -> u64 {
        self.lock().requests.get(cluster).map_or(0, |requests| requests.upgrades)
    }

    /// Lists these clusters for a project from now on, in place of those of the scenario.
    pub fn set_clusters(&self, project: &str, clusters: impl IntoIterator<Item = Cluster>) {
        self.lock().settings(project).clusters = Some(clusters.into_iter().collect());
    }

    /// Answers a list of clusters with this JSON, whatever its shape.
    pub fn set_clusters_answer(&self, product: Product, project: &str, answer: Value) {
        self.lock().settings(project).clusters_answer[product as usize] = Some(answer);
    }

    /// Sets the fault that strikes correctly signed requests for a list of clusters.
    pub fn set_clusters_fault(
        &self,
        product: Product,
        project: &str,
        fault: impl Into<Fault>,
    ) -> Result<(), FaultError> {
        self.lock().settings(project).clusters_fault[product as usize] = Some(fault.into().checked()?);
        Ok(())
    }

    /// Removes a fault that [`Self::set_clusters_fault`] has set.
    pub fn clear_clusters_fault(&self, product: Product, project: &str) {
        self.lock().settings(project).clusters_fault[product as usize] = None;
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
        let fault = fault.into().checked()?;
        self.lock().issuer.faults.insert(call, Some(fault));
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
        self.lock().requests.get(cluster).map(|requests| requests.counts).unwrap_or_default()
    }

    /// The counts of the requests for all clusters together.
    pub fn total(&self) -> Counts {
        self.lock().total
    }

    /// The counts of the requests for each cluster that was asked for.
    pub fn counts_by_cluster(&self) -> BTreeMap<String, Counts> {
        self.lock().requests.iter().map(|(cluster, requests)| (cluster.clone(), requests.counts)).collect()
    }

    /// The highest number of concurrent requests.
    pub fn max_concurrent(&self) -> u64 {
        self.most_in_flight.load(Ordering::Relaxed)
    }

    /// Sets all counts to zero.
    pub fn reset_counts(&self) {
        let mut inner = self.lock();
        inner.total = Counts::default();
        inner.requests.clear();
        inner.issuer.counts.clear();
        self.most_in_flight.store(self.in_flight.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}
