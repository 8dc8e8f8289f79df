//! Who is served: endpoints, the accounts of an endpoint, and the keys that share an account's rate. Pure.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::{AccountId, EndpointId, TenantId, gate::Gate, queue::Place};
use crate::cloud::target::{ProjectId, Region};

/// How much of the slots somebody has, and when it was last served. The least goes first: so whoever is answered precedes
/// whoever hangs, and nobody is passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn {
    /// Requests in flight.
    pub in_flight: usize,
    /// The number of the request that was sent last.
    pub served: u64,
}

/// One host.
#[derive(Debug, Default)]
pub struct Endpoint {
    /// Scheme, host and port.
    pub base: String,
    /// Its place in the order of service.
    pub turn: Turn,
    /// Its accounts with a poll that waits.
    pub waiting: BTreeSet<AccountId>,
}

/// One account: a project in a region.
#[derive(Debug)]
pub struct Account {
    /// The endpoint that serves it.
    pub endpoint: EndpointId,
    /// Region and project; the fetches of the account share these strings.
    pub name: (Region, ProjectId),
    /// How many fetches it has.
    pub fetches: usize,
    /// Its place in the order of service.
    pub turn: Turn,
    /// Its keys with a poll that waits.
    pub waiting: BTreeSet<TenantId>,
    /// Its rate limiter.
    pub bucket: Bucket,
}

/// One key in one account. What it suffers from the cloud's limits stays its own: the account may be another's.
#[derive(Debug)]
pub struct Tenant {
    /// The account.
    pub account: AccountId,
    /// The hash of the key.
    pub key: u64,
    /// The gate that a 429 and time-outs close.
    pub gate: Gate,
    /// Its place in the order of service.
    pub turn: Turn,
    /// Its polls that wait, the next one first.
    pub queue: BTreeSet<Place>,
}

/// One key, wherever it is used.
#[derive(Debug, Default)]
pub struct Key {
    /// The gate that a 401 closes.
    pub gate: Gate,
    /// Whether an answer has proven it.
    pub is_proven: bool,
    /// Requests in flight.
    pub in_flight: usize,
}

/// The rate limit of an account.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// Requests per second; positive and finite.
    pub rate: f64,
    /// How many requests may be sent at once after a quiet time; at least 1.
    pub burst: u32,
}

/// A token bucket.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    limit: Limit,
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    /// A full one.
    pub fn new(limit: Limit, now: Instant) -> Self {
        Self { limit, tokens: f64::from(limit.burst), filled: now }
    }

    /// How many tokens there are.
    fn tokens(&self, now: Instant) -> f64 {
        let gained = now.saturating_duration_since(self.filled).as_secs_f64() * self.limit.rate;
        (self.tokens + gained).min(f64::from(self.limit.burst))
    }

    /// Whether a request may be sent.
    pub fn has_token(&self, now: Instant) -> bool {
        self.tokens(now) >= 1.0
    }

    /// Whether a token may be taken before it is there, so that what comes next waits for two.
    pub fn may_owe(&self, now: Instant) -> bool {
        self.tokens(now) >= 0.0
    }

    /// Whether it is full.
    pub fn is_full(&self, now: Instant) -> bool {
        self.tokens(now) >= f64::from(self.limit.burst)
    }

    /// Takes a token.
    pub fn take(&mut self, now: Instant) {
        (self.tokens, self.filled) = (self.tokens(now) - 1.0, now);
    }

    /// When the next token is there.
    pub fn next_token(&self) -> Instant {
        let missing = (1.0 - self.tokens).max(0.0) / self.limit.rate;
        // Upper bound, because at a rate close to zero the wait would overflow.
        let longest = Duration::from_hours(1);
        let wait = Duration::try_from_secs_f64(missing).unwrap_or(longest).min(longest);
        self.filled + wait + Duration::from_millis(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(Limit { rate: 2.0, burst: 3 }, start);
        for _ in 0..3 {
            assert!(bucket.has_token(start));
            bucket.take(start);
        }
        assert!(!bucket.has_token(start));
        let next = bucket.next_token();
        assert!(next > start + Duration::from_millis(499) && next < start + Duration::from_millis(510));
        assert!(bucket.has_token(next) && !bucket.is_full(next));
        assert!(bucket.is_full(start + Duration::from_hours(1)));
    }

    #[test]
    fn at_a_rate_close_to_zero_the_wait_does_not_overflow() {
        let start = Instant::now();
        let mut bucket = Bucket::new(Limit { rate: 1e-300, burst: 1 }, start);
        bucket.take(start);
        assert!(bucket.next_token() < start + Duration::from_hours(2));
    }
}
