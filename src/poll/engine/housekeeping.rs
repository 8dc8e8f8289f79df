//! Drops state that no fetch uses any more, and takes the snapshot for the metrics.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{Engine, Snapshot, Timer};
use crate::poll::breaker::Breaker;

/// How often unused state is dropped.
const SWEEP: Duration = Duration::from_mins(1);

impl Engine {
    /// Drops the accounts, sources and keys that no fetch uses, once nothing is lost with them: otherwise a watch that
    /// is created anew would get a full bucket again, or would try a key again that was just refused.
    pub(super) fn sweep(&mut self, now: Instant) {
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
