//! The running simulator and the ways to steer it from a test.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use jiff::SignedDuration;
use serde_json::Value;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::{
    backup::StartFault,
    cluster::{Cluster, Product},
    credential::Credential,
    fault::{Fault, FaultError},
    identity::{Identity, IdentityCall, IdentityCounts},
    scenario::{Scenario, Step},
    server::{
        self,
        wire::{Door, Peer},
    },
    state::{Counts, State},
    task::Task,
};

/// How a simulator starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it listens; a random loopback port by default.
    pub listen: SocketAddr,
    /// Who may sign; nobody by default.
    pub credentials: Vec<Credential>,
    /// What it plays; nothing by default, so that every cluster is unknown.
    pub scenario: Scenario,
}

impl Default for Config {
    fn default() -> Self {
        Self { listen: ([127, 0, 0, 1], 0).into(), credentials: Vec::new(), scenario: Scenario::default() }
    }
}

impl Config {
    /// A random loopback port and one pair of keys.
    pub fn with_key(access_key: impl Into<String>, secret_key: impl Into<String>) -> Self {
        Self { credentials: vec![Credential::new(access_key, secret_key)], ..Self::default() }
    }
}

/// Why a simulator cannot start.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {listen}")]
pub struct StartError {
    listen: SocketAddr,
    source: std::io::Error,
}

/// A running simulator. Dropping it ends it and every connection to it.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    state: Arc<State>,
    server: JoinHandle<()>,
    /// Dropping it ends every connection.
    _stop: watch::Sender<()>,
}

impl Simulator {
    /// Listens, and serves in the runtime of the caller.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let failed = |source| StartError { listen: config.listen, source };
        let tcp = TcpListener::bind(config.listen).await.map_err(failed)?;
        let address = tcp.local_addr().map_err(failed)?;
        let state = Arc::new(State::new(config.scenario));
        for credential in config.credentials {
            state.lock().credentials.put(credential);
        }
        let (stop, stopped) = watch::channel(());
        let router = server::router(state.clone()).into_make_service_with_connect_info::<Peer>();
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(Door { tcp, stop: stopped }, router).await {
                tracing::error!(%error, "the server ended");
            }
        });
        Ok(Self { address, state, server, _stop: stop })
    }

    /// `http://` and where it listens, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lists these tasks for a cluster from now on, or for all without an entry of their own (`*`).
    pub fn set_tasks(&self, cluster: &str, tasks: impl IntoIterator<Item = Task>) {
        self.state.lock().set_tasks(cluster, tasks.into_iter().collect());
    }

    /// Removes the tasks that were set, so that the scenario decides again.
    pub fn clear_tasks(&self, cluster: &str) {
        self.state.lock().clear_tasks(cluster);
    }

    /// Answers with this JSON, whatever its shape, in place of tasks and scenario.
    pub fn set_answer(&self, cluster: &str, answer: Value) {
        self.state.lock().set_answer(cluster, Some(answer));
    }

    /// Removes the answer that was set, so that tasks or scenario decide again.
    pub fn clear_answer(&self, cluster: &str) {
        self.state.lock().set_answer(cluster, None);
    }

    /// Sets the fault that strikes correctly signed requests for a cluster, known or not, or for all clusters without a
    /// fault of their own (`*`).
    pub fn set_fault(&self, cluster: &str, fault: impl Into<Fault>) -> Result<(), FaultError> {
        let fault = fault.into();
        fault.check()?;
        self.state.lock().set_fault(cluster, Some(fault));
        Ok(())
    }

    /// Removes the fault of a cluster.
    pub fn clear_fault(&self, cluster: &str) {
        self.state.lock().set_fault(cluster, None);
    }

    /// Sets the steps of backups that are started from now on, for a cluster or for all without an entry of their own
    /// (`*`).
    pub fn set_backup_steps(&self, cluster: &str, steps: Vec<Step>) {
        self.state.lock().starts.set_steps(cluster, steps);
    }

    /// Sets the fault that strikes correctly signed requests for a backup of a cluster, or of all without a fault of
    /// their own (`*`).
    pub fn set_start_fault(&self, cluster: &str, fault: StartFault) -> Result<(), FaultError> {
        fault.fault().check()?;
        self.state.lock().starts.set_fault(cluster, Some(fault));
        Ok(())
    }

    /// Removes a fault that [`Self::set_start_fault`] has set.
    pub fn clear_start_fault(&self, cluster: &str) {
        self.state.lock().starts.set_fault(cluster, None);
    }

    /// How many correctly signed requests for a backup of a cluster there were, whatever the answers.
    pub fn start_requests(&self, cluster: &str) -> u64 {
        self.state.lock().starts.requests(cluster)
    }

    /// Lists these clusters for a project from now on, in place of those of the scenario.
    pub fn set_clusters(&self, project: &str, clusters: impl IntoIterator<Item = Cluster>) {
        self.state.lock().listings.set(project, clusters.into_iter().collect());
    }

    /// Answers a list of clusters with this JSON, whatever its shape.
    pub fn set_clusters_answer(&self, product: Product, project: &str, answer: Value) {
        self.state.lock().listings.set_answer(product, project, Some(answer));
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
        self.state.lock().listings.set_fault(product, project, Some(fault));
        Ok(())
    }

    /// Removes a fault that [`Self::set_clusters_fault`] has set.
    pub fn clear_clusters_fault(&self, product: Product, project: &str) {
        self.state.lock().listings.set_fault(product, project, None);
    }

    /// Plays another scenario from its start.
    pub fn set_scenario(&self, scenario: Scenario) {
        self.state.lock().set_scenario(scenario);
    }

    /// Plays the scenario from its start.
    pub fn restart(&self) {
        self.state.lock().restart();
    }

    /// Accepts a credential, in place of the one with the same access key.
    pub fn add_credential(&self, credential: Credential) {
        self.state.lock().credentials.put(credential);
    }

    /// Stops accepting an access key; returns whether it was accepted before.
    pub fn remove_credential(&self, access_key: &str) -> bool {
        self.state.lock().credentials.remove(access_key)
    }

    /// Sets how long each request waits before it is checked.
    pub fn set_latency(&self, latency: Duration) {
        self.state.lock().latency = latency;
    }

    /// Sets the clock that signatures are checked against ahead, or back.
    pub fn set_clock_skew(&self, skew: SignedDuration) {
        self.state.lock().skew = skew;
    }

    /// Sets who gets temporary credentials from now on; what was issued stays accepted.
    pub fn set_identity(&self, identity: Identity) {
        self.state.lock().issuer.rules = identity;
    }

    /// Sets the fault that strikes a call to IAM, pod identity or the metadata service, before any check.
    pub fn set_identity_fault(&self, call: IdentityCall, fault: impl Into<Fault>) -> Result<(), FaultError> {
        let fault = fault.into();
        fault.check()?;
        self.state.lock().issuer.faults.insert(call, fault);
        Ok(())
    }

    /// Removes a fault that [`Self::set_identity_fault`] has set.
    pub fn clear_identity_fault(&self, call: IdentityCall) {
        self.state.lock().issuer.faults.remove(&call);
    }

    /// Revokes at once every credential that expires, the issued ones among them.
    pub fn revoke_issued(&self) {
        self.state.lock().credentials.remove_temporary();
    }

    /// Revokes at once every token of the metadata service.
    pub fn forget_metadata_tokens(&self) {
        self.state.lock().issuer.forget_metadata_tokens();
    }

    /// The counts of a call to IAM, pod identity or the metadata service.
    pub fn identity_counts(&self, call: IdentityCall) -> IdentityCounts {
        self.state.lock().issuer.counts.get(&call).copied().unwrap_or_default()
    }

    /// How many requests for a cluster, or for the clusters of a project, there were, whatever the answers.
    pub fn requests(&self, cluster: &str) -> u64 {
        let counts = self.counts(cluster);
        counts.accepted + counts.refused
    }

    /// The counts of the requests for a cluster.
    pub fn counts(&self, cluster: &str) -> Counts {
        self.state.lock().clusters.get(cluster).copied().unwrap_or_default()
    }

    /// The counts of the requests for all clusters together.
    pub fn total(&self) -> Counts {
        self.state.lock().total
    }

    /// The counts of the requests for each cluster that was asked for.
    pub fn counts_by_cluster(&self) -> BTreeMap<String, Counts> {
        self.state.lock().clusters.iter().map(|(cluster, counts)| (cluster.clone(), *counts)).collect()
    }

    /// The highest number of concurrent requests.
    pub fn max_concurrent(&self) -> u64 {
        self.state.most_in_flight()
    }

    /// Sets all counts to zero.
    pub fn reset_counts(&self) {
        self.state.reset_counts();
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.server.abort();
    }
}
