//! One account (a project in a region): its rate limiter, a token bucket, and its throttling after a 429. Pure: the
//! clock is a parameter.

use std::time::{Duration, Instant};

use super::{breaker::Breaker, held::Held, queue::Queue};
use crate::cloud::target::{ProjectId, Region};

/// The rate limit of an account.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// Requests per second; positive and finite.
    pub rate: f64,
    /// How many requests may be sent at once after a quiet time; at least 1.
    pub burst: u32,
}

/// The state of one account.
#[derive(Debug)]
pub struct Account {
    /// The endpoint that serves it.
    pub endpoint: usize,
    /// Region and project; the fetches of the account share these strings.
    pub name: (Region, ProjectId),
    /// How many fetches it has.
    pub fetches: usize,
    /// The circuit breaker; it counts faults without an HTTP status.
    pub breaker: Breaker,
    /// Requests in flight.
    pub in_flight: usize,
    /// When the last request was sent.
    pub sent_at: Option<Instant>,
    /// The fetches that wait to be sent.
    pub queue: Queue,
    limit: Limit,
    tokens: f64,
    filled: Instant,
    shut: Option<(Held, Instant)>,
    /// After a 429 one request is sent at a time, until one is answered with something else than a 429.
    cautious: bool,
    throttled: u32,
}

impl Account {
    /// An account with a full bucket.
    pub fn new(endpoint: usize, name: (Region, ProjectId), limit: Limit, now: Instant) -> Self {
        Self {
            endpoint,
            name,
            fetches: 0,
            breaker: Breaker::default(),
            in_flight: 0,
            sent_at: None,
            queue: Queue::default(),
            limit,
            tokens: f64::from(limit.burst),
            filled: now,
            shut: None,
            cautious: false,
            throttled: 0,
        }
    }

    /// Whether the last request was answered and none is in flight.
    pub fn is_well(&self) -> bool {
        self.in_flight == 0 && self.breaker.fault().is_none() && self.breaker.answered_at().is_some()
    }

    /// The 429 by which the account is shut, and until when.
    pub fn shut(&self, now: Instant) -> Option<(&Held, Instant)> {
        self.shut.as_ref().filter(|(_, until)| now < *until).map(|(held, until)| (held, *until))
    }

    /// Whether the rate limiter admits a request, with at most `share` in flight.
    pub fn has_token(&mut self, share: usize, now: Instant) -> bool {
        self.fill(now);
        self.in_flight < if self.cautious { 1 } else { share } && self.tokens >= 1.0
    }

    /// When the next token is there, if a fetch waits and only a token is missing.
    pub fn next_token(&self, share: usize) -> Option<Instant> {
        let only_a_token = self.tokens < 1.0 && self.in_flight < if self.cautious { 1 } else { share };
        let missing = (1.0 - self.tokens) / self.limit.rate;
        // Upper bound, because at a rate close to zero the wait would overflow.
        let missing =
            Duration::try_from_secs_f64(missing).unwrap_or(Duration::MAX).min(Duration::from_hours(1));
        (only_a_token && !self.queue.is_empty()).then(|| self.filled + missing + Duration::from_millis(1))
    }

    /// Records that a request is sent.
    pub fn sent(&mut self, now: Instant) {
        self.tokens -= 1.0;
        self.in_flight += 1;
        self.sent_at = Some(now);
    }

    /// The cloud throttles the account: nothing is sent for `wait`, and then one request at a time.
    pub fn throttle(&mut self, held: Held, wait: impl FnOnce(u32) -> Duration, now: Instant) {
        // A 429 to a request that was in flight when the first one came is no further occurrence.
        if self.shut(now).is_none() {
            self.throttled += 1;
        }
        let until = now + wait(self.throttled);
        let until = self.shut.as_ref().map_or(until, |(_, before)| until.max(*before));
        self.shut = Some((held, until));
        self.cautious = true;
        (self.tokens, self.filled) = (0.0, until);
    }

    /// The cloud answered with something else than a 429. While the account is shut this changes nothing, because the
    /// request was sent before the 429 came.
    pub fn calm(&mut self, now: Instant) {
        if self.shut(now).is_none() {
            (self.cautious, self.throttled) = (false, 0);
        }
    }

    /// Whether it can be dropped: no fetch uses it, and it would hold back no request now.
    pub fn is_idle(&mut self, now: Instant) -> bool {
        self.fill(now);
        self.fetches == 0
            && self.shut(now).is_none()
            && self.breaker.is_idle(now)
            && self.tokens >= f64::from(self.limit.burst)
    }

    /// Adds the tokens that have come since the last call.
    pub fn fill(&mut self, now: Instant) {
        let gained = now.saturating_duration_since(self.filled).as_secs_f64() * self.limit.rate;
        self.tokens = (self.tokens + gained).min(f64::from(self.limit.burst));
        // While the account is shut, the time of the last fill lies in the future.
        self.filled = self.filled.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::poll::queue::Class;

    fn account(rate: f64, burst: u32) -> (Account, Instant) {
        let now = Instant::now();
        let name = (Region::parse("r").unwrap(), ProjectId::parse(&"0".repeat(32)).unwrap());
        (Account::new(0, name, Limit { rate, burst }, now), now)
    }

    #[test]
    fn a_full_bucket_gives_its_burst_and_then_its_rate() {
        let (mut account, start) = account(2.0, 3);
        for _ in 0..3 {
            assert!(account.has_token(10, start));
            account.sent(start);
        }
        assert!(!account.has_token(10, start));
        account.queue.enter(Class::Idle, 1);
        let next = account.next_token(10).unwrap();
        assert_eq!(next, start + Duration::from_millis(501));
        assert!(account.has_token(10, next));
    }

    #[test]
    fn no_more_than_its_share_is_in_flight() {
        let (mut account, start) = account(1000.0, 1000);
        account.sent(start);
        account.sent(start);
        assert!(account.has_token(3, start) && !account.has_token(2, start));
        account.queue.enter(Class::Idle, 1);
        assert_eq!(account.next_token(2), None, "no token would help");
    }

    #[test]
    fn a_429_empties_the_bucket_and_then_lets_one_request_try() {
        let (mut account, start) = account(5.0, 10);
        let wait = |_| Duration::from_secs(30);
        account.throttle(Held::example(1, start), wait, start);
        assert!(account.shut(start + Duration::from_secs(29)).is_some());
        let end = start + Duration::from_secs(30);
        assert!(account.shut(end).is_none() && !account.has_token(8, end));
        let later = end + Duration::from_secs(1);
        assert!(account.has_token(8, later));
        account.sent(later);
        assert!(!account.has_token(8, later), "one at a time");
        account.in_flight = 0;
        account.calm(later);
        account.sent(later);
        assert!(account.has_token(8, later));
    }
}
