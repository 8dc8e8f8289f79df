//! Drops state that no fetch uses any more, and takes the snapshot for the metrics.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{Engine, Snapshot, Timer};

/// How often unused state is dropped.
const SWEEP: Duration = Duration::from_mins(1);

impl Engine {
    /// Drops the accounts, endpoints, sources and keys that no fetch uses, once nothing is lost with them: otherwise a
    /// watch that is created anew would get a full bucket again, or would try an endpoint that just hung, or a key that
    /// was just refused.
    pub(super) fn sweep(&mut self, now: Instant) {
        if now < self.swept + SWEEP {
            return;
        }
        self.swept = now;
        self.accounts.retain(|_, account| !account.is_idle(now));
        let accounts = &self.accounts;
        self.by_account.retain(|_, id| accounts.contains(*id));
        let used: BTreeSet<_> = accounts.iter().map(|(_, account)| account.endpoint).collect();
        self.endpoints.retain(|id, endpoint| used.contains(&id) || !endpoint.breaker.is_idle(now));
        let endpoints = &self.endpoints;
        self.by_endpoint.retain(|_, id| endpoints.contains(*id));
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

    /// The endpoints and accounts that fetches use, as they are at `now`. Those that no fetch uses are never asked again,
    /// so one that is blocked would stay so.
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        let (mut accounts, mut used) = (Vec::new(), BTreeSet::new());
        for (_, account) in self.accounts.iter().filter(|(_, account)| account.fetches > 0) {
            let (region, project) = &account.name;
            // While its endpoint is blocked, an account may wait long for a probe of its own.
            let is_blocked = account.shut(now).is_some()
                || account.breaker.is_blocking(now)
                || (account.breaker.open_since().is_some()
                    && self.endpoints[account.endpoint].breaker.is_blocking(now));
            accounts.push((region.to_string(), project.to_string(), is_blocked));
            used.insert(account.endpoint);
        }
        let endpoint = |id: usize| {
            let endpoint = &self.endpoints[id];
            (endpoint.base.clone(), endpoint.in_flight, endpoint.breaker.is_blocking(now))
        };
        Snapshot { endpoints: used.into_iter().map(endpoint).collect(), accounts }
    }
}
