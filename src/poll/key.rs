//! Whether the cloud accepts an access key. Huawei locks a key for minutes after five refused requests. So a refusal
//! holds for every fetch with the same key, whichever Secrets have copies of it, and a key has at most two requests in
//! flight until one of them proves it.
//!
//! Pure: the clock is a parameter. [`super::engine`] identifies a key by a keyed hash of its values.

use std::time::{Duration, Instant};

use super::{backoff, held::Held};

/// The wait after the first refusal, doubled with each further one, and the longest.
const REFUSED: (Duration, Duration) = (Duration::from_mins(1), Duration::from_mins(10));
/// How often a person's request may be sent with a refused key.
const PASSAGE: Duration = Duration::from_mins(1);
/// How many requests may be in flight before the first one proves the key.
const UNPROVEN: usize = 2;

/// Whether a request with this key may be sent.
#[derive(Debug)]
pub enum Standing<'a> {
    /// Yes.
    Free,
    /// Not now: the requests in flight may prove the key.
    Busy,
    /// No: the key was refused, with this fault.
    Refused(&'a Held),
}

/// The state of one key.
#[derive(Debug, Default)]
pub struct Key {
    proven: bool,
    in_flight: usize,
    refusals: u32,
    refused: Option<(Held, Instant)>,
    passed: Option<Instant>,
}

impl Key {
    /// Whether a request may be sent; a `forced` one, asked for by a person, passes a refusal once a minute.
    pub fn standing(&self, forced: bool, now: Instant) -> Standing<'_> {
        let passes = forced && self.passed.is_none_or(|passed| now >= passed + PASSAGE);
        match &self.refused {
            Some((held, until)) if now < *until && !passes => Standing::Refused(held),
            Some(_) if self.in_flight > 0 => Standing::Busy,
            None if !self.proven && self.in_flight >= UNPROVEN => Standing::Busy,
            _ => Standing::Free,
        }
    }

    /// Whether the cloud has accepted it.
    pub fn is_proven(&self) -> bool {
        self.proven
    }

    /// When the backoff of a refused key ends.
    pub fn refused_until(&self) -> Option<Instant> {
        self.refused.as_ref().map(|(_, until)| *until)
    }

    /// A request was sent.
    pub fn sent(&mut self, forced: bool, now: Instant) {
        self.in_flight += 1;
        if forced && self.refused.is_some() {
            self.passed = Some(now);
        }
    }

    /// A request ended, whatever its result.
    pub fn ended(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// A 200, 403 or 404 proves that the cloud accepted the signature. Other statuses may come from before that check.
    pub fn prove(&mut self) {
        *self = Self { proven: true, in_flight: self.in_flight, ..Self::default() };
    }

    /// The cloud refused the signature.
    pub fn refuse(&mut self, held: Held, now: Instant) {
        self.proven = false;
        self.refusals += 1;
        self.refused = Some((held, now + backoff(REFUSED.0, self.refusals, REFUSED.1)));
    }

    /// Whether the key can be dropped once no source has it: no request is in flight, and any refusal is long over.
    pub fn is_idle(&self, now: Instant) -> bool {
        self.in_flight == 0 && self.refused_until().is_none_or(|until| now >= until + REFUSED.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_free(key: &Key, forced: bool, now: Instant) -> bool {
        matches!(key.standing(forced, now), Standing::Free)
    }

    #[test]
    fn an_unproven_key_makes_two_requests_at_a_time_and_a_proven_one_any_number() {
        let now = Instant::now();
        let mut key = Key::default();
        key.sent(false, now);
        key.sent(false, now);
        assert!(matches!(key.standing(true, now), Standing::Busy));
        key.ended();
        assert!(is_free(&key, false, now), "a fault without a status proves nothing and refuses nothing");
        key.prove();
        for _ in 0..20 {
            assert!(is_free(&key, false, now));
            key.sent(false, now);
        }
    }

    #[test]
    fn a_refused_key_stays_away_ever_longer_and_then_tries_one_request() {
        let mut now = Instant::now();
        let mut key = Key::default();
        for minutes in [1, 2, 4, 8, 10, 10] {
            key.sent(false, now);
            let later = now + Duration::from_hours(1);
            assert!(minutes == 1 || !is_free(&key, false, later), "once refused, one at a time");
            key.ended();
            key.refuse(Held::example(1, now), now);
            let until = now + Duration::from_mins(minutes);
            assert_eq!(key.refused_until(), Some(until));
            assert!(matches!(
                key.standing(false, now + Duration::from_mins(minutes).mul_f64(0.99)),
                Standing::Refused(_)
            ));
            assert!(is_free(&key, false, until));
            now = until;
        }
        key.prove();
        assert!(is_free(&key, false, now));
    }

    #[test]
    fn a_persons_request_passes_a_refusal_once_a_minute() {
        let now = Instant::now();
        let mut key = Key::default();
        key.refuse(Held::example(1, now), now);
        assert!(is_free(&key, true, now));
        key.sent(true, now);
        key.ended();
        key.refuse(Held::example(2, now), now);
        assert!(matches!(key.standing(true, now + Duration::from_secs(59)), Standing::Refused(_)));
        assert!(is_free(&key, true, now + Duration::from_mins(1)));
    }
}
