//! The rules of a Lease, as a state machine: what was seen of it, what to do next and when. No I/O and no clock.
//!
//! The rules are those of Kubernetes' own controllers. A Lease is free when it has no holder, or when its spec has not
//! changed for its duration by the clock of who looks: two machines need not agree on the time. Whoever holds it gives up
//! some seconds before it can be free for another.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};

/// How long a Lease holds without being renewed.
pub const DURATION: Duration = Duration::from_secs(15);
/// How long after the beginning of its last renewal its holder still works.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// How long after a renewal the next one begins. Also how often the Lease is read where it cannot be watched.
const RENEW: Duration = Duration::from_secs(5);
/// How long after a failed request the next one begins.
const RETRY: Duration = Duration::from_secs(1);

/// Who wants a Lease, and what else it says.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The name of the Lease.
    pub name: String,
    /// The name of the holder.
    pub identity: String,
    /// Labels that the Lease has while it is held.
    pub labels: BTreeMap<String, String>,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Create this Lease.
    Create(Lease),
    /// Replace the Lease by this; its resourceVersion is that of the Lease that it was made from.
    Replace(Lease),
    /// Read the Lease.
    Look,
    /// It was not renewed in time: give it up.
    Expired,
}

/// The state of one Lease, for one process that wants it.
#[derive(Debug)]
pub struct Election {
    claim: Claim,
    /// The Lease as last seen.
    lease: Option<Lease>,
    /// Since when its spec is as it is.
    since: Instant,
    /// Whether its watch tells of changes.
    is_watched: bool,
    tenure: Option<Tenure>,
    due: Option<Instant>,
}

/// What makes a Lease ours.
#[derive(Clone, Debug)]
struct Tenure {
    /// As the Lease says it. It tells two processes of one name apart.
    acquired: Option<MicroTime>,
    /// When the last renewal that succeeded began.
    renewed: Instant,
}

impl Election {
    /// Of a Lease that nothing is known of.
    pub fn new(claim: Claim, now: Instant) -> Self {
        Self { claim, lease: None, since: now, is_watched: true, tenure: None, due: None }
    }

    /// When [`Election::step`] is due; `None`: not before the watch tells something.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// When this process gives the Lease up unless it is renewed.
    pub fn deadline(&self) -> Option<Instant> {
        self.tenure.as_ref().map(|tenure| tenure.renewed + DEADLINE)
    }

    /// Whether this process holds the Lease.
    pub fn is_held(&self) -> bool {
        self.tenure.is_some()
    }

    /// What to do at this moment.
    pub fn step(&self, now: Instant, time: Timestamp) -> Step {
        match self.deadline() {
            Some(deadline) if now >= deadline => Step::Expired,
            Some(_) => self.write(|spec| spec.renew_time = Some(MicroTime(time))),
            None if self.free_at(now) > now => Step::Look,
            // Also where nothing is known of it yet: if there is one, its creation says so.
            None => self.write(|spec| {
                let is_new = spec.holder_identity.as_ref() != Some(&self.claim.identity);
                spec.lease_transitions = Some(spec.lease_transitions.unwrap_or(0) + i32::from(is_new));
                spec.acquire_time = Some(MicroTime(time));
                spec.renew_time = Some(MicroTime(time));
            }),
        }
    }

    /// What gives the Lease back. It expires at once for who looks at its times, and has no holder for the others.
    pub fn release(&self, time: Timestamp) -> Option<Step> {
        self.tenure.as_ref()?;
        let mut step = self.write(|spec| spec.renew_time = Some(MicroTime(time)));
        if let Step::Create(lease) | Step::Replace(lease) = &mut step {
            let spec = lease.spec.get_or_insert_default();
            spec.holder_identity = Some(String::new());
            spec.lease_duration_seconds = Some(1);
        }
        Some(step)
    }

    /// The watch told of the Lease; `None`: there is none. It may be behind what is known already, so that a holder only
    /// takes it as a reason to renew, which proves who holds the Lease.
    pub fn told(&mut self, lease: Option<Lease>, now: Instant) {
        self.is_watched = true;
        match &self.tenure {
            Some(_) if self.is_ours(lease.as_ref()) => self.lease = lease,
            Some(_) => self.due = Some(now),
            None => self.see(lease, now),
        }
    }

    /// The watch broke off. Returns whether that is news.
    pub fn went_blind(&mut self, now: Instant) -> bool {
        if self.tenure.is_none() {
            self.due = Some(self.due.map_or(now + RETRY, |due| due.min(now + RENEW)));
        }
        std::mem::replace(&mut self.is_watched, false)
    }

    /// The Lease was written.
    pub fn wrote(&mut self, lease: Lease, begun: Instant) {
        let acquired = lease.spec.as_ref().and_then(|spec| spec.acquire_time.clone());
        self.lease = Some(lease);
        self.tenure = Some(Tenure { acquired, renewed: begun });
        self.due = Some(begun + RENEW);
    }

    /// The Lease was read, perhaps because a write met another one's. Returns false if it was lost.
    pub fn read(&mut self, lease: Option<Lease>, now: Instant) -> bool {
        if self.tenure.is_none() {
            self.see(lease, now);
        } else if self.is_ours(lease.as_ref()) {
            // Somebody has changed a label, say.
            self.lease = lease;
            self.due = Some(now);
        } else {
            self.tenure = None;
            return false;
        }
        true
    }

    /// A request failed.
    pub fn failed(&mut self, now: Instant) {
        let retry = now + RETRY;
        self.due = Some(self.deadline().map_or(retry, |deadline| deadline.min(retry)));
    }

    fn see(&mut self, lease: Option<Lease>, now: Instant) {
        let spec = |lease: &Option<Lease>| lease.as_ref().and_then(|lease| lease.spec.clone());
        if spec(&self.lease) != spec(&lease) {
            self.since = now;
        }
        self.lease = lease;
        let free_at = self.free_at(now);
        self.due = Some(if self.is_watched { free_at } else { free_at.min(now + RENEW) });
    }

    /// When this process may take the Lease, unless it changes until then.
    fn free_at(&self, now: Instant) -> Instant {
        let Some(spec) = self.lease.as_ref().and_then(|lease| lease.spec.as_ref()) else { return now };
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        if holder.is_empty() || holder == self.claim.identity {
            return now;
        }
        let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        self.since + seconds.map_or(DURATION, Duration::from_secs)
    }

    fn is_ours(&self, lease: Option<&Lease>) -> bool {
        let (Some(tenure), Some(spec)) = (&self.tenure, lease.and_then(|lease| lease.spec.as_ref())) else {
            return false;
        };
        spec.holder_identity.as_ref() == Some(&self.claim.identity) && spec.acquire_time == tenure.acquired
    }

    /// The Lease in our name, with what others wrote into it.
    fn write(&self, change: impl FnOnce(&mut LeaseSpec)) -> Step {
        let mut lease = self.lease.clone().unwrap_or_default();
        lease.metadata.name = Some(self.claim.name.clone());
        if !self.claim.labels.is_empty() {
            lease.metadata.labels.get_or_insert_default().extend(self.claim.labels.clone());
        }
        let spec = lease.spec.get_or_insert_default();
        change(spec);
        spec.holder_identity = Some(self.claim.identity.clone());
        spec.lease_duration_seconds = i32::try_from(DURATION.as_secs()).ok();
        if self.lease.is_some() { Step::Replace(lease) } else { Step::Create(lease) }
    }
}
