//! What the simulator knows: credentials, clusters, faults, the clock, and what it has counted.
//!
//! One lock around plain values; every method is short and does no I/O. The HTTP side is left to `server`.

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
    backup::{self, StartFault, Starts},
    cluster::{Listings, Product},
    credential::{Credential, Credentials},
    fault::{Fault, FaultKind},
    identity::{IdentityCall, Issuer},
    scenario::{ANY_CLUSTER, Scenario},
    task::{self, Task},
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
struct Settings {
    fault: Option<Fault>,
    answer: Option<Value>,
    tasks: Option<Vec<Task>>,
}

/// What a correctly signed request gets.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The cluster is not known.
    UnknownCluster,
    /// This answer.
    Answer(Value),
    /// This fault, in place of the answer.
    Fault(Fault, Option<Value>),
}

/// What a correctly signed request for a backup gets.
#[derive(Debug)]
pub(crate) enum Start {
    /// The cluster is not known.
    UnknownCluster,
    /// A backup of it runs already.
    Running,
    /// A backup was started; this answer names it.
    Started(Value),
    /// This fault, in place of the answer if there is one.
    Fault(Fault, Option<Value>),
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) credentials: Credentials,
    pub(crate) issuer: Issuer,
    pub(crate) latency: Duration,
    /// How far the clock that judges signatures is ahead of the true one.
    pub(crate) skew: SignedDuration,
    pub(crate) total: Counts,
    pub(crate) clusters: HashMap<String, Counts>,
    pub(crate) starts: Starts,
    pub(crate) listings: Listings,
    scenario: Scenario,
    /// How many exchanges of the scenario's recording were played.
    played: usize,
    epoch: Timestamp,
    started: Instant,
    settings: HashMap<String, Settings>,
}

/// The state, shared by every connection.
#[derive(Debug)]
pub(crate) struct State {
    inner: Mutex<Inner>,
    in_flight: AtomicU64,
    most_in_flight: AtomicU64,
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
            scenario,
            played: 0,
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

    /// Counts a request as in flight until the guard is dropped.
    pub(crate) fn enter(&self) -> InFlight<'_> {
        let now = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_in_flight.fetch_max(now, Ordering::Relaxed);
        InFlight(self)
    }

    pub(crate) fn most_in_flight(&self) -> u64 {
        self.most_in_flight.load(Ordering::Relaxed)
    }

    pub(crate) fn reset_counts(&self) {
        let mut inner = self.lock();
        inner.total = Counts::default();
        inner.clusters.clear();
        inner.issuer.counts.clear();
        inner.starts.reset_counts();
        self.most_in_flight.store(self.in_flight.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// The id of a request: 32 hexadecimal digits, different each time.
    pub(crate) fn request_id(&self) -> String {
        format!("{:032x}", self.request_ids.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

impl Inner {
    pub(crate) fn set_tasks(&mut self, cluster: &str, tasks: Vec<Task>) {
        let before = self.settings.entry(cluster.to_owned()).or_default();
        let now = now();
        let old = before.tasks.take().unwrap_or_default();
        before.tasks = Some(tasks.into_iter().map(|task| task.filled(&old, now)).collect());
    }

    pub(crate) fn clear_tasks(&mut self, cluster: &str) {
        self.change(cluster, |settings| settings.tasks = None);
    }

    pub(crate) fn set_answer(&mut self, cluster: &str, answer: Option<Value>) {
        self.change(cluster, |settings| settings.answer = answer);
    }

    pub(crate) fn set_fault(&mut self, cluster: &str, fault: Option<Fault>) {
        self.change(cluster, |settings| settings.fault = fault);
    }

    pub(crate) fn set_scenario(&mut self, scenario: Scenario) {
        self.scenario = scenario;
        self.restart();
    }

    /// Starts the scenario anew.
    pub(crate) fn restart(&mut self) {
        self.epoch = now();
        self.started = Instant::now();
        self.starts.restart();
        self.played = 0;
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
            (None, None) => match self.recorded(cluster) {
                Some(kind) => Outcome::Fault(kind.into(), None),
                None => Outcome::UnknownCluster,
            },
        }
    }

    /// The next exchange of the scenario's recording, if it has one and nothing outranks the scenario.
    fn recorded(&mut self, cluster: &str) -> Option<FaultKind> {
        let is_set = |settings: &Settings| settings.answer.is_some() || settings.tasks.is_some();
        if [cluster, ANY_CLUSTER].iter().any(|key| self.settings.get(*key).is_some_and(is_set)) {
            return None;
        }
        let kind = self.scenario.recording.as_ref()?.exchange(self.played);
        self.played += 1;
        Some(kind)
    }

    /// What a correctly signed request for a backup of a cluster gets; starts the backup, unless a fault or a running
    /// one prevents it.
    pub(crate) fn start(&mut self, cluster: &str) -> Start {
        self.starts.count(cluster);
        match self.starts.strike(cluster) {
            Some(StartFault::Refused(fault)) => return Start::Fault(fault, None),
            Some(StartFault::Lost(fault)) => {
                return match self.started_answer(cluster) {
                    Some(answer) => Start::Fault(fault, Some(answer)),
                    None => Start::UnknownCluster,
                };
            }
            None => {}
        }
        if self.tasks(cluster).is_some_and(|tasks| tasks.iter().any(Task::is_running)) {
            return Start::Running;
        }
        self.started_answer(cluster).map_or(Start::UnknownCluster, Start::Started)
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

    fn elapsed(&self) -> SignedDuration {
        SignedDuration::try_from(self.started.elapsed()).unwrap_or(SignedDuration::MAX)
    }

    fn strike(&mut self, key: &str) -> Option<Fault> {
        let settings = self.settings.get_mut(key)?;
        let fault = settings.fault.clone()?;
        settings.fault = fault.spent();
        Some(fault)
    }

    fn counts_of(&mut self, cluster: &str) -> Option<&mut Counts> {
        if !self.clusters.contains_key(cluster) && self.clusters.len() >= MAX_COUNTED {
            return None;
        }
        Some(self.clusters.entry(cluster.to_owned()).or_default())
    }

    fn change(&mut self, cluster: &str, change: impl FnOnce(&mut Settings)) {
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
        let mut inner = state.lock();
        inner.set_tasks("c", Vec::new());
        inner.set_answer("c", Some(Value::Null));
        inner.set_fault("c", Some(Fault::status(500).times(1)));
        assert!(matches!(inner.outcome("c"), Outcome::Fault(..)));
        inner.clear_tasks("c");
        inner.set_answer("c", None);
        inner.clear_tasks("never set");
        assert!(inner.settings.is_empty());
        assert!(matches!(inner.outcome("c"), Outcome::UnknownCluster));
    }
}
