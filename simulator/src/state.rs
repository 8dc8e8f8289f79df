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
    backup::Starts,
    cluster::Listings,
    credential::{Credential, Credentials},
    fault::Fault,
    identity::{IdentityCall, Issuer},
    scenario::{Scenario, recording::Played},
    task::Task,
    upgrades::Upgrades,
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

/// What a test or the admin API has set for one cluster. Each field outranks those below it, and all outrank the
/// scenario.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(crate) fault: Option<Fault>,
    pub(crate) answer: Option<Value>,
    pub(crate) tasks: Option<Vec<Task>>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) credentials: Credentials,
    pub(crate) issuer: Issuer,
    pub(crate) latency: Duration,
    /// How far the clock that judges signatures and dates answers is ahead of the true one.
    pub(crate) skew: SignedDuration,
    pub(crate) total: Counts,
    pub(crate) clusters: HashMap<String, Counts>,
    pub(crate) starts: Starts,
    pub(crate) listings: Listings,
    pub(crate) writes: Writes,
    pub(crate) upgrades: Upgrades,
    pub(crate) scenario: Scenario,
    pub(crate) played: Played,
    pub(crate) epoch: Timestamp,
    started: Instant,
    pub(crate) settings: HashMap<String, Settings>,
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
            clusters: HashMap::new(),
            starts: Starts::default(),
            listings: Listings::default(),
            writes: Writes::default(),
            upgrades: Upgrades::default(),
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
        if let Some(counts) = self.counts_of(cluster) {
            add(counts);
        }
    }

    pub(crate) fn elapsed(&self) -> SignedDuration {
        SignedDuration::try_from(self.started.elapsed()).unwrap_or(SignedDuration::MAX)
    }

    pub(crate) fn counts_of(&mut self, cluster: &str) -> Option<&mut Counts> {
        if !self.clusters.contains_key(cluster) && self.clusters.len() >= MAX_COUNTED {
            return None;
        }
        Some(self.clusters.entry(cluster.to_owned()).or_default())
    }

    /// Changes the settings of a cluster, and forgets those that say nothing any more.
    pub(crate) fn change(&mut self, cluster: &str, change: impl FnOnce(&mut Settings)) {
        let settings = self.settings.entry(cluster.to_owned()).or_default();
        change(settings);
        if settings.fault.is_none() && settings.answer.is_none() && settings.tasks.is_none() {
            self.settings.remove(cluster);
        }
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
        assert_eq!(inner.clusters.len(), MAX_COUNTED);
        assert_eq!(inner.total.refused, MAX_COUNTED as u64 + 10);
    }

    #[test]
    fn settings_that_are_taken_back_leave_nothing_behind() {
        let state = State::new(Scenario::default());
        state.set_tasks("c", Vec::new());
        state.set_answer("c", Value::Null);
        state.set_fault("c", Fault::status(500).times(1)).unwrap();
        assert!(matches!(state.lock().outcome("c"), Outcome::Fault(..)));
        state.clear_tasks("c");
        state.clear_answer("c");
        state.clear_tasks("never set");
        assert!(state.lock().settings.is_empty());
        assert!(matches!(state.lock().outcome("c"), Outcome::UnknownCluster));
    }
}
