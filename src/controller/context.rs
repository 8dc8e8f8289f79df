//! What every reconcile shares, and the view of one resource that the steps pass along.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;

use super::{drain::Ring, identity, plan, retry::Retries, trigger::Triggers};
use crate::api::{
    ClusterBackupWatch, ClusterBackupWatchSpec, ClusterBackupWatchStatus, REQUESTED_AT, Reason,
    condition::{self, types},
};
use crate::clock::Clock;
use crate::cloud::{
    fault::{Fault, FaultKind},
    target::{ClusterId, ProjectId, Region, Target, TargetError},
};
use crate::poll::{Basis, Demand, Outcome, WatchKey, driver::Poller};
use crate::serve::metrics::Metrics;

/// The longest spread of the first poll after a restart, for a stalled watch and for one whose polls fail.
const STALLED: Duration = Duration::from_secs(30);
const FAILING: Duration = Duration::from_mins(10);

/// What every reconcile shares.
pub struct Context<A> {
    /// Access to Kubernetes.
    pub api_server: A,
    /// The `reportingInstance` of the Events: the name of the pod.
    pub instance: String,
    /// The polling engine.
    pub poller: Poller,
    /// This process as a shard, if it is one.
    pub ring: Option<Ring>,
    /// The namespaces that the operator's own identity serves; `*` is all of them.
    pub served: Vec<String>,
    /// What could not be written, and when it is retried.
    pub retries: Retries,
    /// What each resource was when it last triggered a reconcile.
    pub triggers: Triggers,
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

    /// `metadata.resourceVersion`
    pub fn version(&self) -> &str {
        self.watch.metadata.resource_version.as_deref().unwrap_or_default()
    }

    /// The version of the resource that outcomes are planned onto.
    pub fn basis(&self) -> Basis {
        let mut hash = DefaultHasher::new();
        // A status is made of strings and numbers, so it can always be written as JSON.
        serde_json::to_vec(self.status).unwrap_or_default().hash(&mut hash);
        Basis { resource_version: self.version().to_owned(), status: hash.finish() }
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
            spread: self.spread(cadence.period),
            request: self.request.clone(),
            basis: self.basis(),
            has_record: self.status.tasks.is_some(),
        })
    }

    /// All that a plan depends on.
    pub fn input<'b>(
        &'b self,
        outcome: Option<&'b Outcome>,
        for_request: bool,
        now: Timestamp,
    ) -> plan::Input<'b> {
        plan::Input {
            name: self.name,
            uid: self.uid,
            generation: self.watch.metadata.generation,
            created: self.watch.metadata.creation_timestamp.as_ref().map(|time| time.0),
            spec: self.spec,
            status: self.status,
            outcome,
            request: self.request.as_deref().filter(|_| for_request),
            now,
        }
    }

    /// The time over which the first poll after a restart may be spread; `None` polls a watch without a verdict on its
    /// spec at once. A watch that is not Ready does not wait for its whole interval, which may be a day.
    fn spread(&self, period: Duration) -> Option<Duration> {
        let ready = condition::find(&self.status.conditions, types::READY)?;
        let unpolled = [Reason::NotYetPolled, Reason::Suspended, Reason::InvalidResource];
        if unpolled.iter().any(|reason| ready.reason == *reason)
            || self.status.observed_generation != self.watch.metadata.generation
        {
            return None;
        }
        Some(match Reason::parse(&ready.reason).filter(|_| ready.status == "False") {
            Some(reason) if reason.stalls() => period.min(STALLED),
            Some(_) => period.min(FAILING),
            // A requested poll got no answer.
            None if condition::find(&self.status.conditions, types::RECONCILING).is_some() => {
                period.min(FAILING)
            }
            None => period,
        })
    }
}

/// The key of the resource with this namespace and name.
pub fn key(namespace: Option<&str>, name: Option<&str>) -> WatchKey {
    format!("{}/{}", namespace.unwrap_or_default(), name.unwrap_or_default()).into()
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A watch that is polled once a day, as an earlier process left it.
    fn left(reason: &str, status: &str, observed: i64) -> ClusterBackupWatch {
        serde_json::from_value(json!({
            "apiVersion": "cce.backupwatch.io/v1alpha1",
            "kind": "ClusterBackupWatch",
            "metadata": { "name": "prod", "namespace": "platform", "uid": "1", "generation": 2 },
            "spec": { "region": "r", "projectID": "p", "clusterID": "c", "interval": "24h" },
            "status": {
                "observedGeneration": observed,
                "conditions": [{
                    "type": "Ready", "status": status, "reason": reason, "message": "",
                    "lastTransitionTime": "2023-11-25T09:03:46Z"
                }],
            },
        }))
        .unwrap()
    }

    #[test]
    fn after_a_restart_a_watch_waits_no_longer_than_what_it_is_about() {
        const DAY: u64 = 24 * 3600;
        for (reason, status, observed, longest) in [
            ("Polled", "True", 2, Some(DAY)),
            ("Polled", "True", 1, None),
            ("NotYetPolled", "Unknown", 2, None),
            ("Suspended", "True", 2, None),
            ("InvalidResource", "False", 2, None),
            ("AuthenticationFailed", "False", 2, Some(30)),
            ("SecretNotFound", "False", 2, Some(30)),
            ("CloudUnavailable", "False", 2, Some(600)),
        ] {
            let (watch, nothing) = (left(reason, status, observed), ClusterBackupWatchStatus::default());
            let spread = View::of(&watch, &nothing).spread(Duration::from_secs(DAY));
            assert_eq!(spread, longest.map(Duration::from_secs), "{reason} {observed}");
        }
        let (mut watch, nothing) = (left("Polled", "True", 2), ClusterBackupWatchStatus::default());
        let conditions = &mut watch.status.as_mut().unwrap().conditions;
        let mut reconciling = conditions[0].clone();
        reconciling.type_ = types::RECONCILING.to_owned();
        conditions.push(reconciling);
        let spread = View::of(&watch, &nothing).spread(Duration::from_secs(DAY));
        assert_eq!(spread, Some(FAILING), "a requested poll that got no answer");
    }
}
