//! What the controller remembers of each watch: what it was when it last triggered a reconcile, whether a copy of it is
//! fresh, and what could not be written. All of it is under one lock, so that one call forgets a watch. No I/O; the time is a
//! parameter.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kube::{Resource, ResourceExt};

use super::{
    freshness::{self, Freshness},
    object::key_of,
};
use crate::api::{ClusterBackupWatchStatus, Guarded, REQUESTED_AT};
use crate::poll::{
    WatchKey,
    policy::{EVENT_HOLDS, STARTING, WRITE, WRITE_REFUSED, Wait},
};

/// What is remembered of all watches.
#[derive(Default)]
pub struct Memory(Mutex<Remembered>);

#[derive(Default)]
struct Remembered {
    watches: HashMap<WatchKey, Watch>,
    /// The few that have something which is not written.
    troubles: HashMap<WatchKey, Trouble>,
    /// When the API server was last at fault.
    outage: Option<Instant>,
}

/// What is remembered of one watch.
#[derive(Default)]
struct Watch {
    /// Hash of what last triggered a reconcile; 0 for nothing.
    trigger: u64,
    /// Hash of the uid: a resource that was created anew is another one.
    uid: u64,
    freshness: Freshness,
}

/// Something that could not be written.
#[derive(Default)]
struct Trouble {
    tries: u32,
    /// Until when a new outcome waits for the next try; none before a try has failed.
    until: Option<Instant>,
    /// The Events that exist, by name: while the status cannot be written, they are not published with each try.
    published: HashSet<String>,
    /// When each Event first failed, by name.
    failing: HashMap<String, Instant>,
    /// Whether the log says that the watch cannot be reconciled.
    logged: bool,
}

impl Memory {
    /// Whether a resource that the stream delivered has to be reconciled: it has another spec, request or label than before,
    /// or a status that somebody else wrote. A status that this process wrote is no reason, or each reconcile would cause
    /// another one.
    pub fn is_news(&self, watch: &Guarded) -> bool {
        let meta = watch.meta();
        // A resource that cannot be decoded is not polled, so nothing else would notice a change of it.
        let version = meta.resource_version.as_ref().filter(|_| watch.0.is_err());
        let request = watch.annotations().get(REQUESTED_AT);
        let trigger = hash(&(&meta.uid, meta.generation, request, version, watch.0.is_ok(), watch.labels()));
        let nothing = ClusterBackupWatchStatus::default();
        let status =
            watch.0.as_ref().ok().map(|watch| freshness::hash(watch.status.as_ref().unwrap_or(&nothing)));
        let mut all = self.all();
        let known = all.of(&key_of(watch), hash(&meta.uid));
        let is_foreign = status.is_some_and(|status| !known.freshness.delivers(status)); // mark: foreign status
        std::mem::replace(&mut known.trigger, trigger) != trigger || is_foreign
    }

    /// What is known of the status of a watch.
    pub fn freshness<T>(&self, key: &WatchKey, uid: &str, change: impl FnOnce(&mut Freshness) -> T) -> T {
        change(&mut self.all().of(key, hash(&Some(uid))).freshness)
    }

    /// Forgets a watch.
    pub fn forget(&self, key: &str) {
        let mut all = self.all();
        all.watches.remove(key);
        all.troubles.remove(key);
    }

    /// Forgets the watches for whose key `keep` is false.
    pub fn retain(&self, keep: impl Fn(&str) -> bool) {
        let mut all = self.all();
        all.watches.retain(|key, _| keep(key));
        all.troubles.retain(|key, _| keep(key));
    }

    /// Whether an error of the API server may pass by itself.
    pub fn is_passing(&self, error: &kube::Error, now: Instant) -> bool {
        let mut all = self.all();
        match error {
            // A conflict and a throttled request are answers of an API server that works.
            kube::Error::Api(status) if matches!(status.code, 409 | 429) => return true,
            kube::Error::Api(status) if status.code >= 500 => {}
            // An API server that is starting refuses every request until it has loaded its authorization rules.
            kube::Error::Api(status) if matches!(status.code, 401 | 403) => {
                return all.outage.is_some_and(|last| now.saturating_duration_since(last) < STARTING);
            }
            kube::Error::Api(_) => return false,
            _ => {}
        }
        all.outage = Some(now);
        true
    }

    /// Whether an Event that cannot be written for a passing reason still holds back the status of its watch. Each has a
    /// minute of its own: an Event of a later transition in the same outage would otherwise be given up at its first try.
    pub fn holds_back(&self, key: &WatchKey, event: &str, now: Instant) -> bool {
        let mut all = self.all();
        let since = *all.trouble(key).failing.entry(event.to_owned()).or_insert(now);
        now.saturating_duration_since(since) < EVENT_HOLDS
    }

    /// An Event exists now, and need not be published again.
    pub fn published(&self, key: &WatchKey, event: &str) {
        self.all().trouble(key).published.insert(event.to_owned());
    }

    /// Whether an Event was published since all was last written.
    pub fn is_published(&self, key: &WatchKey, event: &str) -> bool {
        self.with_trouble(key, |trouble| trouble.published.contains(event)).unwrap_or_default()
    }

    /// One more try failed. Returns how long to wait, before jitter, and how often it has failed.
    pub fn failed(&self, key: &WatchKey, is_passing: bool, now: Instant) -> (Duration, u32) {
        let mut all = self.all();
        let trouble = all.trouble(key);
        trouble.tries += 1;
        let wait = WRITE.after(trouble.tries); // mark: write backoff
        // Less than the shortest wait that jitter makes of it, so that the next try itself is never held up. After a refusal
        // too a new outcome tries whether somebody restored the permission.
        trouble.until = Some(now + wait.mul_f64(0.8));
        let tries = trouble.tries;
        let refused = Wait { longest: lasting(all.troubles.len()), ..WRITE };
        (if is_passing { wait } else { refused.after(tries) }, tries)
    }

    /// How long a watch that failed still backs off; none where it may be tried.
    pub fn backs_off(&self, key: &WatchKey, now: Instant) -> Option<Duration> {
        let until = self.with_trouble(key, |trouble| trouble.until)??;
        until.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    /// Whether the log does not say yet that the watch cannot be reconciled. From now on it counts as said.
    pub fn is_unlogged(&self, key: &WatchKey) -> bool {
        self.with_trouble(key, |trouble| !std::mem::replace(&mut trouble.logged, true)).unwrap_or_default()
    }

    /// All is written. Returns whether the log said that the watch cannot be reconciled.
    pub fn is_written(&self, key: &WatchKey) -> bool {
        self.all().troubles.remove(key).is_some_and(|trouble| trouble.logged)
    }

    fn with_trouble<T>(&self, key: &WatchKey, read: impl FnOnce(&mut Trouble) -> T) -> Option<T> {
        self.all().troubles.get_mut(key).map(read)
    }

    /// Ignores poisoning: each change is one call, so a panic elsewhere leaves the record consistent.
    fn all(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Remembered {
    /// What is remembered of the watch with this uid; nothing of an earlier one of the same name.
    fn of(&mut self, key: &WatchKey, uid: u64) -> &mut Watch {
        let watch = self.watches.entry(key.clone()).or_default();
        if watch.uid != uid {
            self.troubles.remove(key);
            *watch = Watch { uid, ..Watch::default() };
        }
        watch
    }

    fn trouble(&mut self, key: &WatchKey) -> &mut Trouble {
        self.troubles.entry(key.clone()).or_default()
    }
}

fn hash(of: &impl Hash) -> u64 {
    let mut hash = DefaultHasher::new();
    of.hash(&mut hash);
    hash.finish()
}

/// The longest backoff for a refused request, while so many watches have something to write.
fn lasting(watches: usize) -> Duration {
    let watches = u32::try_from(watches).unwrap_or(u32::MAX);
    Duration::from_secs_f64(f64::from(watches) / WRITE_REFUSED.1).clamp(WRITE.longest, WRITE_REFUSED.0)
}

#[cfg(test)]
mod tests;
