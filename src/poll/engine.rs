//! The state machine of polling. Pure: no I/O, no clock and no randomness of its own.
//!
//! A fetch is idle until its timer rings. Then it goes through [`Engine::advance`]: it needs a credential that is fresh
//! enough, then a place in the queue of its account. [`Engine::dispatch`] sends what may be sent, account by account, and
//! hands the fault of whatever blocks an account to those who wait there. What a request brought comes back through
//! [`Engine::fetched`], is told to the watches that learn something by it, and sets the next timer.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use slab::Slab;

use super::{
    Cadence, Demand, Effect, FAILURES_TO_REPORT, Fetched, News, Outcome, Request, Resolution, Settled,
    Source, WatchKey,
    account::{Account, Limit},
    backoff,
    breaker::{Admission, Breaker},
    fetch::{Fetch, Flight, Pending, State, Watch},
    held::Held,
    key::{Key, Standing},
    later,
    queue::Class,
    source::SourceState,
};
use crate::cloud::{
    fault::{Fault, FaultKind},
    region::Endpoints,
    target::{ClusterId, ClusterType, ProjectId, Region, Target},
};

/// The longest wait between two tries.
const LONGEST: Duration = Duration::from_mins(10);
/// The first wait after a cluster denied access, doubled each time.
const DENIED: Duration = Duration::from_mins(1);
/// How often a fetch that something blocks looks whether it still does.
const BLOCKED: Duration = Duration::from_secs(3);
/// No timer rings sooner: nothing here can spin.
const SHORTEST: Duration = Duration::from_millis(100);
/// How long an answer that does not change goes without being looked at in full.
const FULL: Duration = Duration::from_hours(1);
/// Over how long the fetches of an endpoint are spread that answers again.
const SPREAD: Duration = Duration::from_secs(10);
/// How often what nobody uses any more is dropped.
const SWEEP: Duration = Duration::from_mins(1);
const MISSING_FOR_LONG: &str = "the API server has handed out no Secret for minutes: check its health";

/// What an operator may choose about polling.
#[derive(Clone, Debug)]
pub struct Config {
    /// Requests in flight for the whole process.
    pub concurrency: usize,
    /// The rate of each account.
    pub limit: Limit,
    /// Where the regions are.
    pub endpoints: Endpoints,
    /// For jitter.
    pub seed: u64,
    /// For hashes that nobody outside can foresee.
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
    /// For each endpoint: scheme, host and port, requests in flight, and whether its breaker is open.
    pub endpoints: Vec<(String, usize, bool)>,
    /// For each account: region, project, and whether it is shut or its breaker is open.
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

    // What watches want.

    /// Takes what a watch wants; returns what it has not taken over yet.
    pub fn demand(&mut self, key: &WatchKey, demand: &Demand, now: Instant) -> Option<News> {
        let uid = self.config.hasher.hash_one(&demand.uid);
        if self.watches.get(key).is_some_and(|watch| watch.uid != uid) {
            self.forget(key);
        }
        let fetch = self.fetch_of(&demand.target, &demand.source, now);
        let watch = self.watches.get(key).map(|watch| (watch.fetch, watch.request));
        if watch.is_some_and(|(of, _)| of == fetch) {
            self.renew(key, demand, now);
        } else {
            self.forget(key);
            let request = watch.map(|(_, request)| request).unwrap_or_default();
            self.join(key, uid, fetch, demand, request, now);
        }
        self.news(key)
    }

    fn join(&mut self, key: &WatchKey, uid: u64, fetch: usize, demand: &Demand, request: u64, now: Instant) {
        // A watch with a record is told of the next answer, whenever that comes. One without is polled at once; an answer
        // that is half a period old is new enough, so that watches that come together meet on one request.
        let first = demand.spread.is_none();
        let age = if first { demand.cadence.period / 2 } else { Duration::MAX };
        let since = now.checked_sub(age).unwrap_or(self.start);
        let held = &self.fetches[fetch];
        let is_new = held.outcome.is_some() && held.sent_at.is_some_and(|sent| sent >= since);
        let watch = Watch {
            uid,
            generation: demand.generation,
            request,
            fetch,
            cadence: demand.cadence,
            pending: (!is_new).then_some(Pending { since, forced: false, first }),
            judge_at: None,
            taken: 0,
            answered: false,
            told: 0,
            settled: 0,
            edited: false,
        };
        self.watches.insert(key.clone(), watch);
        self.fetches[fetch].watches.push(key.clone());
        let spread = demand.spread.map_or(Duration::ZERO, |spread| spread.mul_f64(self.random.f64()));
        self.hasten(fetch, later(now, spread), now);
        self.ask(key, demand, now);
    }

    /// The same watch, perhaps with another spec or a request.
    fn renew(&mut self, key: &WatchKey, demand: &Demand, now: Instant) {
        let Some(watch) = self.watches.get_mut(key) else { return };
        let fetch = watch.fetch;
        if watch.generation != demand.generation {
            watch.generation = demand.generation;
            watch.cadence = demand.cadence;
            let since = now.checked_sub(demand.cadence.period / 2).unwrap_or(now);
            watch.pending.get_or_insert(Pending { since, forced: false, first: true });
            self.hasten(fetch, now, now);
        }
        self.ask(key, demand, now);
    }

    /// Polls now where a person asks for it.
    fn ask(&mut self, key: &WatchKey, demand: &Demand, now: Instant) {
        let Some(request) = &demand.request else { return };
        let request = self.config.hasher.hash_one(request);
        let Some(watch) = self.watches.get_mut(key).filter(|watch| watch.request != request) else { return };
        watch.request = request;
        watch.answered = false;
        watch.pending = Some(Pending { since: now, forced: true, first: false });
        let fetch = watch.fetch;
        match self.fetches[fetch].state {
            State::Idle(_) => self.advance(fetch, now),
            // It moves forward, or has to read its credential anew.
            State::Queued(_) => {
                self.leave_queue(fetch);
                self.advance(fetch, now);
            }
            State::Resolving | State::InFlight(_) => {}
        }
    }

    /// What a watch has not taken over yet.
    fn news(&self, key: &WatchKey) -> Option<News> {
        let watch = self.watches.get(key)?;
        let fetch = &self.fetches[watch.fetch];
        let ready = watch.pending.is_none() && watch.taken != fetch.number;
        let outcome = fetch.outcome.clone().filter(|_| ready)?;
        Some(News { outcome, number: fetch.number, for_request: watch.answered })
    }

    /// A watch's resource says what was planned.
    pub fn settle(&mut self, key: &WatchKey, settled: &Settled, now: Instant) {
        let version = self.config.hasher.hash_one(&settled.resource_version);
        let Some(watch) = self.watches.get_mut(key) else { return };
        watch.settled = version;
        watch.edited = watch.told != 0 && watch.told != version && watch.edited;
        watch.cadence = settled.cadence;
        let judge_at = settled.judge_after.map(|after| later(now, after));
        match settled.number {
            Some(number) => {
                watch.taken = watch.taken.max(number);
                watch.judge_at = judge_at;
            }
            // What is due to be judged stays due until an answer is.
            None => watch.judge_at = [watch.judge_at, judge_at].into_iter().flatten().min(),
        }
        let (id, judge_at) = (watch.fetch, watch.judge_at);
        self.drop_outcome(id);
        let fetch = &self.fetches[id];
        match fetch.state {
            State::Idle(_) if fetch.failures == 0 && fetch.sent_at.is_some() => self.schedule(id, now),
            // The first poll of this process is spread, but a verdict is not kept waiting for it.
            State::Idle(_) if fetch.failures == 0 => {
                let due = judge_at.unwrap_or_else(|| later(now, settled.cadence.period));
                self.hasten(id, due, now);
            }
            _ => {}
        }
    }

    /// The API server told of a resource. Where somebody else has written it, its watch is told of the next answer, be it
    /// the same as the last.
    pub fn saw(&mut self, key: &str, resource_version: &str) {
        let version = self.config.hasher.hash_one(resource_version);
        if let Some(watch) = self.watches.get_mut(key) {
            watch.told = version;
            watch.edited = watch.settled != 0 && watch.settled != version;
        }
    }

    /// Whether a resource is not of the version that was settled last: then somebody else wrote it, or the copy lags.
    pub fn is_behind(&self, key: &str, resource_version: &str) -> bool {
        let version = self.config.hasher.hash_one(resource_version);
        self.watches.get(key).is_some_and(|watch| watch.settled != 0 && watch.settled != version)
    }

    /// What a watch was handed is void, because its resource is not what it was: it wants a poll that is sent from now on.
    pub fn discard(&mut self, key: &str, now: Instant) {
        let Some(watch) = self.watches.get_mut(key) else { return };
        let forced = watch.request != 0 && watch.answered;
        watch.answered = false;
        watch.pending = Some(Pending { since: now, forced, first: false });
        let fetch = watch.fetch;
        self.hasten(fetch, now, now);
    }

    /// Forgets a watch that is gone or suspended.
    pub fn forget(&mut self, key: &str) {
        let Some(watch) = self.watches.remove(key) else { return };
        let fetch = &mut self.fetches[watch.fetch];
        fetch.watches.retain(|other| **other != *key);
        if !fetch.watches.is_empty() {
            self.drop_outcome(watch.fetch);
            return;
        }
        match fetch.state {
            State::Idle(due) => {
                self.timers.remove(&(due, Timer::Fetch(watch.fetch)));
            }
            State::Queued(_) => self.leave_queue(watch.fetch),
            State::Resolving => {}
            // Its end is awaited, for the sake of whatever its answer proves.
            State::InFlight(_) => return,
        }
        self.remove(watch.fetch);
    }

    /// Forgets the watches of a namespace, or of all, that `keep` does not name.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        let gone: Vec<_> = self.watches.keys().filter(|key| !keep(key)).cloned().collect();
        for key in gone {
            self.forget(&key);
        }
    }

    fn remove(&mut self, id: usize) {
        let fetch = self.fetches.remove(id);
        let key = (fetch.account, fetch.source, fetch.target.cluster_id.clone(), fetch.target.cluster_type);
        self.by_key.remove(&key);
        let source = &mut self.sources[fetch.source];
        source.fetches.retain(|user| *user != id);
        source.stalled -= usize::from(fetch.stalled);
    }

    // The way of a fetch.

    fn fetch_of(&mut self, target: &Target, source: &Source, now: Instant) -> usize {
        let account = self.account_of(target, now);
        let source = self.source_of(source);
        let key = (account, source, target.cluster_id.clone(), target.cluster_type);
        if let Some(id) = self.by_key.get(&key) {
            return *id;
        }
        let (region, project_id) = self.accounts[account].name.clone();
        let target = Target { region, project_id, ..target.clone() };
        let id = self.fetches.insert(Fetch::new(target, account, source, now));
        self.by_key.insert(key, id);
        self.sources[source].fetches.push(id);
        // Whoever joins hastens it.
        self.set_timer(id, later(now, Duration::MAX), now);
        id
    }

    fn account_of(&mut self, target: &Target, now: Instant) -> usize {
        let name = (target.region.clone(), target.project_id.clone());
        if let Some(id) = self.by_account.get(&name) {
            return *id;
        }
        let base = self.config.endpoints.cce(&target.region);
        let endpoint = if let Some(id) = self.by_endpoint.get(&base) {
            *id
        } else {
            let id = self.endpoints.insert(Endpoint { base: base.clone(), ..Endpoint::default() });
            self.by_endpoint.insert(base, id);
            id
        };
        let id = self.accounts.insert(Account::new(endpoint, name.clone(), self.config.limit, now));
        self.by_account.insert(name, id);
        id
    }

    fn source_of(&mut self, source: &Source) -> usize {
        if let Some(id) = self.by_source.get(source) {
            return *id;
        }
        let source = Arc::new(source.clone());
        let id = self.sources.insert(SourceState::new(source.clone()));
        self.by_source.insert(source, id);
        id
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
        // What was never sent may be sent at once.
        let due = if self.fetches[id].sent_at.is_none() { due } else { due.max(now + SHORTEST) };
        self.fetches[id].state = State::Idle(due);
        self.timers.insert((due, Timer::Fetch(id)));
    }

    /// The moment of the oldest request of a person that a fetch has to answer.
    fn forced(&self, id: usize) -> Option<Instant> {
        let pending = |key: &WatchKey| self.watches.get(key)?.pending;
        let asked = self.fetches[id].watches.iter().filter_map(pending).filter(|pending| pending.forced);
        asked.map(|pending| pending.since).max()
    }

    /// The poll of a fetch is due: reads its credential, or takes over why there is none, or queues.
    fn advance(&mut self, id: usize, now: Instant) {
        let forced = self.forced(id);
        let fetch = &mut self.fetches[id];
        if let State::Idle(due) = fetch.state {
            self.timers.remove(&(due, Timer::Fetch(id)));
            fetch.due_since = due.min(now);
        }
        let source = &mut self.sources[fetch.source];
        if source.reading.is_some() || source.is_old(forced, now) {
            fetch.state = State::Resolving;
            let source_id = fetch.source;
            self.read(source_id, now);
        } else if let Some(held) = source.fault.clone() {
            // The timer of the source reads it again.
            fetch.state = State::Resolving;
            self.take_over(id, &held, forced.is_some(), now);
            let wait = if held.fault.kind.is_definite() { LONGEST } else { self.retry_after(id) };
            self.set_timer(id, later(now, wait), now);
        } else {
            self.enqueue(id);
        }
    }

    fn read(&mut self, id: usize, now: Instant) {
        let source = &mut self.sources[id];
        if let Some(at) = source.timer.take() {
            self.timers.remove(&(at, Timer::Source(id)));
        }
        if source.reading.is_none() {
            source.reading = Some(now);
            self.effects.push(Effect::Resolve { id, source: source.source.clone() });
        }
    }

    fn enqueue(&mut self, id: usize) {
        let fetch = &mut self.fetches[id];
        let class =
            fetch.watches.iter().filter_map(|key| self.watches.get(key)).map(|watch| match watch.pending {
                Some(Pending { forced: true, .. }) => Class::Requested,
                _ if watch.cadence.running => Class::Running,
                Some(Pending { first: true, .. }) => Class::First,
                _ => Class::Idle,
            });
        let class = class.max().unwrap_or(Class::Idle);
        let account = &mut self.accounts[fetch.account];
        if account.queue.is_empty() {
            self.endpoints[account.endpoint].ring.push_back(fetch.account);
        }
        let place = account.queue.enter(class, id);
        fetch.state = State::Queued(place);
    }

    fn leave_queue(&mut self, id: usize) {
        let fetch = &mut self.fetches[id];
        let State::Queued(place) = fetch.state else { return };
        let account = &mut self.accounts[fetch.account];
        account.queue.leave(place, id);
        if account.queue.is_empty() {
            self.endpoints[account.endpoint].ring.retain(|served| *served != fetch.account);
        }
        fetch.state = State::Resolving;
    }

    /// A credential was read.
    pub fn resolved(&mut self, id: usize, resolution: Resolution, now: Instant) {
        let source = &mut self.sources[id];
        let Some(begun) = source.reading.take() else { return };
        let resolution = match resolution {
            Resolution::Doubtful(fault) if source.believes() => Resolution::Missing(fault),
            other => other,
        };
        match resolution {
            Resolution::Resolved(read) => {
                let key = read.credential.fingerprint(&self.config.hasher);
                let changed = source.credential.as_ref().is_none_or(|(_, known)| *known != key)
                    || source.fault.is_some();
                source.answered(begun);
                source.fault = None;
                source.credential = Some((read, key));
                self.keys.entry(key).or_default();
                self.go_on(id, changed, now);
                self.watch_source(id, changed, now);
            }
            Resolution::Missing(fault) => {
                let is_passing = !fault.kind.is_definite();
                let changed = is_passing || source.fault.as_ref().is_none_or(|held| *held.fault != fault);
                source.answered(begun);
                source.credential = None;
                if changed {
                    // The same fault again is the same occurrence, unless it may pass: then each counts.
                    self.sources[id].fault = Some(self.hold(fault, now));
                }
                self.go_on(id, changed, now);
                self.watch_source(id, changed, now);
            }
            Resolution::Doubtful(_) | Resolution::Unknown => {
                let (wait, is_fault) = source.unknown(now);
                if is_fault {
                    let held = self.hold(Fault::new(FaultKind::CloudUnavailable, MISSING_FOR_LONG), now);
                    for fetch in self.waiting(id) {
                        self.fetches[fetch].count_at = now;
                        self.take_over(fetch, &held, true, now);
                        self.fetches[fetch].state = State::Resolving;
                    }
                }
                self.set_source_timer(id, wait, now);
            }
        }
    }

    fn waiting(&self, source: usize) -> Vec<usize> {
        let waits = |id: &usize| self.fetches[*id].state == State::Resolving;
        self.sources[source].fetches.iter().copied().filter(waits).collect()
    }

    /// The fetches of a source go on; where it has changed, those that failed over it do so at once.
    fn go_on(&mut self, source: usize, changed: bool, now: Instant) {
        let fetches = self.sources[source].fetches.clone();
        for id in fetches {
            let fetch = &self.fetches[id];
            if fetch.state == State::Resolving
                || (changed && fetch.stalled && matches!(fetch.state, State::Idle(_)))
            {
                self.advance(id, now);
            }
        }
    }

    /// Has a source read again soon while a watch is stalled over it.
    fn watch_source(&mut self, id: usize, changed: bool, now: Instant) {
        let source = &mut self.sources[id];
        if source.reading.is_none()
            && source.timer.is_none()
            && (source.stalled > 0 || source.fault.is_some())
        {
            let wait = source.recheck(changed);
            self.set_source_timer(id, wait, now);
        }
    }

    fn set_source_timer(&mut self, id: usize, wait: Duration, now: Instant) {
        let at = later(now, self.jitter(wait));
        let source = &mut self.sources[id];
        if let Some(before) = source.timer.replace(at) {
            self.timers.remove(&(before, Timer::Source(id)));
        }
        self.timers.insert((at, Timer::Source(id)));
    }

    // Sending.

    /// Everything that there is to do at `now`.
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

    /// The watches that have something to take over.
    pub fn woken(&mut self) -> Vec<WatchKey> {
        std::mem::take(&mut self.woken)
    }

    /// When [`Engine::next`] has something to do again, if nothing happens before.
    pub fn deadline(&self) -> Option<Instant> {
        let timer = self.timers.first().map(|(at, _)| *at);
        let share = self.shares().1;
        let token = |account: &usize| self.accounts[*account].next_token(share);
        let tokens = self.endpoints.iter().flat_map(|(_, endpoint)| endpoint.ring.iter().filter_map(token));
        tokens.chain(timer).min()
    }

    /// How many requests an endpoint and an account may have in flight.
    fn shares(&self) -> (usize, usize) {
        let endpoint = (self.config.concurrency / 4).max(1);
        (endpoint, (endpoint / 2).max(1))
    }

    fn dispatch(&mut self, now: Instant) {
        let ids: Vec<_> =
            self.endpoints.iter().filter(|(_, e)| !e.ring.is_empty()).map(|(id, _)| id).collect();
        // Endpoint by endpoint one request at a time, so that none takes all that is left.
        let mut active = ids;
        while !active.is_empty() {
            active.retain(|endpoint| self.serve_one(*endpoint, now));
        }
    }

    /// Sends the next request of an endpoint, if there is one to send. The account with the fewest in flight goes first, and of
    /// equals the one that was served longest ago: an account whose requests are answered gets ahead of those that hang.
    fn serve_one(&mut self, endpoint: usize, now: Instant) -> bool {
        let mut accounts: Vec<_> = self.endpoints[endpoint].ring.iter().copied().collect();
        accounts.sort_by_key(|account| self.accounts[*account].in_flight);
        for account in accounts {
            if self.serve_account(account, now) {
                let ring = &mut self.endpoints[endpoint].ring;
                if let Some(at) = ring.iter().position(|served| *served == account) {
                    ring.remove(at);
                    ring.push_back(account);
                }
                return true;
            }
        }
        false
    }

    /// Sends one request of an account, or hands the fault that blocks it to those who wait.
    fn serve_account(&mut self, id: usize, now: Instant) -> bool {
        if let Some((held, until)) = self.accounts[id].shut(now).map(|(held, until)| (held.clone(), until)) {
            for fetch in self.queued(id) {
                self.leave_queue(fetch);
                self.take_over(fetch, &held, self.forced(fetch).is_some(), now);
                self.set_timer(fetch, until, now);
            }
            return false;
        }
        let Some(probes) = self.admit(id, now) else {
            self.block(id, now);
            return false;
        };
        let (share, account_share) = self.shares();
        let endpoint = &self.endpoints[self.accounts[id].endpoint];
        if self.in_flight >= self.config.concurrency
            || endpoint.in_flight >= share
            || !self.accounts[id].has_token(account_share, now)
        {
            return false;
        }
        let mut next = self.accounts[id].queue.first();
        while let Some((place, fetch)) = next {
            if self.try_send(fetch, probes, now) {
                self.accounts[id].queue.served(place);
                return true;
            }
            next = self.accounts[id].queue.next(place);
        }
        false
    }

    fn queued(&self, account: usize) -> Vec<usize> {
        self.accounts[account].queue.fetches().collect()
    }

    /// Whether the breakers let a request of an account out, and as whose probe. An account that was answered when it was last
    /// asked may be well where its endpoint seems not to be, because others on it hang: it has one try of its own.
    fn admit(&self, id: usize, now: Instant) -> Option<(bool, bool)> {
        let account = &self.accounts[id];
        let endpoint = &self.endpoints[account.endpoint];
        if account.breaker.open_since().is_none() && endpoint.breaker.open_since().is_none() {
            return Some((false, false));
        }
        let forced = account.queue.fetches().any(|fetch| self.forced(fetch).is_some());
        match (account.breaker.admit(now, forced), endpoint.breaker.admit(now, forced)) {
            (Admission::Blocked, _) => None,
            (of_account, Admission::Blocked) => {
                let since = endpoint.breaker.open_since();
                let untried =
                    account.is_well() && since.is_some_and(|at| account.sent_at.is_none_or(|sent| sent < at));
                untried.then_some((of_account == Admission::Probe, false))
            }
            (account, endpoint) => Some((account == Admission::Probe, endpoint == Admission::Probe)),
        }
    }

    /// The breakers let nothing out: those who wait take over the newest fault, and look again soon.
    fn block(&mut self, id: usize, now: Instant) {
        let account = &self.accounts[id];
        let endpoint = &self.endpoints[account.endpoint];
        let faults = [account.breaker.fault(), endpoint.breaker.fault()];
        let Some(held) = faults.into_iter().flatten().max_by_key(|held| held.number).cloned() else { return };
        for fetch in self.queued(id) {
            // What a person asked for waits for the end of a probe, and is the next one itself.
            if self.forced(fetch).is_some_and(|since| since > held.sent_at) {
                continue;
            }
            self.leave_queue(fetch);
            self.take_over(fetch, &held, false, now);
            let wait = self.jitter(BLOCKED);
            self.set_timer(fetch, now + wait, now);
        }
    }

    /// Sends the request of a queued fetch unless its key forbids it.
    fn try_send(&mut self, id: usize, probes: (bool, bool), now: Instant) -> bool {
        let forced = self.forced(id);
        let fetch = &self.fetches[id];
        let (account, source) = (fetch.account, &self.sources[fetch.source]);
        let Some((credential, key)) = source.credential.as_ref().map(|(read, key)| (read.clone(), *key))
        else {
            self.leave_queue(id);
            self.advance(id, now);
            return false;
        };
        let standing = self.keys.entry(key).or_default();
        let is_proven = standing.is_proven();
        match standing.standing(forced.is_some(), now) {
            Standing::Free => {}
            Standing::Refused(held) => {
                let held = held.clone();
                let until = standing.refused_until().unwrap_or(now);
                self.leave_queue(id);
                self.take_over(id, &held, forced.is_some(), now);
                let wait = self.random.f64();
                self.set_timer(id, later(until, Duration::from_secs_f64(wait)), now);
                return false;
            }
            Standing::Busy => {
                self.wait_for_proof(id, now);
                return false;
            }
        }
        self.leave_queue(id);
        let endpoint = self.accounts[account].endpoint;
        // What failed while this fetch waited for others to prove its key counts, although it is its own turn now.
        let fetch = &self.fetches[id];
        if let Some(held) = self.endpoints[endpoint].breaker.fault().cloned()
            && !is_proven
            && (fetch.failures > 0 || fetch.due_since < held.met_at)
        {
            if probes != (false, false) {
                // It could have taken this over before its own request ends.
                self.fetches[id].count_at = now;
            }
            self.take_over(id, &held, false, now);
        }
        let known = self.known(id, now);
        let endpoint = &mut self.endpoints[endpoint];
        self.keys.entry(key).or_default().sent(forced.is_some(), now);
        self.accounts[account].sent(now);
        endpoint.in_flight += 1;
        self.in_flight += 1;
        if probes.0 {
            self.accounts[account].breaker.sent();
        }
        if probes.1 {
            endpoint.breaker.sent();
        }
        let fetch = &mut self.fetches[id];
        fetch.sent_at = Some(now);
        fetch.state = State::InFlight(Flight { key, probes });
        self.effects.push(Effect::Fetch(Request {
            id,
            target: fetch.target.clone(),
            credential,
            known,
            delay: now.saturating_duration_since(fetch.due_since),
        }));
        true
    }

    /// Others are on their way to prove the key. Where their endpoint does not answer at all, waiting is failing.
    fn wait_for_proof(&mut self, id: usize, now: Instant) {
        let endpoint = self.accounts[self.fetches[id].account].endpoint;
        let fault = self.endpoints[endpoint].breaker.fault().cloned();
        if let Some(held) = fault {
            self.leave_queue(id);
            self.take_over(id, &held, false, now);
            let wait = self.jitter(BLOCKED);
            self.set_timer(id, now + wait, now);
        }
    }

    /// The hash of the body that need not be looked at again; none where somebody waits for the answer in full.
    fn known(&self, id: usize, now: Instant) -> Option<u64> {
        let fetch = &self.fetches[id];
        let is_waiting = |key: &WatchKey| {
            let watch = self.watches.get(key);
            watch.is_some_and(|w| w.is_waiting(now) || (w.taken != fetch.number && fetch.outcome.is_none()))
        };
        let is_old = fetch.full_at.is_none_or(|full| now >= full + FULL);
        if fetch.failures > 0 || is_old || fetch.watches.iter().any(is_waiting) {
            return None;
        }
        fetch.known.map(|(body, _)| body)
    }

    // What came back.

    /// A request ended. `wall` is the time of day.
    pub fn fetched(&mut self, id: usize, fetched: Fetched, now: Instant, wall: Timestamp) {
        let State::InFlight(flight) = self.fetches[id].state else { return };
        self.fetches[id].state = State::Resolving;
        let account = self.fetches[id].account;
        self.in_flight -= 1;
        self.accounts[account].in_flight -= 1;
        self.endpoints[self.accounts[account].endpoint].in_flight -= 1;
        self.keys.entry(flight.key).or_default().ended();
        match fetched {
            Fetched::Fault(fault) => self.failed(id, flight, fault, now),
            Fetched::Unchanged => {
                self.answered(id, flight, now, wall);
                self.schedule(id, now);
            }
            Fetched::Answer(answer, body) => {
                self.answered(id, flight, now, wall);
                let says = self.config.hasher.hash_one(&answer);
                let fetch = &mut self.fetches[id];
                let changed = fetch.failures > 0 || fetch.known.is_none_or(|(_, before)| before != says);
                (fetch.known, fetch.full_at) = (Some((body, says)), Some(now));
                fetch.failures = 0;
                let sent_at = fetch.sent_at.unwrap_or(now);
                self.set_stalled(id, false, now);
                self.deliver(
                    id,
                    Outcome::Answer(Arc::new(answer)),
                    changed,
                    |pending| pending.since <= sent_at,
                    now,
                );
                self.schedule(id, now);
            }
        }
        if self.fetches[id].watches.is_empty() {
            if let State::Idle(due) = self.fetches[id].state {
                self.timers.remove(&(due, Timer::Fetch(id)));
            }
            self.remove(id);
        }
    }

    fn answered(&mut self, id: usize, flight: Flight, now: Instant, wall: Timestamp) {
        self.fetches[id].answered = Some(wall);
        self.reached(id, now);
        self.accounts[self.fetches[id].account].calm(now);
        self.keys.entry(flight.key).or_default().prove();
    }

    /// The endpoint answered, whatever it said: what waited because it did not is spread over a few seconds.
    fn reached(&mut self, id: usize, now: Instant) {
        let account = self.fetches[id].account;
        let endpoint = self.accounts[account].endpoint;
        let of_account = self.accounts[account].breaker.answered(now);
        let of_endpoint = self.endpoints[endpoint].breaker.answered(now);
        if !of_account && !of_endpoint {
            return;
        }
        let blocked: Vec<_> = self
            .fetches
            .iter()
            .filter(|(_, fetch)| {
                fetch.failures > 0 && !fetch.stalled && matches!(fetch.state, State::Idle(_))
            })
            .filter(|(_, f)| {
                f.account == account || (of_endpoint && self.accounts[f.account].endpoint == endpoint)
            })
            .map(|(id, _)| id)
            .collect();
        for fetch in blocked {
            let wait = SPREAD.mul_f64(self.random.f64());
            self.set_timer(fetch, now + wait, now);
        }
    }

    /// Decides at which level a fault belongs, and when the fetch is tried again.
    fn failed(&mut self, id: usize, flight: Flight, fault: Fault, now: Instant) {
        let sent_at = self.fetches[id].sent_at.unwrap_or(now);
        let (kind, status, retry_after) = (fault.kind, fault.http_status, fault.retry_after);
        let held = Held { sent_at, ..self.hold(fault, now) };
        let account = self.fetches[id].account;
        let endpoint = self.accounts[account].endpoint;
        if status.is_some() {
            self.reached(id, now);
        } else {
            self.accounts[account].breaker.failed(&held, flight.probes.0, now);
            self.endpoints[endpoint].breaker.failed(&held, flight.probes.1, now);
        }
        if kind != FaultKind::Throttled && status.is_some() {
            self.accounts[account].calm(now);
        }
        let key = self.keys.entry(flight.key).or_default();
        match kind {
            FaultKind::PermissionDenied | FaultKind::ClusterNotFound => key.prove(),
            FaultKind::AuthenticationFailed => key.refuse(held.clone(), now),
            _ => {}
        }
        let refused_until = key.refused_until();
        let retry = self.cadence(id).map_or(LONGEST, |cadence| cadence.retry);
        if kind == FaultKind::Throttled {
            let interval = self.cadence(id).map_or(LONGEST, |cadence| cadence.period);
            let wait = |times| retry_after.unwrap_or_else(|| backoff(interval, times, LONGEST.max(interval)));
            self.accounts[account].throttle(held.clone(), wait, now);
        }
        self.fetches[id].count_at = now;
        self.take_over(id, &held, false, now);
        let failures = self.fetches[id].failures;
        let wait = match kind {
            FaultKind::AuthenticationFailed => refused_until.map_or(LONGEST, |until| until - now),
            FaultKind::PermissionDenied => backoff(DENIED, failures, LONGEST),
            FaultKind::Throttled => {
                self.accounts[account].shut(now).map_or(SHORTEST, |(_, until)| until - now)
            }
            _ => retry_after.unwrap_or_else(|| backoff(retry, failures, LONGEST)),
        };
        // The cloud is not asked before the time that it named.
        let wait = self.jitter(wait).max(retry_after.unwrap_or_default());
        let due = if self.wants_more(id, sent_at) { now } else { later(now, wait) };
        self.set_timer(id, due, now);
    }

    /// The wait of a fetch before its next try, by how often it has failed.
    fn retry_after(&mut self, id: usize) -> Duration {
        let retry = self.cadence(id).map_or(LONGEST, |cadence| cadence.retry);
        let wait = backoff(retry, self.fetches[id].failures, LONGEST);
        self.jitter(wait)
    }

    fn hold(&mut self, fault: Fault, now: Instant) -> Held {
        self.held += 1;
        Held { fault: Arc::new(fault), number: self.held, sent_at: now, met_at: now }
    }

    /// A fetch takes over a fault: of its own, or of whatever blocks it. Each occurrence counts once, and no faster than the
    /// fetch would have been polled.
    fn take_over(&mut self, id: usize, held: &Held, protects: bool, now: Instant) {
        let retry = self.cadence(id).map_or(LONGEST, |cadence| cadence.retry);
        let fetch = &mut self.fetches[id];
        let is_due = held.fault.kind.is_definite() || now >= fetch.count_at;
        let is_new = held.number > fetch.counted && is_due;
        let before = match &fetch.outcome {
            Some(Outcome::Fault { fault, .. }) => Some((fault.kind, fault.message.clone())),
            _ => None,
        };
        if is_new {
            fetch.counted = held.number;
            fetch.failures += 1;
            let wait = backoff(retry, fetch.failures, LONGEST).mul_f64(0.9);
            fetch.count_at = now + wait;
        }
        let failures = fetch.failures.max(1);
        let differs = before.is_none_or(|before| before != (held.fault.kind, held.fault.message.clone()));
        // A definite fault is told at once, and any other at the most three times.
        let changed =
            is_new && (differs || (!held.fault.kind.is_definite() && failures <= FAILURES_TO_REPORT));
        let may_heal = matches!(
            held.fault.kind,
            FaultKind::SecretNotFound
                | FaultKind::SecretInvalid
                | FaultKind::CredentialsNotAllowed
                | FaultKind::AuthenticationFailed
                | FaultKind::PermissionDenied
        );
        self.set_stalled(id, may_heal, now);
        let outcome = Outcome::Fault { fault: held.fault.clone(), failures };
        self.deliver(
            id,
            outcome,
            changed,
            |pending| !pending.forced || protects || pending.since <= held.sent_at,
            now,
        );
    }

    fn set_stalled(&mut self, id: usize, stalled: bool, now: Instant) {
        let fetch = &mut self.fetches[id];
        let before = std::mem::replace(&mut fetch.stalled, stalled);
        let source_id = fetch.source;
        let source = &mut self.sources[source_id];
        source.stalled = source.stalled + usize::from(stalled) - usize::from(before);
        if stalled && !before {
            self.watch_source(source_id, true, now);
        }
    }

    /// Tells the watches of a fetch if one of them learns something by it; `satisfies` says whether it is what a watch waits
    /// for.
    fn deliver(
        &mut self,
        id: usize,
        outcome: Outcome,
        changed: bool,
        satisfies: impl Fn(&Pending) -> bool,
        now: Instant,
    ) {
        let fetch = &mut self.fetches[id];
        let is_answer = matches!(outcome, Outcome::Answer(_));
        let mut told = changed;
        for key in &fetch.watches {
            let Some(watch) = self.watches.get_mut(key) else { continue };
            told |= is_answer && watch.is_waiting(now);
            if let Some(pending) = watch.pending.take_if(|pending| satisfies(pending)) {
                watch.answered |= pending.forced;
                told = true;
            }
        }
        if told {
            self.woken.extend(fetch.watches.iter().cloned());
            fetch.number += 1;
            fetch.outcome = Some(outcome);
        }
    }

    /// A decoded answer is kept no longer than a watch needs to take it over.
    fn drop_outcome(&mut self, id: usize) {
        let fetch = &mut self.fetches[id];
        let taken = |key: &WatchKey| self.watches.get(key).is_none_or(|watch| watch.taken == fetch.number);
        if matches!(fetch.outcome, Some(Outcome::Answer(_))) && fetch.watches.iter().all(taken) {
            fetch.outcome = None;
        }
    }

    /// Whether a watch waits for another request than the one that was sent then.
    fn wants_more(&self, id: usize, sent_at: Instant) -> bool {
        let pending = |key: &WatchKey| self.watches.get(key)?.pending;
        let wants = |pending: Pending| pending.first || pending.since > sent_at;
        self.fetches[id].watches.iter().filter_map(pending).any(wants)
    }

    /// The next poll after an answer.
    fn schedule(&mut self, id: usize, now: Instant) {
        let fetch = &self.fetches[id];
        let sent_at = fetch.sent_at.unwrap_or(now);
        let forced = self.forced(id).is_some_and(|since| since > sent_at);
        let period = self.cadence(id).map_or(LONGEST, |cadence| cadence.period);
        // What came due before this request was sent is answered by it.
        let judge = |key: &WatchKey| self.watches.get(key)?.judge_at.filter(|at| *at > sent_at);
        let judge_at = self.fetches[id].watches.iter().filter_map(judge).min();
        let mut due = later(sent_at, self.jitter(period));
        if self.wants_more(id, sent_at) {
            due = now;
        }
        due = judge_at.map_or(due, |at| due.min(at));
        if !forced {
            due = due.max(self.fetches[id].floor(now));
        }
        self.set_timer(id, due, now);
    }

    /// The most demanding wish of a fetch's watches.
    fn cadence(&self, id: usize) -> Option<Cadence> {
        let cadences = self.fetches[id].watches.iter().filter_map(|key| Some(self.watches.get(key)?.cadence));
        cadences.reduce(|a, b| Cadence {
            period: a.period.min(b.period),
            retry: a.retry.min(b.retry),
            running: a.running || b.running,
        })
    }

    /// ±10 %, so that what was polled together drifts apart.
    pub fn jitter(&mut self, wait: Duration) -> Duration {
        wait.mul_f64(0.9 + 0.2 * self.random.f64())
    }

    // Housekeeping.

    /// Drops what no fetch uses, once nothing is lost with it: a new watch must not find a full bucket or an unknown key
    /// where others have just used them up.
    fn sweep(&mut self, now: Instant) {
        if now < self.swept + SWEEP {
            return;
        }
        self.swept = now;
        let mut used: Vec<_> = self.fetches.iter().map(|(_, fetch)| fetch.account).collect();
        used.sort_unstable();
        self.accounts.retain(|id, account| used.binary_search(&id).is_ok() || !account.is_idle(now));
        let accounts = &self.accounts;
        self.by_account.retain(|_, id| accounts.contains(*id));
        let timers = &mut self.timers;
        self.sources.retain(|id, source| {
            let kept = source.reading.is_some() || !source.fetches.is_empty();
            if let Some(at) = source.timer.filter(|_| !kept) {
                timers.remove(&(at, Timer::Source(id)));
            }
            kept
        });
        let sources = &self.sources;
        self.by_source.retain(|_, id| sources.contains(*id));
        let mut keys: Vec<_> =
            sources.iter().filter_map(|(_, s)| s.credential.as_ref().map(|(_, key)| *key)).collect();
        keys.sort_unstable();
        self.keys.retain(|hash, key| keys.binary_search(hash).is_ok() || !key.is_idle(now));
    }

    /// When the cloud last answered a poll of a watch.
    pub fn last_answer(&self, key: &str) -> Option<Timestamp> {
        self.fetches[self.watches.get(key)?.fetch].answered
    }

    /// Endpoints and accounts as they are at `now`.
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        let is_open = |breaker: &Breaker| breaker.open_since().is_some();
        Snapshot {
            endpoints: self
                .endpoints
                .iter()
                .map(|(_, endpoint)| (endpoint.base.clone(), endpoint.in_flight, is_open(&endpoint.breaker)))
                .collect(),
            accounts: self
                .accounts
                .iter()
                .map(|(_, account)| {
                    let (region, project) = &account.name;
                    (
                        region.to_string(),
                        project.to_string(),
                        account.shut(now).is_some() || is_open(&account.breaker),
                    )
                })
                .collect(),
        }
    }
}
