//! One order of service. A free slot goes to whoever has the fewest requests in flight, and of equals to the one served
//! longest ago: among endpoints, then among their accounts, then among the keys of an account. So nobody who hangs, is
//! throttled or has many polls holds up another for longer than one request.

use std::time::Instant;

use super::Engine;
use crate::cloud::other_type::Look;
use crate::poll::{
    AccountId, Effect, FetchId, Request, TenantId, WatchKey,
    account::Turn,
    fetch::{Flight, State},
    gate::{Admission, Passing},
    policy,
};

impl Engine {
    /// The bulkheads: how many requests an endpoint and an account may have in flight.
    fn shares(&self) -> (usize, usize) {
        let endpoint = (self.config.concurrency / 4).max(1);
        (endpoint, (endpoint / 2).max(1)) // mark: bulkhead
    }

    pub(super) fn dispatch(&mut self, now: Instant) {
        while self.in_flight < self.config.concurrency && self.serve_one(now) {}
    }

    /// Sends the next request, if there is one that may be sent.
    fn serve_one(&mut self, now: Instant) -> bool {
        let waiting = self.endpoints.iter().filter(|(_, endpoint)| !endpoint.waiting.is_empty());
        let endpoints = in_order(waiting.map(|(id, endpoint)| (endpoint.turn, id)));
        endpoints.into_iter().any(|endpoint| {
            let accounts = self.endpoints[endpoint].waiting.iter();
            let accounts = in_order(accounts.map(|id| (self.accounts[*id].turn, *id)));
            accounts.into_iter().any(|account| {
                if !self.has_slot(account) || !self.accounts[account].bucket.has_token(now) {
                    return false;
                }
                let tenants = self.accounts[account].waiting.iter();
                let tenants = in_order(tenants.map(|id| (self.tenants[*id].turn, *id)));
                tenants.into_iter().any(|tenant| self.serve(tenant, now))
            })
        })
    }

    fn has_slot(&self, id: AccountId) -> bool {
        let (endpoint, account) = self.shares();
        let of = &self.accounts[id];
        of.turn.in_flight < account
            && self.endpoints[of.endpoint].turn.in_flight < endpoint
            && self.in_flight < self.config.concurrency
    }

    /// Whether polls of an account wait for nothing but its rate.
    pub(super) fn lacks_only_a_token(&self, id: AccountId, now: Instant) -> bool {
        self.has_slot(id) && !self.accounts[id].bucket.has_token(now)
    }

    /// Sends the first request of a key in its account, if the gates let it pass.
    fn serve(&mut self, id: TenantId, now: Instant) -> bool {
        while let Some(place) = self.tenants[id].queue.first().copied() {
            let tenant = &self.tenants[id];
            let key = self.keys.entry(tenant.key).or_default();
            let by_key = key.gate.admits(place.is_requested(), now);
            let by_account = tenant.gate.admits(place.is_requested(), now);
            if by_key != Admission::Closed && by_account != Admission::Closed {
                if by_key == Admission::Open && !key.is_proven && key.in_flight >= policy::UNPROVEN {
                    return false;
                }
                self.send(place.fetch(), id, (by_key, by_account), now);
                return true;
            }
            // A gate has closed since these came: each takes the fault over. Whoever may pass it comes back here.
            let waiting: Vec<_> = tenant.queue.iter().map(|place| place.fetch()).collect();
            for fetch in waiting {
                self.advance(fetch, now);
            }
            if self.tenants[id].queue.first() == Some(&place) {
                return false;
            }
        }
        false
    }

    fn send(
        &mut self,
        id: FetchId,
        tenant_id: TenantId,
        (key, account): (Admission, Admission),
        now: Instant,
    ) {
        let source = &self.sources[self.fetches[id].source];
        debug_assert_eq!(source.key(), Some(self.tenants[tenant_id].key));
        let Some((credential, _)) = source.credential.clone() else { return self.advance(id, now) };
        let requested = self.requested(id).is_some();
        self.leave_queue(id);
        let passing =
            |admission| Passing { sent_at: now, is_trial: admission == Admission::Trial, requested };
        let looks = self.fetches[id].look == Look::Next;
        let flight = Flight { tenant: tenant_id, key: passing(key), account: passing(account), looks };
        let known = self.known(id, now).filter(|_| !looks);

        self.sent += 1;
        self.in_flight += 1;
        let tenant = &mut self.tenants[tenant_id];
        let account = &mut self.accounts[tenant.account];
        account.bucket.take(now); // mark: rate
        for turn in [&mut tenant.turn, &mut account.turn, &mut self.endpoints[account.endpoint].turn] {
            *turn = Turn { in_flight: turn.in_flight + 1, served: self.sent };
        }
        tenant.gate.sent(flight.account);
        let key = self.keys.entry(tenant.key).or_default();
        key.in_flight += 1;
        key.gate.sent(flight.key);

        let fetch = &mut self.fetches[id];
        fetch.sent_at = Some(now);
        fetch.state = State::InFlight(flight);
        let mut target = fetch.target.clone();
        if looks {
            target.cluster_type = target.cluster_type.other();
        }
        self.effects.push(Effect::Fetch(Request {
            id,
            target,
            credential,
            known,
            delay: now.saturating_duration_since(fetch.due_since),
            sharers: fetch.watches.len().saturating_sub(1),
        }));
    }

    /// The hash of the body that need not be decoded again; none if a watch waits for the decoded answer.
    fn known(&self, id: FetchId, now: Instant) -> Option<u64> {
        let fetch = &self.fetches[id];
        let is_waiting = |key: &WatchKey| {
            let watch = self.watches.get(key);
            watch.is_some_and(|w| w.is_waiting(now) || (w.taken != fetch.number && fetch.outcome.is_none()))
        };
        fetch.known.filter(|_| !fetch.watches.iter().any(is_waiting)).map(|(body, _)| body)
    }
}

/// Whoever is next first.
fn in_order<T: Copy + Ord>(turns: impl Iterator<Item = (Turn, T)>) -> Vec<T> {
    let mut turns: Vec<_> = turns.collect();
    turns.sort_unstable(); // mark: order
    turns.into_iter().map(|(_, id)| id).collect()
}
