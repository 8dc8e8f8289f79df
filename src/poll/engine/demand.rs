//! The demands of watches: how a watch joins a fetch, changes, takes over outcomes, and leaves.

use std::hash::BuildHasher;
use std::time::{Duration, Instant};

use super::{Engine, Timer};
use crate::poll::{
    Basis, Demand, News, Outcome, Settled, WatchKey,
    fetch::{Origin, Pending, State, Watch},
    later,
};

/// How long after its last reconcile a status that somebody else wrote is not corrected while polls fail.
const REST: Duration = Duration::from_mins(1);

impl Engine {
    /// Takes the demand of a watch; returns the outcome that the watch has not taken over yet.
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

    pub(super) fn join(
        &mut self,
        key: &WatchKey,
        uid: u64,
        fetch: usize,
        demand: &Demand,
        request: u64,
        now: Instant,
    ) {
        // A watch with a record waits for the answer to a request that is sent from now on: another process may have
        // written that record, from a later answer than the one held here. For a watch without a record an answer that
        // is up to half a period old is new enough, so that watches that join together share one request.
        let first = demand.spread.is_none();
        let age = if demand.has_record { Duration::ZERO } else { demand.cadence.period / 2 };
        let since = now.checked_sub(age).unwrap_or(self.start);
        let held = &self.fetches[fetch];
        // While a request is in flight, `sent_at` is its time, and not that of the request which brought the outcome.
        let is_held = held.outcome.is_some() && !matches!(held.state, State::InFlight(_));
        let is_new = is_held && held.sent_at.is_some_and(|sent| sent >= since);
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
            settled: self.config.hasher.hash_one(&demand.basis.resource_version),
            status: demand.basis.status,
            origin: Origin::Copy,
            settled_at: None,
            edited: false,
        };
        self.watches.insert(key.clone(), watch);
        self.fetches[fetch].watches.push(key.clone());
        let spread = demand.spread.map_or(Duration::ZERO, |spread| spread.mul_f64(self.random.f64()));
        self.hasten(fetch, later(now, spread), now);
        self.ask(key, demand, now);
    }

    /// Updates a watch that keeps its fetch, but may have another spec or a new request.
    pub(super) fn renew(&mut self, key: &WatchKey, demand: &Demand, now: Instant) {
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

    /// Polls now if the demand has a new request of a person.
    pub(super) fn ask(&mut self, key: &WatchKey, demand: &Demand, now: Instant) {
        let Some(request) = &demand.request else { return };
        let request = self.config.hasher.hash_one(request);
        let Some(watch) = self.watches.get_mut(key).filter(|watch| watch.request != request) else { return };
        watch.request = request;
        watch.answered = false;
        watch.pending = Some(Pending { since: now, forced: true, first: false });
        let fetch = watch.fetch;
        match self.fetches[fetch].state {
            State::Idle(_) => self.advance(fetch, now),
            // It moves to the class of requested polls, unless it has to read its credential first.
            State::Queued(_) => {
                self.leave_queue(fetch);
                self.advance(fetch, now);
            }
            State::Resolving | State::InFlight(_) => {}
        }
    }

    /// The outcome that a watch has not taken over yet; none while it waits for another one.
    pub(super) fn news(&self, key: &WatchKey) -> Option<News> {
        let watch = self.watches.get(key)?;
        let fetch = &self.fetches[watch.fetch];
        let ready = watch.pending.is_none() && watch.taken != fetch.number;
        let outcome = fetch.outcome.clone().filter(|_| ready)?;
        Some(News { outcome, number: fetch.number, for_request: watch.answered })
    }

    /// A reconcile succeeded: the resource of a watch says what was planned.
    pub fn settle(&mut self, key: &WatchKey, settled: &Settled, now: Instant) {
        let version = self.config.hasher.hash_one(&settled.basis.resource_version);
        let Some(watch) = self.watches.get_mut(key) else { return };
        watch.settled_at = Some(now);
        if settled.number.is_some() && watch.answered && !settled.has_request && !settled.is_live {
            // The outcome answered a request that this copy of the resource does not have, so the status does not echo
            // it: the request was withdrawn, or the copy is older than the request. If it is seen again, it must be
            // answered. If a live resource does not have it, only an older copy still does, which would be answered
            // again and again.
            (watch.request, watch.answered) = (0, false);
        }
        // A cached copy may be older than a version from the API server itself, and must not replace that.
        if settled.is_live || watch.origin == Origin::Copy {
            (watch.settled, watch.status) = (version, settled.basis.status);
            watch.origin = if settled.is_live { Origin::Reply } else { Origin::Copy };
        }
        // What somebody else wrote is corrected by an answer, and not by a reconcile that has none.
        if watch.told == version && (settled.is_live || settled.number.is_some()) {
            watch.edited = false;
        }
        watch.cadence = settled.cadence;
        let judge_at = settled.judge_after.map(|after| later(now, after));
        match settled.number {
            Some(number) => {
                watch.taken = watch.taken.max(number);
                watch.judge_at = judge_at;
            }
            // Without an outcome nothing was judged, so an earlier moment stays.
            None => watch.judge_at = [watch.judge_at, judge_at].into_iter().flatten().min(),
        }
        let (id, judge_at) = (watch.fetch, watch.judge_at);
        self.drop_outcome(id);
        let fetch = &self.fetches[id];
        match fetch.state {
            State::Idle(_) if fetch.failures == 0 && fetch.sent_at.is_some() => self.schedule(id, now),
            // The first poll by this process is spread, but not beyond the moment at which the verdict may change.
            State::Idle(_) if fetch.failures == 0 => {
                let due = judge_at.unwrap_or_else(|| later(now, settled.cadence.period));
                self.hasten(id, due, now);
            }
            _ => {}
        }
    }

    /// The watch stream delivered a resource. If somebody else wrote it, its watch is told of the next answer even if
    /// that is the same as the last; and if polls fail, it is told of the fault at once, because the new status may
    /// hide the fault.
    pub fn saw(&mut self, key: &str, resource_version: &str, now: Instant) {
        let version = self.config.hasher.hash_one(resource_version);
        let Some((key, _)) = self.watches.get_key_value(key) else { return };
        let key = key.clone();
        let Some(watch) = self.watches.get_mut(&key) else { return };
        watch.told = version;
        watch.edited = watch.settled != version;
        let is_failing = matches!(self.fetches[watch.fetch].outcome, Some(Outcome::Fault { .. }));
        // Two processes that see different faults must not overwrite each other without end.
        let rested = watch.settled_at.is_none_or(|at| now >= at + REST);
        if watch.edited && is_failing && rested && watch.taken != 0 {
            watch.taken = 0;
            self.woken.push(key);
        }
    }

    /// Whether a resource has another version than the one settled last: somebody else wrote it, or the copy lags.
    pub fn is_behind(&self, key: &str, resource_version: &str) -> bool {
        let version = self.config.hasher.hash_one(resource_version);
        self.watches.get(key).is_some_and(|watch| watch.settled != version)
    }

    /// Whether the version settled last is this one, came from the API server itself, and is not in doubt.
    pub fn is_live(&self, key: &str, resource_version: &str) -> bool {
        let version = self.config.hasher.hash_one(resource_version);
        self.watches.get(key).is_some_and(|watch| watch.origin == Origin::Reply && watch.settled == version)
    }

    /// The resource may have been written since the version settled last, by a request whose reply was lost. So no
    /// transition is told from a copy of that version.
    pub fn doubt(&mut self, key: &str) {
        if let Some(watch) = self.watches.get_mut(key).filter(|watch| watch.origin == Origin::Reply) {
            watch.origin = Origin::Doubtful;
        }
    }

    /// Whether a status is the one that was settled last, or that the watch came with.
    pub fn is_ours(&self, key: &str, status: u64) -> bool {
        self.watches.get(key).is_none_or(|watch| watch.status == status)
    }

    /// Discards the outcome that a watch was handed, because somebody else wrote its status: the watch waits for a poll
    /// that is sent from now on. The basis is settled as a live version. So a copy of another version counts as behind,
    /// and the next plan is made from a live read, not once a second from a copy that a silent stream left stale.
    pub fn discard(&mut self, key: &str, basis: &Basis, now: Instant) {
        let version = self.config.hasher.hash_one(&basis.resource_version);
        let Some(watch) = self.watches.get_mut(key) else { return };
        (watch.settled, watch.status, watch.origin) = (version, basis.status, Origin::Reply);
        // A person's request stays pending, even if the discarded outcome was the answer to it.
        let forced = (watch.request != 0 && watch.answered) || watch.pending.is_some_and(|p| p.forced);
        watch.answered = false;
        watch.pending = Some(Pending { since: now, forced, first: false });
        let fetch = watch.fetch;
        self.hasten(fetch, now, now);
    }

    /// Forgets a watch that is not to be polled any more, and its fetch if no other watch shares it.
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
            // The result still updates the breakers, the rate limiter and the key; `fetched` then removes the fetch.
            State::InFlight(_) => return,
        }
        self.remove(watch.fetch);
    }

    /// Forgets the watches for whose key `keep` is false.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        let mut gone: Vec<_> = self.watches.keys().filter(|key| !keep(key)).cloned().collect();
        // The order of the map differs from run to run, but a simulation must be reproducible from its seed.
        gone.sort_unstable();
        for key in gone {
            self.forget(&key);
        }
    }

    pub(super) fn remove(&mut self, id: usize) {
        let fetch = self.fetches.remove(id);
        let key = (fetch.account, fetch.source, fetch.target.cluster_id.clone(), fetch.target.cluster_type);
        self.by_key.remove(&key);
        self.accounts[fetch.account].fetches -= 1;
        let source = &mut self.sources[fetch.source];
        source.fetches.retain(|user| *user != id);
        source.stalled -= usize::from(fetch.stalled);
    }
}
