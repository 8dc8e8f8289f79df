//! The state machine of polling. Pure: no I/O and no clock, and all randomness comes from the configured seed.
//!
//! This file has the state and the timers. `demand` takes what watches want. A fetch is idle until its timer fires; `way`
//! then leads it past its credential, its key and its account to a queue, or lets it take over the fault of the first that
//! is closed. `dispatch` gives free slots to who is next. The result of a request comes back through `outcome`, which moves
//! the gates, wakes the watches that have to be told, and sets the next timer.

mod blindness;
mod credentials;
mod demand;
mod dispatch;
mod housekeeping;
mod outcome;
mod upgrades;
mod way;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::RandomState;
use std::sync::Arc;
use std::time::{Duration, Instant};

use slotmap::SlotMap;

use super::{
    AccountId, Cadence, Effect, EndpointId, FetchId, Source, SourceId, TenantId, WatchKey,
    account::{Account, Endpoint, Key, Limit, Tenant},
    credential_source::SourceState,
    fetch::{Fetch, Pending, State, Watch},
    policy,
};
use crate::cloud::{
    region::Endpoints,
    target::{ClusterId, ClusterType, ProjectId, Region},
};

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
    /// A poll is due.
    Poll(FetchId),
    /// The watches of a fetch are blind from now on.
    Blind(FetchId),
}

type FetchKey = (AccountId, SourceId, ClusterId, ClusterType);

/// What the engine looks like from outside, for metrics and probes.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// For each endpoint in use: scheme, host and port, requests in flight, and whether none of its accounts is answered.
    pub endpoints: Vec<(String, usize, bool)>,
    /// For each account in use: region, project, and whether it is throttled or not answered, whatever the key.
    pub accounts: Vec<(Region, ProjectId, bool)>,
}

/// The state of all polling.
pub struct Engine {
    config: Config,
    random: fastrand::Rng,
    watches: HashMap<WatchKey, Watch>,
    fetches: SlotMap<FetchId, Fetch>,
    by_key: HashMap<FetchKey, FetchId>,
    sources: SlotMap<SourceId, SourceState>,
    by_source: HashMap<Arc<Source>, SourceId>,
    endpoints: SlotMap<EndpointId, Endpoint>,
    by_endpoint: HashMap<String, EndpointId>,
    accounts: SlotMap<AccountId, Account>,
    by_account: HashMap<(Region, ProjectId), AccountId>,
    tenants: SlotMap<TenantId, Tenant>,
    by_tenant: HashMap<(AccountId, u64), TenantId>,
    keys: HashMap<u64, Key>,
    timers: BTreeSet<(Instant, Timer)>,
    /// The sources that wait to be read, and how many are being read.
    reads: VecDeque<SourceId>,
    reading: usize,
    in_flight: usize,
    /// Lists of upgrades under way.
    listing: usize,
    /// How many requests were sent.
    sent: u64,
    effects: Vec<Effect>,
    woken: Vec<WatchKey>,
    swept: Instant,
}

impl Engine {
    /// An engine without watches.
    pub fn new(config: Config, now: Instant) -> Self {
        Self {
            random: fastrand::Rng::with_seed(config.seed),
            config,
            watches: HashMap::new(),
            fetches: SlotMap::default(),
            by_key: HashMap::new(),
            sources: SlotMap::default(),
            by_source: HashMap::new(),
            endpoints: SlotMap::default(),
            by_endpoint: HashMap::new(),
            accounts: SlotMap::default(),
            by_account: HashMap::new(),
            tenants: SlotMap::default(),
            by_tenant: HashMap::new(),
            keys: HashMap::new(),
            timers: BTreeSet::new(),
            reads: VecDeque::new(),
            reading: 0,
            in_flight: 0,
            listing: 0,
            sent: 0,
            effects: Vec::new(),
            woken: Vec::new(),
            swept: now,
        }
    }

    /// Fires the timers that are due, and returns everything that there is to do at `now`.
    pub fn next(&mut self, now: Instant) -> Vec<Effect> {
        while let Some((_, timer)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.pop_first();
            match timer {
                Timer::Poll(id) => self.advance(id, now),
                Timer::Blind(id) => {
                    // What a token lets pass that has come since is sent first: only then is it known what the others wait for.
                    self.dispatch(now);
                    self.say_blind(id, now);
                }
            }
        }
        self.dispatch(now);
        self.start_reads(now);
        self.sweep(now);
        self.check(now);
        std::mem::take(&mut self.effects)
    }

    /// The watches that have an outcome to take over, each time since the last call.
    pub fn woken(&mut self) -> Vec<WatchKey> {
        std::mem::take(&mut self.woken)
    }

    /// When [`Engine::next`] has something to do again after `now`, if nothing else happens before.
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        let timer = self.timers.first().map(|(at, _)| *at);
        let waiting = self.endpoints.iter().flat_map(|(_, endpoint)| endpoint.waiting.iter());
        let tokens = waiting
            .filter(|id| self.lacks_only_a_token(**id, now))
            .map(|id| self.accounts[*id].bucket.next_token());
        tokens.chain(timer).min()
    }

    /// Brings the next poll of an idle fetch forward.
    fn hasten(&mut self, id: FetchId, due: Instant, now: Instant) {
        let fetch = &self.fetches[id];
        let due = due.max(fetch.floor(now));
        if matches!(fetch.state, State::Idle(planned) if due < planned) {
            self.set_timer(id, due, now);
        }
    }

    fn set_timer(&mut self, id: FetchId, due: Instant, now: Instant) {
        self.cancel_timer(id);
        let fetch = &mut self.fetches[id];
        // The first request of a fetch may be sent at once.
        let due = if fetch.sent_at.is_none() && fetch.blocked.is_none() {
            due
        } else {
            due.max(now + policy::SHORTEST)
        };
        fetch.state = State::Idle(due);
        self.timers.insert((due, Timer::Poll(id)));
    }

    fn cancel_timer(&mut self, id: FetchId) {
        if let State::Idle(planned) = self.fetches[id].state {
            self.timers.remove(&(planned, Timer::Poll(id)));
        }
    }

    fn pending(&self, id: FetchId) -> impl Iterator<Item = Pending> {
        self.fetches[id].watches.iter().filter_map(|key| self.watches.get(key)?.pending)
    }

    /// The moment of the newest request of a person that a fetch has to answer.
    fn requested(&self, id: FetchId) -> Option<Instant> {
        self.pending(id).filter(|pending| pending.requested).map(|pending| pending.since).max()
    }

    /// The shortest cadence that a watch of the fetch wants.
    fn cadence(&self, id: FetchId) -> Cadence {
        let cadences = self.fetches[id].watches.iter().filter_map(|key| Some(self.watches.get(key)?.cadence));
        let shortest = cadences.reduce(|a, b| Cadence {
            period: a.period.min(b.period),
            retry: a.retry.min(b.retry),
            running: a.running || b.running,
            upgrades: a.upgrades.into_iter().chain(b.upgrades).min(),
        });
        shortest.unwrap_or(Cadence {
            period: policy::OWN_LONGEST,
            retry: policy::OWN_LONGEST,
            running: false,
            upgrades: None,
        })
    }

    /// A wait with ±10 % of jitter, so that fetches that were polled together drift apart.
    pub fn jitter(&mut self, wait: Duration) -> Duration {
        wait.mul_f64(0.9 + 0.2 * self.random.f64())
    }

    /// A moment within `spread` after `time`.
    fn within(&mut self, time: Instant, spread: Duration) -> Instant {
        time + spread.mul_f64(self.random.f64())
    }
}
