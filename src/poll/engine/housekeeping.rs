//! Drops state that no fetch uses any more, takes the snapshot for the metrics, and checks the invariants.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use jiff::Timestamp;

use super::{Engine, Snapshot, Timer};
use crate::poll::{
    EndpointId, WatchKey,
    credential_source::{Reading, SourceState},
    fetch::State,
    policy::{REST, SWEEP, UNREACHABLE},
};

impl Engine {
    /// Drops the sources, keys, accounts and endpoints that no fetch uses, once nothing is lost with them: otherwise a watch
    /// that is created anew would get a full bucket again, or would try a key that was just refused.
    pub(super) fn sweep(&mut self, now: Instant) {
        if now < self.swept + SWEEP {
            return;
        }
        self.swept = now;
        self.sources.retain(|_, source| source.reading != Reading::No || !source.fetches.is_empty());
        let held: BTreeSet<_> = self.sources.values().filter_map(SourceState::key).collect();
        let used: BTreeSet<_> = self.fetches.values().filter_map(|fetch| fetch.tenant).collect();
        self.tenants.retain(|id, tenant| {
            used.contains(&id) || tenant.turn.in_flight > 0 || !tenant.gate.is_idle(now)
        });
        self.keys.retain(|hash, key| held.contains(hash) || key.in_flight > 0 || !key.gate.is_idle(now));
        let kept: BTreeSet<_> = self.tenants.values().map(|tenant| tenant.account).collect();
        self.accounts
            .retain(|id, account| account.fetches > 0 || !account.bucket.is_full(now) || kept.contains(&id));
        let kept: BTreeSet<_> = self.accounts.values().map(|account| account.endpoint).collect();
        self.endpoints.retain(|id, _| kept.contains(&id));
        self.by_source.retain(|_, id| self.sources.contains_key(*id));
        self.by_tenant.retain(|_, id| self.tenants.contains_key(*id));
        self.by_account.retain(|_, id| self.accounts.contains_key(*id));
        self.by_endpoint.retain(|_, id| self.endpoints.contains_key(*id));
    }

    /// When the cloud last answered a poll of each watch.
    pub fn last_answers(&self) -> Vec<(WatchKey, Timestamp)> {
        let answered = |(key, watch): (&WatchKey, &super::Watch)| {
            Some((key.clone(), self.fetches[watch.fetch].answered?))
        };
        self.watches.iter().filter_map(answered).collect()
    }

    /// The endpoints and accounts that fetches use, as they are at `now`.
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        let used: BTreeSet<_> = self.fetches.values().filter_map(|fetch| fetch.tenant).collect();
        // Of each account: whether all of its keys are blocked, and whether all of them by silence.
        let mut accounts = BTreeMap::new();
        for id in used {
            let tenant = &self.tenants[id];
            let is_blocked = tenant.gate.is_blocking(now);
            let is_silent = is_blocked && tenant.gate.is_closed_by(&UNREACHABLE);
            let all = accounts.entry(tenant.account).or_insert((true, true));
            *all = (all.0 && is_blocked, all.1 && is_silent);
        }
        let mut snapshot = Snapshot::default();
        let mut endpoints = BTreeMap::new();
        for (id, account) in self.accounts.iter().filter(|(_, account)| account.fetches > 0) {
            let (is_blocked, is_silent) = accounts.get(&id).copied().unwrap_or_default();
            let (region, project) = account.name.clone();
            snapshot.accounts.push((region, project, is_blocked));
            *endpoints.entry(account.endpoint).or_insert(true) &= is_silent;
        }
        let endpoint = |(id, is_blocked): (EndpointId, bool)| {
            let endpoint = &self.endpoints[id];
            (endpoint.base.clone(), endpoint.turn.in_flight, is_blocked)
        };
        snapshot.endpoints = endpoints.into_iter().map(endpoint).collect();
        snapshot
    }

    /// The invariants of the engine, in debug builds: the histories check them at every step.
    pub(super) fn check(&self, now: Instant) {
        // Beyond this a check would cost more than the step that it checks.
        if !cfg!(debug_assertions) || self.fetches.len() > 200 {
            return;
        }
        let mut in_flight = 0;
        for (of, fetch) in &self.fetches {
            match fetch.state {
                State::Idle(due) => {
                    assert!(due > now, "a fetch that is due has begun its way");
                    assert!(self.timers.contains(&(due, Timer::Poll(of))), "an idle fetch has its timer");
                    let is_urgent = self.pending(of).any(|pending| pending.requested || pending.first);
                    assert!(
                        !is_urgent || fetch.blocked.is_some() || due <= fetch.rests_until.max(now + REST),
                        "a person waits for a poll that comes soon"
                    );
                }
                State::Reading => {
                    let reading = self.sources[fetch.source].reading;
                    assert!(reading != Reading::No, "a fetch waits for a read that somebody makes");
                }
                State::Queued(place) => {
                    let tenant = fetch.tenant.map(|tenant| &self.tenants[tenant]);
                    assert!(
                        tenant.is_some_and(|tenant| tenant.queue.contains(&place)),
                        "a queued fetch has its place"
                    );
                }
                State::InFlight(_) => in_flight += 1,
            }
            if let Some(at) = fetch.blind_at {
                assert!(
                    self.timers.contains(&(at, Timer::Blind(of))),
                    "the clock of blindness has its timer"
                );
            }
            assert!(
                fetch.unanswered_since.is_none_or(|since| since <= now),
                "the clock of blindness begins when a poll is due"
            );
            let is_watched =
                fetch.watches.iter().all(|key| self.watches.get(key).is_some_and(|w| w.fetch == of));
            assert!(is_watched, "a fetch knows its watches");
        }
        assert_eq!(in_flight, self.in_flight, "requests in flight add up");
        let ends: usize = self.endpoints.iter().map(|(_, endpoint)| endpoint.turn.in_flight).sum();
        let accounts: usize = self.accounts.iter().map(|(_, account)| account.turn.in_flight).sum();
        let tenants: usize = self.tenants.iter().map(|(_, tenant)| tenant.turn.in_flight).sum();
        let keys: usize = self.keys.values().map(|key| key.in_flight).sum();
        assert_eq!([ends, accounts, tenants, keys], [in_flight; 4], "requests in flight add up");
        let reading = self.sources.iter().filter(|(_, source)| matches!(source.reading, Reading::Since(_)));
        assert_eq!(reading.count(), self.reading, "reads under way add up");
        let idle = self.fetches.iter().filter(|(_, fetch)| matches!(fetch.state, State::Idle(_)));
        let blind = self.fetches.iter().filter(|(_, fetch)| fetch.blind_at.is_some());
        assert_eq!(self.timers.len(), idle.count() + blind.count(), "no timer is left over");
    }
}
