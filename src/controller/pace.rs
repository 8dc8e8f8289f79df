//! The pace of each watch: when it is polled next, and how many polls in a row have failed.
//!
//! This is all that the operator remembers between two looks. It is lost with the process, and nothing is lost with it:
//! a watch with a record is then polled within its interval, one without at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{
    context::Look,
    plan::{
        conditions::stalls,
        schedule::{BACKOFF_CAP, HEALING},
    },
};
use crate::api::{
    Reason,
    condition::{self, types},
};
use crate::cloud::share::Shared;

/// What is remembered of one watch.
#[derive(Clone)]
pub struct Pace {
    /// Of the resource: one that is created anew under the same name is another.
    pub uid: String,
    /// When the next poll is due.
    pub next_poll: Instant,
    /// The time between polls that was planned last; an answer half as old is new enough.
    pub delay: Duration,
    /// How many polls in a row have failed.
    pub failures: u32,
    /// When the last of them was made: a fault that is held is met more than once, and counts once.
    pub failed: Option<Instant>,
    /// The generation of the spec that was seen last; another one is polled at once.
    pub generation: Option<i64>,
    /// When the cloud last answered.
    pub answered: Option<Timestamp>,
    /// The request that was carried out last, and when: until the status echoes it, looking again is not asking again.
    pub carried_out: Option<(String, Instant)>,
    /// What this watch shares with others; held so that it stays.
    pub shared: Option<Arc<Shared>>,
}

impl Pace {
    /// The pace of a watch that this process sees for the first time.
    pub fn first(look: &Look<'_>, now: Instant) -> Self {
        let usual = Duration::from(if look.runs() { look.spec.active_interval } else { look.spec.interval });
        let ready = condition::find(&look.status.conditions, types::READY);
        // What failed before the restart is not left alone for an interval that may be a day.
        let delay = match ready {
            Some(ready) if ready.status == "False" && stalls(&ready.reason) => usual.min(HEALING),
            Some(ready) if ready.status == "False" => usual.min(BACKOFF_CAP),
            _ => usual,
        };
        let polled = ready
            .is_some_and(|ready| ready.reason != Reason::NotYetPolled && ready.reason != Reason::Suspended);
        // Thousands of watches that restart together are spread over their interval; a new or changed one is not kept
        // waiting.
        let wait = if polled && look.status.observed_generation == look.generation {
            delay.mul_f64(fastrand::f64())
        } else {
            Duration::ZERO
        };
        Self {
            uid: look.uid.to_owned(),
            next_poll: now + wait,
            delay,
            failures: 0,
            failed: None,
            generation: look.generation,
            answered: None,
            carried_out: None,
            shared: None,
        }
    }
}

/// ±10 %, so that watches that were polled together drift apart.
pub fn jitter(delay: Duration) -> Duration {
    delay.mul_f64(0.9 + 0.2 * fastrand::f64())
}

/// The namespace and name of a resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key(String, String);

impl Key {
    /// Of what has these; resources of this kind always do.
    pub fn new(namespace: Option<&str>, name: Option<&str>) -> Self {
        Self(namespace.unwrap_or_default().to_owned(), name.unwrap_or_default().to_owned())
    }
}

/// The paces of all watches.
#[derive(Default)]
pub struct Paces(Mutex<HashMap<Key, Pace>>);

impl Paces {
    /// What is remembered of a watch.
    pub fn recall(&self, key: &Key, uid: &str) -> Option<Pace> {
        self.lock().get(key).filter(|pace| pace.uid == uid).cloned()
    }

    /// Remembers.
    pub fn remember(&self, key: &Key, pace: Pace) {
        self.lock().insert(key.clone(), pace);
    }

    /// From now on no answer is new enough that was asked for before.
    pub fn refresh(&self, key: &Key) {
        if let Some(pace) = self.lock().get_mut(key) {
            pace.delay = Duration::ZERO;
        }
    }

    /// Forgets a deleted watch.
    pub fn forget(&self, key: &Key) {
        self.lock().remove(key);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Pace>> {
        // Each change is one call, so a panic elsewhere leaves the map whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::{ClusterBackupWatch, ClusterBackupWatchStatus};

    /// A watch that is polled once a day, as an earlier process left it.
    fn left(reason: &str, status: &str, observed: i64) -> ClusterBackupWatch {
        serde_json::from_value(json!({
            "apiVersion": "cce.backupwatch.io/v1alpha1",
            "kind": "ClusterBackupWatch",
            "metadata": { "name": "prod", "namespace": "platform", "uid": "1", "generation": 2 },
            "spec": { "region": "r", "projectID": "p", "clusterID": "c", "interval": "24h" },
            "status": {
                "observedGeneration": observed,
                "conditions": [{
                    "type": "Ready", "status": status, "reason": reason, "message": "",
                    "lastTransitionTime": "2023-11-25T09:03:46Z"
                }],
            },
        }))
        .unwrap()
    }

    #[test]
    fn after_a_restart_a_watch_waits_no_longer_than_what_it_is_about() {
        const DAY: u64 = 24 * 3600;
        for (reason, status, observed, longest) in [
            ("Polled", "True", 2, DAY),
            ("Polled", "True", 1, 0),
            ("NotYetPolled", "Unknown", 2, 0),
            ("Suspended", "True", 2, 0),
            ("AuthenticationFailed", "False", 2, 30),
            ("SecretNotFound", "False", 2, 30),
            ("CloudUnavailable", "False", 2, 600),
        ] {
            let (watch, nothing) = (left(reason, status, observed), ClusterBackupWatchStatus::default());
            let now = Instant::now();
            let first = Pace::first(&Look::at(&watch, &nothing), now);
            assert!(first.next_poll - now <= Duration::from_secs(longest), "{reason} {observed}");
        }
    }

    #[test]
    fn watches_that_restart_together_are_spread_over_their_interval() {
        let (watch, nothing) = (left("Polled", "True", 2), ClusterBackupWatchStatus::default());
        let now = Instant::now();
        let mut waits: Vec<_> =
            (0..1000).map(|_| Pace::first(&Look::at(&watch, &nothing), now).next_poll - now).collect();
        waits.sort_unstable();
        let largest_gap = waits.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).max().unwrap();
        assert!(largest_gap < Duration::from_hours(1), "{largest_gap:?}");
    }
}
