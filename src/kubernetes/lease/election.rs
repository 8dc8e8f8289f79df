//! The rules of a Lease, as a state machine: what was seen of it, what to do next and when. No I/O and no clock.
//!
//! The rules are those of Kubernetes' own controllers. A Lease is free when it has no holder, or when its spec has not
//! changed for its duration, by the clock of the process that looks: so the clocks of two machines need not agree. A
//! holder that cannot renew the Lease gives it up some seconds before another process can take it.

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

/// What this process writes into a Lease to hold it.
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
    tenure: Option<Term>,
    due: Option<Instant>,
}

/// The tenure of this process, while it holds the Lease.
#[derive(Clone, Debug)]
struct Term {
    /// The acquireTime of the Lease. It tells apart two processes with the same name.
    acquired: Option<MicroTime>,
    /// When the last renewal that succeeded began.
    renewed: Instant,
}

impl Election {
    /// The state before anything is known of the Lease.
    pub fn new(claim: Claim, now: Instant) -> Self {
        Self { claim, lease: None, since: now, is_watched: true, tenure: None, due: None }
    }

    /// When [`Election::step`] is due; `None` until the watch reports something.
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
            // Also if nothing is known of the Lease yet: if it exists, its creation fails with a 409.
            None => self.write(|spec| {
                let is_new = spec.holder_identity.as_ref() != Some(&self.claim.identity);
                spec.lease_transitions = Some(spec.lease_transitions.unwrap_or(0) + i32::from(is_new));
                spec.acquire_time = Some(MicroTime(time));
                spec.renew_time = Some(MicroTime(time));
            }),
        }
    }

    /// The step that gives the Lease back, without a holder, and with a duration of 1 s for clients that look at times.
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

    /// The watch reported the Lease, or `None` if there is none. The report may be older than what is known already, so
    /// a holder takes a foreign Lease only as a reason to renew at once, which proves who holds it.
    pub fn told(&mut self, lease: Option<Lease>, now: Instant) {
        self.is_watched = true;
        match &self.tenure {
            Some(_) if self.is_ours(lease.as_ref()) => self.lease = lease,
            Some(_) => self.due = Some(now),
            None => self.see(lease, now),
        }
    }

    /// The watch failed. Returns whether it worked until now.
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
        self.tenure = Some(Term { acquired, renewed: begun });
        self.due = Some(begun + RENEW);
    }

    /// The Lease was read, perhaps because a write had a conflict. Returns false if this process has lost it.
    pub fn read(&mut self, lease: Option<Lease>, now: Instant) -> bool {
        if self.tenure.is_none() {
            self.see(lease, now);
        } else if self.is_ours(lease.as_ref()) {
            // Something else was changed, such as a label, so the renewal is repeated from this version.
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

    /// When this process may take the Lease, unless its spec changes before.
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

    /// The step that writes the Lease with this process as its holder, and keeps what others wrote into it.
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
