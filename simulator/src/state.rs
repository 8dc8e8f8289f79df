//! What the simulator knows: credentials, clusters, faults, the clock, and what it has counted.
//!
//! One lock around plain values; every method is short and does no I/O. What a request gets is left to `outcome`, and the
//! HTTP side to `server`.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp, Unit};
use serde::Serialize;
use serde_json::Value;

use crate::{
    backup::{StartFault, Starts},
    cluster::Cluster,
    credential::{Credential, Credentials},
    fault::{Fault, strike},
    identity::{IdentityCall, Issuer},
    scenario::{ANY_CLUSTER, Scenario, Step, recording::Played},
    task::Task,
    upgrade::Workflow,
    writes::Writes,
};

/// Clusters beyond this are counted in the total only, so that no client can fill the memory with made-up ids.
const MAX_COUNTED: usize = 100_000;

/// Requests so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Correctly signed, whatever the answer was.
    pub accepted: u64,
    /// Refused for their signature.
    pub refused: u64,
    /// Of the accepted ones, those that a fault struck.
    pub faulted: u64,
}

/// The requests about one cluster, or for the clusters of a project.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    pub(crate) counts: Counts,
    /// Of the accepted ones, those for a backup.
    pub(crate) starts: u64,
    /// Of the accepted ones, those for the upgrades.
    pub(crate) upgrades: u64,
}

/// What a test or the admin API has set for one cluster or project. A fault outranks an answer, an answer what is listed,
/// and all outrank the scenario.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(crate) fault: Option<Fault>,
    pub(crate) answer: Option<Value>,
    pub(crate) tasks: Option<Vec<Task>>,
    pub(crate) start_fault: Option<StartFault>,
    /// What a backup does that a request starts.
    pub(crate) backup_steps: Option<Vec<Step>>,
    pub(crate) upgrades_fault: Option<Fault>,
    pub(crate) upgrades_answer: Option<Value>,
    pub(crate) upgrades: Option<Vec<Workflow>>,
    /// One for each product, as is the answer.
    pub(crate) clusters_fault: [Option<Fault>; 2],
    pub(crate) clusters_answer: [Option<Value>; 2],
    pub(crate) clusters: Option<Vec<Cluster>>,
}

impl Settings {
    /// Sets the tasks, and fills in the times that they do not have.
    pub(crate) fn set_tasks(&mut self, tasks: Option<Vec<Task>>) {
        let (old, now) = (self.tasks.take().unwrap_or_default(), now());
        self.tasks = tasks.map(|tasks| tasks.into_iter().map(|task| task.filled(&old, now)).collect());
    }
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) credentials: Credentials,
    pub(crate) issuer: Issuer,
    pub(crate) latency: Duration,
    /// How far the clock that judges signatures and dates answers is ahead of the true one.
    pub(crate) skew: SignedDuration,
    pub(crate) total: Counts,
    pub(crate) requests: HashMap<String, Requests>,
    pub(crate) starts: Starts,
    pub(crate) writes: Writes,
    pub(crate) scenario: Scenario,
    pub(crate) played: Played,
    pub(crate) epoch: Timestamp,
    started: Instant,
    /// By the id of a cluster or project, or [`ANY_CLUSTER`].
    settings: HashMap<String, Settings>,
}

/// The state, shared by every connection. The methods that steer it are in `steering`.
#[derive(Debug)]
pub struct State {
    inner: Mutex<Inner>,
    pub(crate) in_flight: AtomicU64,
    pub(crate) most_in_flight: AtomicU64,
    request_ids: AtomicU64,
}

impl State {
    pub(crate) fn new(scenario: Scenario) -> Self {
        let inner = Inner {
            credentials: Credentials::default(),
            issuer: Issuer::default(),
            latency: Duration::ZERO,
            skew: SignedDuration::ZERO,
            total: Counts::default(),
            requests: HashMap::new(),
            starts: Starts::default(),
            writes: Writes::default(),
            scenario,
            played: Played::default(),
            epoch: now(),
            started: Instant::now(),
            settings: HashMap::new(),
        };
        Self {
            inner: Mutex::new(inner),
            in_flight: AtomicU64::new(0),
            most_in_flight: AtomicU64::new(0),
            request_ids: AtomicU64::new(0),
        }
    }

    /// The values. Ignores poisoning: no method panics half-way, so a panic elsewhere leaves them consistent.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time of the gateway, which may be told to be off.
    pub(crate) fn clock(&self) -> Timestamp {
        let now = Timestamp::now();
        now.checked_add(self.lock().skew).unwrap_or(now)
    }

    /// Counts a request as in flight until the guard is dropped.
    pub(crate) fn enter(&self) -> InFlight<'_> {
        let now = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_in_flight.fetch_max(now, Ordering::Relaxed);
        InFlight(self)
    }

    /// The id of a request: 32 hexadecimal digits, different each time.
    pub(crate) fn request_id(&self) -> String {
        format!("{:032x}", self.request_ids.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

impl Inner {
    /// Starts the scenario anew.
    pub(crate) fn restart(&mut self) {
        self.epoch = now();
        self.started = Instant::now();
        self.played = Played::default();
        self.starts.restart();
    }

    /// A new temporary credential, which the endpoint accepts until it expires.
    pub(crate) fn issue(&mut self, call: IdentityCall, now: Timestamp) -> Credential {
        self.credentials.prune(now);
        let issued = self.issuer.credential(call, now);
        self.credentials.put(issued.clone());
        issued
    }

    /// Counts a request by what came of its signature.
    pub(crate) fn count(&mut self, cluster: &str, accepted: bool) {
        let add = |counts: &mut Counts| {
            if accepted {
                counts.accepted += 1;
            } else {
                counts.refused += 1;
            }
        };
        add(&mut self.total);
        if let Some(requests) = self.requests_of(cluster) {
            add(&mut requests.counts);
        }
    }

    pub(crate) fn elapsed(&self) -> SignedDuration {
        SignedDuration::try_from(self.started.elapsed()).unwrap_or(SignedDuration::MAX)
    }

    pub(crate) fn requests_of(&mut self, id: &str) -> Option<&mut Requests> {
        if !self.requests.contains_key(id) && self.requests.len() >= MAX_COUNTED {
            return None;
        }
        Some(self.requests.entry(id.to_owned()).or_default())
    }

    /// What is set for a cluster or project alone, to be changed.
    pub(crate) fn settings(&mut self, id: &str) -> &mut Settings {
        self.settings.entry(id.to_owned()).or_default()
    }

    /// What is set for a cluster or project alone.
    pub(crate) fn own<'a, T>(
        &'a self,
        id: &str,
        field: impl Fn(&'a Settings) -> &'a Option<T>,
    ) -> Option<&'a T> {
        field(self.settings.get(id)?).as_ref()
    }

    /// What is set for a cluster, or else for all.
    pub(crate) fn set<'a, T>(
        &'a self,
        id: &str,
        field: impl Fn(&'a Settings) -> &'a Option<T>,
    ) -> Option<&'a T> {
        self.own(id, &field).or_else(|| self.own(ANY_CLUSTER, &field))
    }

    /// The fault that is set for a cluster, or else for all; with a count it then strikes one time less.
    pub(crate) fn strike<F: AsMut<Fault> + Clone>(
        &mut self,
        id: &str,
        field: impl Fn(&mut Settings) -> &mut Option<F>,
    ) -> Option<F> {
        [id, ANY_CLUSTER].into_iter().find_map(|id| strike(field(self.settings.get_mut(id)?)))
    }
}

/// The time, rounded to microseconds as the service gives it.
pub(crate) fn now() -> Timestamp {
    let now = Timestamp::now();
    now.round(Unit::Microsecond).unwrap_or(now)
}

/// Counts a request as in flight until it is dropped.
pub(crate) struct InFlight<'a>(&'a State);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Outcome;

    #[test]
    fn made_up_ids_cost_no_memory_without_end() {
        let state = State::new(Scenario::default());
        let mut inner = state.lock();
        for index in 0..MAX_COUNTED + 10 {
            inner.count(&index.to_string(), false);
        }
        assert_eq!(inner.requests.len(), MAX_COUNTED);
        assert_eq!(inner.total.refused, MAX_COUNTED as u64 + 10);
    }

    #[test]
    fn a_cluster_is_unknown_again_when_what_was_set_is_taken_back() {
        let state = State::new(Scenario::default());
        state.set_tasks("c", Vec::new());
        state.set_answer("c", Value::Null);
        state.set_fault("c", Fault::status(500).times(1)).unwrap();
        assert!(matches!(state.lock().outcome("c"), Outcome::Fault(..)));
        state.clear_tasks("c");
        state.clear_answer("c");
        state.clear_tasks("never set");
        assert!(matches!(state.lock().outcome("c"), Outcome::UnknownCluster));
    }

    #[test]
    fn what_is_set_for_one_outranks_what_is_set_for_all_and_a_fault_is_used_up() {
        let state = State::new(Scenario::default());
        let own = StartFault::Lost(Fault::status(502).times(2));
        let all = StartFault::Refused(Fault::status(403));
        state.set_start_fault("c", own).unwrap();
        state.set_start_fault(ANY_CLUSTER, all.clone()).unwrap();
        let strike = |id| state.lock().strike(id, |settings| &mut settings.start_fault);
        for left in [2, 1] {
            assert_eq!(strike("c"), Some(StartFault::Lost(Fault::status(502).times(left))));
        }
        assert_eq!(
            (strike("c"), strike("d"), strike("c")),
            (Some(all.clone()), Some(all.clone()), Some(all))
        );
        state.set_upgrades_answer("c", Some(Value::Bool(true)));
        state.set_upgrades_answer(ANY_CLUSTER, Some(Value::Bool(false)));
        let is_own = |id| state.lock().set(id, |settings| &settings.upgrades_answer).unwrap().as_bool();
        assert_eq!((is_own("c"), is_own("d")), (Some(true), Some(false)));
    }
}
