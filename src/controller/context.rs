//! What every reconcile shares, and the view of one resource that the steps pass along.

use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;

use super::{freshness, identity, memory::Memory, object::key, plan};
use crate::api::{
    ClusterBackupWatch, ClusterBackupWatchSpec, ClusterBackupWatchStatus, DISPLAY_NAME, REQUESTED_AT,
};
use crate::clock::Clock;
use crate::cloud::{
    Answer,
    fault::{Fault, FaultKind},
    target::{ClusterId, ProjectId, Region, Target, TargetError},
};
use crate::poll::{Demand, Outcome, WatchKey, driver::Poller};
use crate::serve::metrics::Metrics;
use crate::upgrade;

/// What every reconcile shares.
pub struct Context<A> {
    /// Access to Kubernetes.
    pub api_server: A,
    /// The `reportingInstance` of the Events: the name of the pod.
    pub instance: String,
    /// The polling engine.
    pub poller: Poller,
    /// The namespaces that the operator's own identity serves; `*` is all of them.
    pub served: Vec<String>,
    /// The labels by which the resources of this process are told from those of other shards; the store keeps no others.
    pub labels: Vec<String>,
    /// What is remembered of each watch.
    pub memory: Memory,
    /// Limits the reconciles at a time, over all namespaces.
    pub slots: tokio::sync::Semaphore,
    /// The counters of reconciles and writes.
    pub metrics: Metrics,
    /// The clock.
    pub clock: Clock,
}

/// One resource, as a reconcile sees it.
pub struct View<'a> {
    /// The resource.
    pub watch: &'a ClusterBackupWatch,
    /// `metadata.namespace`
    pub namespace: &'a str,
    /// `metadata.name`
    pub name: &'a str,
    /// `metadata.uid`
    pub uid: &'a str,
    /// What the user wants.
    pub spec: &'a ClusterBackupWatchSpec,
    /// What the resource says so far.
    pub status: &'a ClusterBackupWatchStatus,
    /// A request to poll that was not handled yet.
    pub request: Option<String>,
}

impl<'a> View<'a> {
    /// The view of a resource; `nothing` stands in for a status that is not there.
    pub fn of(watch: &'a ClusterBackupWatch, nothing: &'a ClusterBackupWatchStatus) -> Self {
        let status = watch.status.as_ref().unwrap_or(nothing);
        // While polling is suspended, a request waits for the end of the suspension.
        let request = watch
            .annotations()
            .get(REQUESTED_AT)
            .filter(|_| !watch.spec.suspend)
            .map(|value| plan::echo(value))
            .filter(|value| status.last_handled_reconcile_at.as_ref() != Some(value));
        Self {
            watch,
            namespace: watch.metadata.namespace.as_deref().unwrap_or_default(),
            name: watch.metadata.name.as_deref().unwrap_or_default(),
            uid: watch.metadata.uid.as_deref().unwrap_or_default(),
            spec: &watch.spec,
            status,
            request,
        }
    }

    /// Its key in the engine.
    pub fn key(&self) -> WatchKey {
        key(Some(self.namespace), Some(self.name))
    }

    /// The hash of its status, for [`freshness`].
    pub fn status_hash(&self) -> u64 {
        freshness::hash(self.status)
    }

    /// What the watch wants from the engine, or the fault because of which no poll can be made for it.
    pub fn demand(&self, served: &[String], now: Timestamp) -> Result<Demand, Fault> {
        let cadence = plan::schedule::cadence(self.spec, self.status.tasks.as_deref(), now);
        let target = target(self.spec)?;
        Ok(Demand {
            uid: self.uid.to_owned(),
            generation: self.watch.metadata.generation,
            source: identity::source(self.spec, &target.region, self.namespace, served)?,
            target,
            cadence,
            spread: plan::schedule::spread(self.status, self.watch.metadata.generation, cadence.period),
            request: self.request.clone(),
            has_record: self.status.tasks.is_some(),
        })
    }

    /// All that a plan depends on.
    pub fn input<'b>(
        &'b self,
        outcome: Option<&'b Outcome>,
        upgrades: Option<&'b (upgrade::Outcome, Option<Arc<Answer>>)>,
        for_request: bool,
        now: Timestamp,
    ) -> plan::Input<'b> {
        plan::Input {
            name: self.name,
            uid: self.uid,
            display_name: self.watch.annotations().get(DISPLAY_NAME).map(String::as_str),
            generation: self.watch.metadata.generation,
            created: self.watch.metadata.creation_timestamp.as_ref().map(|time| time.0),
            spec: self.spec,
            status: self.status,
            outcome,
            upgrades: upgrades.map(|(listed, _)| listed),
            listed: upgrades.and_then(|(_, answer)| answer.as_deref()),
            request: self.request.as_deref().filter(|_| for_request),
            now,
        }
    }
}

/// Parses what the API server has already checked, unless someone changed the CRD.
fn target(spec: &ClusterBackupWatchSpec) -> Result<Target, Fault> {
    let parse = || {
        Ok::<_, TargetError>(Target {
            region: Region::parse(&spec.region)?,
            project_id: ProjectId::parse(&spec.project_id)?,
            cluster_id: ClusterId::parse(&spec.cluster_id)?,
            cluster_type: spec.cluster_type,
        })
    };
    parse()
        .map_err(|error| Fault::new(FaultKind::RequestRejected, format!("the spec cannot be used: {error}")))
}
