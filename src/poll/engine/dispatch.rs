//! Sends what the breakers, bulkheads, rate limiters and keys admit, endpoint by endpoint and account by account, and
//! hands the fault of whatever blocks a fetch to that fetch.

use std::time::{Duration, Instant};

use super::Engine;
use crate::poll::{
    Effect, Request, WatchKey,
    breaker::Admission,
    fetch::{Flight, State},
    key::Standing,
    later,
};

/// How soon a fetch is tried again that an open breaker or an unproven key blocks.
const BLOCKED: Duration = Duration::from_secs(3);
/// For how long a 429 may shut an account before polls that come due count as failed ones.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long an unchanged answer is not decoded again.
const FULL: Duration = Duration::from_hours(1);

impl Engine {
    /// The bulkheads: how many requests an endpoint and an account may have in flight.
    pub(super) fn shares(&self) -> (usize, usize) {
        let endpoint = (self.config.concurrency / 4).max(1);
        (endpoint, (endpoint / 2).max(1))
    }

    pub(super) fn dispatch(&mut self, now: Instant) {
        let ids: Vec<_> =
            self.endpoints.iter().filter(|(_, e)| !e.ring.is_empty()).map(|(id, _)| id).collect();
        // Round-robin, one request for each endpoint, so that none takes all requests that may still be sent.
        let mut active = ids;
        while !active.is_empty() {
            active.retain(|endpoint| self.serve_one(*endpoint, now));
        }
    }

    /// Sends the next request of an endpoint, if there is one to send. The account with the fewest in flight goes
    /// first, and of equals the one that was served longest ago: so accounts that are answered precede those that hang.
    pub(super) fn serve_one(&mut self, endpoint: usize, now: Instant) -> bool {
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

    /// Sends one request of an account, or hands the fault that blocks the account to the fetches in its queue.
    pub(super) fn serve_account(&mut self, id: usize, now: Instant) -> bool {
        // Also where something else holds the account back: otherwise the moment of its next token would lie in the past
        // after a while, and the loop would wake up again and again.
        self.accounts[id].fill(now);
        if let Some((held, until)) = self.accounts[id].shut(now).map(|(held, until)| (held.clone(), until)) {
            for fetch in self.queued(id) {
                self.leave_queue(fetch);
                // A 429 is one failed poll. But if it shuts the account for long, as for an hour, each poll that comes due
                // counts it again: otherwise the watch would go on saying Ready all that time.
                if now >= held.met_at + PATIENCE {
                    let counted = &mut self.fetches[fetch].counted;
                    *counted = (*counted).min(held.number - 1);
                }
                self.take_over(fetch, &held, self.forced(fetch).is_some(), now);
                let wait = self.retry_after(fetch);
                self.set_timer(fetch, until.min(later(now, wait)), now);
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

    pub(super) fn queued(&self, account: usize) -> Vec<usize> {
        self.accounts[account].queue.fetches().collect()
    }

    /// Whether the breakers admit a request of an account, and whether it is the probe of the account's breaker and of
    /// the endpoint's. Where the endpoint's is open because other accounts hang, an account whose last request was
    /// answered may still be well: it may send one request.
    pub(super) fn admit(&self, id: usize, now: Instant) -> Option<(bool, bool)> {
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

    /// The breakers admit nothing: the fetches in the queue take over the newest fault, and are tried again soon.
    pub(super) fn block(&mut self, id: usize, now: Instant) {
        let account = &self.accounts[id];
        let endpoint = &self.endpoints[account.endpoint];
        let faults = [account.breaker.fault(), endpoint.breaker.fault()];
        let Some(held) = faults.into_iter().flatten().max_by_key(|held| held.number).cloned() else { return };
        for fetch in self.queued(id) {
            // A poll that a person asked for stays in the queue until the probe ends, and is then the next probe.
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
    pub(super) fn try_send(&mut self, id: usize, probes: (bool, bool), now: Instant) -> bool {
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
        // A fault that the endpoint had while this fetch waited for the proof of its key counts for it too.
        let fetch = &self.fetches[id];
        if let Some(held) = self.endpoints[endpoint].breaker.fault().cloned()
            && !is_proven
            && (fetch.failures > 0 || fetch.due_since < held.met_at)
        {
            if probes != (false, false) {
                // Blocked fetches take the fault over every few seconds. A probe cannot until it ends: it counts now.
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
            sharers: fetch.watches.len().saturating_sub(1),
        }));
        true
    }

    /// The fetch waits until other requests prove its key. If its endpoint does not answer, it takes over that fault.
    pub(super) fn wait_for_proof(&mut self, id: usize, now: Instant) {
        let endpoint = self.accounts[self.fetches[id].account].endpoint;
        let fault = self.endpoints[endpoint].breaker.fault().cloned();
        if let Some(held) = fault {
            self.leave_queue(id);
            self.take_over(id, &held, false, now);
            let wait = self.jitter(BLOCKED);
            self.set_timer(id, now + wait, now);
        }
    }

    /// The hash of the body that need not be decoded again; none if a watch waits for the decoded answer.
    pub(super) fn known(&self, id: usize, now: Instant) -> Option<u64> {
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
}
