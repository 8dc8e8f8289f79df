//! The state of watches whose writes to the API server fail: their backoff, which Events already exist, and how long an
//! Event that cannot be published holds back the status.
//!
//! A watch is forgotten as soon as all is written. No I/O; the time is a parameter.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::poll::{WatchKey, backoff};

/// The first backoff, and the longest for errors that may pass by themselves, such as an API server that does not
/// answer: short, so that all is written soon after its return.
const PASSING: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));
/// The longest backoff for a request that the API server refuses, which only a person can change, and how many such
/// tries a second all watches together may make. So a few watches are retried as often as in an outage, and soon use a
/// permission that comes back; and ten thousand do not storm an API server that refuses them.
const LASTING: (Duration, f64) = (Duration::from_mins(5), 20.0);
/// How long after its last fault an API server may still be starting, and refuse requests that it will allow later.
const STARTING: Duration = Duration::from_mins(1);
/// How long an Event may hold back a status, counted from its own first failure: an Event of a later transition in the
/// same outage would otherwise be given up at its first try.
const EVENTS: Duration = Duration::from_mins(1);

/// All watches with something that is not written yet.
#[derive(Default)]
pub struct Retries {
    troubles: Mutex<HashMap<WatchKey, Trouble>>,
    /// When the API server was last at fault.
    outage: Mutex<Option<Instant>>,
}

/// One watch with something that is not written yet.
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

impl Retries {
    /// Whether an error may pass by itself.
    pub fn is_passing(&self, error: &kube::Error, now: Instant) -> bool {
        let mut outage = lock(&self.outage);
        match error {
            // A conflict and a throttled request are answers of an API server that works.
            kube::Error::Api(status) if matches!(status.code, 409 | 429) => return true,
            kube::Error::Api(status) if status.code >= 500 => {}
            // An API server that is starting refuses every request until it has loaded its authorization rules.
            kube::Error::Api(status) if matches!(status.code, 401 | 403) => {
                return outage.is_some_and(|last| now.saturating_duration_since(last) < STARTING);
            }
            kube::Error::Api(_) => return false,
            _ => {}
        }
        *outage = Some(now);
        true
    }

    /// Whether an Event that cannot be written for a passing reason still holds back the status of its watch.
    pub fn holds_back(&self, key: &WatchKey, event: &str, now: Instant) -> bool {
        let mut troubles = lock(&self.troubles);
        let trouble = troubles.entry(key.clone()).or_default();
        let since = *trouble.failing.entry(event.to_owned()).or_insert(now);
        now.saturating_duration_since(since) < EVENTS
    }

    /// An Event exists now, and need not be published again.
    pub fn published(&self, key: &WatchKey, event: &str) {
        lock(&self.troubles).entry(key.clone()).or_default().published.insert(event.to_owned());
    }

    /// Whether an Event was published since all was last written.
    pub fn is_published(&self, key: &WatchKey, event: &str) -> bool {
        lock(&self.troubles).get(key).is_some_and(|trouble| trouble.published.contains(event))
    }

    /// One more try failed. Returns how long to wait, before jitter, and how often it has failed.
    pub fn failed(&self, key: &WatchKey, is_passing: bool, now: Instant) -> (Duration, u32) {
        let mut troubles = lock(&self.troubles);
        let others = troubles.len().saturating_sub(usize::from(troubles.contains_key(key)));
        let trouble = troubles.entry(key.clone()).or_default();
        trouble.tries += 1;
        let longest = if is_passing { PASSING.1 } else { lasting(others + 1) };
        // Less than the shortest wait that jitter makes of it, so that the next try itself is never held up. The cap is
        // that of passing errors: after a refusal too, a new outcome tries whether somebody restored the permission.
        let held = backoff(PASSING.0, trouble.tries, PASSING.1).mul_f64(0.8);
        trouble.until = Some(now + held);
        (backoff(PASSING.0, trouble.tries, longest), trouble.tries)
    }

    /// How long a watch that failed still backs off; none where it may be tried.
    pub fn backs_off(&self, key: &WatchKey, now: Instant) -> Option<Duration> {
        let until = lock(&self.troubles).get(key)?.until?;
        until.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    /// Whether the log does not say yet that the watch cannot be reconciled. From now on it counts as said.
    pub fn is_unlogged(&self, key: &str) -> bool {
        lock(&self.troubles).get_mut(key).is_some_and(|trouble| !std::mem::replace(&mut trouble.logged, true))
    }

    /// All is written, or the watch is gone. Returns whether the log said that it cannot be reconciled.
    pub fn ended(&self, key: &str) -> bool {
        lock(&self.troubles).remove(key).is_some_and(|trouble| trouble.logged)
    }
}

/// The longest backoff for a refused request, while so many watches have something to write.
fn lasting(watches: usize) -> Duration {
    let watches = u32::try_from(watches).unwrap_or(u32::MAX);
    Duration::from_secs_f64(f64::from(watches) / LASTING.1).clamp(PASSING.1, LASTING.0)
}

/// Ignores poisoning: each change of the maps is one call, so a panic elsewhere leaves them consistent.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn api(code: u16) -> kube::Error {
        kube::Error::Api(Box::new(Status { code, ..Status::default() }))
    }

    #[test]
    fn a_refusal_passes_by_itself_only_while_the_api_server_may_be_starting() {
        let (retries, start) = (Retries::default(), Instant::now());
        let passes = |code, at| retries.is_passing(&api(code), at);
        for code in [409, 429] {
            assert!(passes(code, start), "{code}");
        }
        assert!(!passes(403, start) && !passes(422, start));
        for code in [500, 503] {
            assert!(passes(code, start), "{code}");
        }
        assert!(passes(403, start) && !passes(422, start));
        assert!(!passes(403, start + STARTING));
        assert!(retries.is_passing(&kube::Error::Service("no connection".into()), start));
    }

    #[test]
    fn tries_become_rarer_to_a_cap_that_depends_on_who_must_act_and_for_how_many() {
        let (retries, start) = (Retries::default(), Instant::now());
        let waits = |name: &str, passing| -> Vec<_> {
            (0..11).map(|_| retries.failed(&name.into(), passing, start).0.as_secs()).collect()
        };
        assert_eq!(waits("outage", true), [1, 2, 4, 8, 15, 15, 15, 15, 15, 15, 15]);
        assert_eq!(waits("forbidden", false), [1, 2, 4, 8, 15, 15, 15, 15, 15, 15, 15]);
        for watch in 0..10_000 {
            retries.failed(&watch.to_string().into(), false, start);
        }
        assert_eq!(waits("one of very many", false), [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        retries.ended("outage");
        assert_eq!(retries.failed(&"outage".into(), true, start), (Duration::from_secs(1), 1));
    }

    #[test]
    fn a_trouble_is_logged_once_and_its_end_only_if_it_was() {
        let (retries, key, start) = (Retries::default(), WatchKey::from("a/b"), Instant::now());
        assert!(!retries.is_unlogged(&key) && !retries.ended(&key));
        retries.failed(&key, true, start);
        assert!(!retries.ended(&key));
        retries.failed(&key, true, start);
        assert!(retries.is_unlogged(&key) && !retries.is_unlogged(&key));
        assert!(retries.ended(&key) && !retries.ended(&key));
    }

    #[test]
    fn news_waits_for_the_next_try_and_never_holds_that_up() {
        let (retries, key, start) = (Retries::default(), WatchKey::from("a/b"), Instant::now());
        assert_eq!(retries.backs_off(&key, start), None);
        for _ in 0..3 {
            retries.failed(&key, true, start);
        }
        assert!(retries.backs_off(&key, start).is_some());
        assert_eq!(retries.backs_off(&key, start + Duration::from_secs(4).mul_f64(0.9)), None);
        retries.ended(&key);
        assert_eq!(retries.backs_off(&key, start), None);
    }

    #[test]
    fn each_event_holds_back_a_status_for_a_minute_of_its_own() {
        let (retries, key, start) = (Retries::default(), WatchKey::from("a/b"), Instant::now());
        let holds_back = |event: &str, at| retries.holds_back(&key, event, at);
        assert!(holds_back("first", start));
        retries.failed(&key, true, start);
        assert!(holds_back("first", start + EVENTS.mul_f64(0.99)));
        assert!(!holds_back("first", start + EVENTS));
        assert!(holds_back("second", start + EVENTS));
        assert!(!holds_back("first", start + EVENTS) && !holds_back("second", start + 2 * EVENTS));
        retries.ended(&key);
        assert!(holds_back("first", start + 2 * EVENTS));
    }

    #[test]
    fn a_published_event_is_remembered_until_all_is_written() {
        let (retries, key) = (Retries::default(), WatchKey::from("a/b"));
        assert!(!retries.is_published(&key, "first"));
        retries.published(&key, "first");
        assert!(retries.is_published(&key, "first") && !retries.is_published(&key, "second"));
        retries.ended(&key);
        assert!(!retries.is_published(&key, "first"));
    }
}
