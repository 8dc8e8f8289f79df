//! The demands of watches: how a watch joins a fetch, changes, takes over outcomes, and leaves.

use std::hash::BuildHasher;
use std::time::{Duration, Instant};

use super::{Engine, FetchId, Timer};
use crate::poll::{
    Delivery, Demand, Settled, WatchKey,
    fetch::{Pending, State, Watch},
    policy,
};

impl Engine {
    /// Takes the demand of a watch; returns the outcome that the watch has not taken over yet.
    pub fn demand(&mut self, key: &WatchKey, demand: &Demand, now: Instant) -> Option<Delivery> {
        let uid = self.config.hasher.hash_one(&demand.uid);
        let fetch = self.fetch_of(&demand.target, &demand.source, now);
        let known = self.watches.get(key).filter(|watch| watch.uid == uid);
        let request = known.map_or(0, |watch| watch.request);
        match known {
            Some(watch) if watch.fetch == fetch => self.renew(key, demand, now),
            _ => self.join(key, uid, fetch, demand, request, now),
        }
        self.ask(key, demand, now);
        self.delivery(key)
    }

    fn join(
        &mut self,
        key: &WatchKey,
        uid: u64,
        fetch: FetchId,
        demand: &Demand,
        request: u64,
        now: Instant,
    ) {
        // Joined before the old fetch is left: if they are the same, it must not be dropped in between.
        self.fetches[fetch].watches.push(key.clone());
        self.forget(key);
        // A watch with a record waits for the answer to a request that is sent from now on: another process may have
        // written that record, from a later answer than the one held here. For a watch without a record an answer that
        // is up to half a period old is new enough, so that watches that join together share one request.
        let age = if demand.has_record { Duration::ZERO } else { demand.cadence.period / 2 };
        let since = now.checked_sub(age).unwrap_or(now);
        let held = &self.fetches[fetch];
        // While a request is in flight, `sent_at` is its time, and not that of the request which brought the outcome.
        let is_held = held.outcome.is_some() && !matches!(held.state, State::InFlight(_));
        let is_new = is_held && held.sent_at.is_some_and(|sent| sent >= since);
        let pending = Pending { since, requested: false, first: demand.spread.is_none() };
        let watch = Watch {
            uid,
            generation: demand.generation,
            request,
            fetch,
            cadence: demand.cadence,
            pending: (!is_new).then_some(pending),
            judge_at: None,
            taken: 0,
            answered: false,
        };
        self.watches.insert(key.clone(), watch);
        self.hasten_list(fetch, now);
        let due = self.within(now, demand.spread.unwrap_or_default());
        let is_made = self.fetches[fetch].state == State::Reading && self.fetches[fetch].watches.len() == 1;
        if is_made { self.set_timer(fetch, due, now) } else { self.hasten(fetch, due, now) }
    }

    /// Updates a watch that keeps its fetch, but may have another spec.
    fn renew(&mut self, key: &WatchKey, demand: &Demand, now: Instant) {
        let Some(watch) = self.watches.get_mut(key) else { return };
        if watch.generation != demand.generation {
            watch.generation = demand.generation;
            watch.cadence = demand.cadence;
            let since = now.checked_sub(demand.cadence.period / 2).unwrap_or(now);
            watch.pending.get_or_insert(Pending { since, requested: false, first: true });
            let fetch = watch.fetch;
            self.hasten(fetch, now, now);
            self.hasten_list(fetch, now);
        }
    }

    /// Polls now if the demand has a new request of a person.
    fn ask(&mut self, key: &WatchKey, demand: &Demand, now: Instant) {
        let Some(request) = &demand.request else { return };
        let request = self.config.hasher.hash_one(request);
        let Some(watch) = self.watches.get_mut(key).filter(|watch| watch.request != request) else { return };
        (watch.request, watch.answered) = (request, false);
        watch.pending = Some(Pending { since: now, requested: true, first: false });
        let fetch = watch.fetch;
        // One that waits moves to the class of requested polls, unless it has to read its credential first.
        if matches!(self.fetches[fetch].state, State::Idle(_) | State::Queued(_)) {
            self.advance(fetch, now);
        }
    }

    /// The outcome that a watch has not taken over yet; none while it waits for another one.
    fn delivery(&self, key: &WatchKey) -> Option<Delivery> {
        let watch = self.watches.get(key)?;
        let fetch = &self.fetches[watch.fetch];
        let ready = watch.pending.is_none() && watch.taken != fetch.number;
        let outcome = fetch.outcome.clone().filter(|_| ready)?;
        Some(Delivery { outcome, number: fetch.number, for_request: watch.answered })
    }

    /// A reconcile succeeded: the resource of a watch says what was planned.
    pub fn settle(&mut self, key: &WatchKey, settled: &Settled, now: Instant) {
        let Some(watch) = self.watches.get_mut(key) else { return };
        if settled.number.is_some() && watch.answered && !settled.has_request {
            // The outcome answered a request that this copy of the resource does not have, so the status does not echo
            // it: the request was withdrawn, or the copy is older than it. If it is seen again, it must be answered.
            (watch.request, watch.answered) = (0, false);
        }
        watch.cadence = settled.cadence;
        let judge_at = settled.judge_after.map(|after| now + after);
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
            State::Idle(_) if fetch.unanswered_since.is_some() => {}
            State::Idle(_) if fetch.sent_at.is_some() => self.schedule(id, now),
            // The first poll by this process is spread, but not beyond the moment at which the verdict may change.
            State::Idle(_) => self.hasten(id, judge_at.unwrap_or(now + settled.cadence.period), now),
            _ => {}
        }
    }

    /// Somebody else wrote the status of a watch, so the outcome that it was handed is void: the watch waits for a poll that
    /// is sent from now on, which comes at once or, with `rests`, a minute later, if none is due before.
    pub fn ask_anew(&mut self, key: &str, rests: bool, now: Instant) {
        let Some(watch) = self.watches.get_mut(key) else { return };
        // A person's request stays pending, even if the void outcome was the answer to it.
        let requested = (watch.request != 0 && watch.answered) || watch.pending.is_some_and(|p| p.requested);
        watch.answered = false;
        watch.pending = Some(Pending { since: now, requested, first: false });
        let fetch = watch.fetch;
        let due = if rests { now + policy::REST } else { now };
        self.hasten(fetch, due, now); // mark: written twice
    }

    /// Forgets a watch that is not to be polled any more, and its fetch if no other watch shares it.
    pub fn forget(&mut self, key: &str) {
        let Some(watch) = self.watches.remove(key) else { return };
        let fetch = &mut self.fetches[watch.fetch];
        if let Some(at) = fetch.watches.iter().position(|other| **other == *key) {
            fetch.watches.remove(at);
        }
        if !fetch.watches.is_empty() {
            self.drop_outcome(watch.fetch);
        } else if !matches!(fetch.state, State::InFlight(_)) {
            // The result of a request still moves the gates; the fetch is removed after that.
            self.remove(watch.fetch);
        }
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

    pub(super) fn remove(&mut self, id: FetchId) {
        self.cancel_timer(id);
        self.leave_queue(id);
        let Some(fetch) = self.fetches.remove(id) else { return };
        if let Some(at) = fetch.blind_at {
            self.timers.remove(&(at, Timer::Blind(id)));
        }
        let key = (fetch.account, fetch.source, fetch.target.cluster_id.clone(), fetch.target.cluster_type);
        self.by_key.remove(&key);
        self.accounts[fetch.account].fetches -= 1;
        self.sources[fetch.source].fetches.retain(|user| *user != id);
    }
}
