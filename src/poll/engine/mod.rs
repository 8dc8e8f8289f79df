//! The state machine of polling. Pure: no I/O and no clock, and all randomness comes from the configured seed.
//!
//! This file has the state and the timers. `demand` takes what watches want. A fetch is idle until its timer fires.
//! Then it needs a credential that is fresh enough (`credentials`) and a place in the queue of its account (`way`).
//! `dispatch` sends what may be sent, account by account, and hands the fault of whatever blocks an account to the
//! fetches in its queue. The result of a request comes back through `outcome`, which wakes the watches that have to be
//! told and sets the next timer.

mod credentials;
mod demand;
mod dispatch;
mod housekeeping;
mod outcome;
mod way;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::RandomState;
use std::sync::Arc;
use std::time::{Duration, Instant};

use slab::Slab;

use super::{
    Cadence, Effect, Source, WatchKey,
    account::{Account, Limit},
    breaker::Breaker,
    fetch::{Fetch, State, Watch},
    key::Key,
    source::SourceState,
};
use crate::cloud::{
    region::Endpoints,
    target::{ClusterId, ClusterType, ProjectId, Region},
};

/// The longest wait between two tries.
const LONGEST: Duration = Duration::from_mins(10);
/// The shortest time until a timer fires, so that the loop cannot spin.
const SHORTEST: Duration = Duration::from_millis(100);

/// The configuration of polling.
#[derive(Clone, Debug)]
pub struct Config {
    /// Requests in flight for the whole process.
    pub concurrency: usize,
    /// The rate of each account.
    pub limit: Limit,
    /// The endpoints of the regions.
    pub endpoints: Endpoints,
    /// The seed of the jitter.
    pub seed: u64,
    /// The secret of the hashes, so that nobody outside can predict them.
    pub hasher: RandomState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Fetch(usize),
    Source(usize),
}

type FetchKey = (usize, usize, ClusterId, ClusterType);

/// One host that serves accounts.
#[derive(Debug, Default)]
struct Endpoint {
    /// Scheme, host and port.
    base: String,
    breaker: Breaker,
    in_flight: usize,
    /// The accounts with a queue, in the order in which they are served.
    ring: VecDeque<usize>,
}

/// What the engine looks like from outside, for metrics and probes.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// For each endpoint in use: scheme, host and port, requests in flight, and whether its breaker blocks it.
    pub endpoints: Vec<(String, usize, bool)>,
    /// For each account in use: region, project, and whether it is shut or a breaker blocks it.
    pub accounts: Vec<(String, String, bool)>,
}

/// The state of all polling.
pub struct Engine {
    config: Config,
    random: fastrand::Rng,
    watches: HashMap<WatchKey, Watch>,
    fetches: Slab<Fetch>,
    by_key: HashMap<FetchKey, usize>,
    sources: Slab<SourceState>,
    by_source: HashMap<Arc<Source>, usize>,
    accounts: Slab<Account>,
    by_account: HashMap<(Region, ProjectId), usize>,
    endpoints: Slab<Endpoint>,
    by_endpoint: HashMap<String, usize>,
    keys: HashMap<u64, Key>,
    timers: BTreeSet<(Instant, Timer)>,
    in_flight: usize,
    held: u64,
    effects: Vec<Effect>,
    woken: Vec<WatchKey>,
    start: Instant,
    swept: Instant,
}

impl Engine {
    /// An engine without watches.
    pub fn new(config: Config, now: Instant) -> Self {
        Self {
            random: fastrand::Rng::with_seed(config.seed),
            config,
            watches: HashMap::new(),
            fetches: Slab::new(),
            by_key: HashMap::new(),
            sources: Slab::new(),
            by_source: HashMap::new(),
            accounts: Slab::new(),
            by_account: HashMap::new(),
            endpoints: Slab::new(),
            by_endpoint: HashMap::new(),
            keys: HashMap::new(),
            timers: BTreeSet::new(),
            in_flight: 0,
            held: 0,
            effects: Vec::new(),
            woken: Vec::new(),
            start: now,
            swept: now,
        }
    }

    /// Fires the timers that are due, and returns everything that there is to do at `now`.
    pub fn next(&mut self, now: Instant) -> Vec<Effect> {
        while let Some(&(at, timer)) = self.timers.first() {
            if at > now {
                break;
            }
            self.timers.pop_first();
            match timer {
                Timer::Fetch(id) => self.advance(id, now),
                Timer::Source(id) => {
                    self.sources[id].timer = None;
                    if !self.sources[id].fetches.is_empty() {
                        self.read(id, now);
                    }
                }
            }
        }
        self.dispatch(now);
        self.sweep(now);
        std::mem::take(&mut self.effects)
    }

    /// The watches that have an outcome to take over, each time since the last call.
    pub fn woken(&mut self) -> Vec<WatchKey> {
        std::mem::take(&mut self.woken)
    }

    /// When [`Engine::next`] has something to do again, if nothing else happens before.
    pub fn deadline(&self) -> Option<Instant> {
        let timer = self.timers.first().map(|(at, _)| *at);
        let share = self.shares().1;
        let token = |account: &usize| self.accounts[*account].next_token(share);
        let tokens = self.endpoints.iter().flat_map(|(_, endpoint)| endpoint.ring.iter().filter_map(token));
        tokens.chain(timer).min()
    }

    /// Brings the next poll of an idle fetch forward.
    fn hasten(&mut self, id: usize, due: Instant, now: Instant) {
        let fetch = &self.fetches[id];
        let State::Idle(planned) = fetch.state else { return };
        let due = due.max(fetch.floor(now));
        if due < planned {
            self.set_timer(id, due, now);
        }
    }

    fn set_timer(&mut self, id: usize, due: Instant, now: Instant) {
        if let State::Idle(planned) = self.fetches[id].state {
            self.timers.remove(&(planned, Timer::Fetch(id)));
        }
        // The first request of a fetch may be sent at once.
        let due = if self.fetches[id].sent_at.is_none() { due } else { due.max(now + SHORTEST) };
        self.fetches[id].state = State::Idle(due);
        self.timers.insert((due, Timer::Fetch(id)));
    }

    /// The moment of the newest request of a person that a fetch has to answer.
    fn forced(&self, id: usize) -> Option<Instant> {
        let pending = |key: &WatchKey| self.watches.get(key)?.pending;
        let asked = self.fetches[id].watches.iter().filter_map(pending).filter(|pending| pending.forced);
        asked.map(|pending| pending.since).max()
    }

    /// The shortest cadence that a watch of the fetch wants.
    fn cadence(&self, id: usize) -> Option<Cadence> {
        let cadences = self.fetches[id].watches.iter().filter_map(|key| Some(self.watches.get(key)?.cadence));
        cadences.reduce(|a, b| Cadence {
            period: a.period.min(b.period),
            retry: a.retry.min(b.retry),
            running: a.running || b.running,
        })
    }

    /// A wait with ±10 % of jitter, so that fetches that were polled together drift apart.
    pub fn jitter(&mut self, wait: Duration) -> Duration {
        wait.mul_f64(0.9 + 0.2 * self.random.f64())
    }
}
