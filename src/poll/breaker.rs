//! A circuit breaker: a run of faults without an HTTP status opens it. While it is open it admits one probe at a time,
//! with exponential backoff; the first answer closes it.
//!
//! Each endpoint and each account has one. Pure: the clock is a parameter. Which fetch becomes the probe, and what a
//! blocked fetch reports, is left to [`super::engine`].

use std::time::{Duration, Instant};

use super::{backoff, held::Held};

/// How many faults in a row open the breaker.
const THRESHOLD: u32 = 5;
/// The first wait for a probe, doubled with every probe that fails, and the longest.
const PROBE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// For how long a probe that is due may not be wanted: longer than the longest wait between two tries of a watch whose
/// polls fail.
const WANTED: Duration = Duration::from_mins(12);

/// Whether a request may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Yes: the breaker is closed.
    Closed,
    /// Yes, as the one probe; the caller has to call [`Breaker::sent`].
    Probe,
    /// No: the breaker is open, and a probe is under way or not due yet.
    Blocked,
}

/// The breaker of an endpoint or an account.
#[derive(Debug, Default)]
pub struct Breaker {
    faults: u32,
    last: Option<Held>,
    answered: Option<Instant>,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    since: Instant,
    probe_at: Instant,
    probes: u32,
    probing: bool,
}

impl Breaker {
    /// Whether a request may be sent at `now`. An `eager` one, asked for by a person, does not wait for the time of the
    /// next probe, only for the end of the running one.
    pub fn admit(&self, now: Instant, eager: bool) -> Admission {
        match &self.open {
            None => Admission::Closed,
            Some(open) if !open.probing && (eager || now >= open.probe_at) => Admission::Probe,
            Some(_) => Admission::Blocked,
        }
    }

    /// A request was sent as the probe.
    pub fn sent(&mut self) {
        if let Some(open) = &mut self.open {
            open.probing = true;
        }
    }

    /// Whether it would admit a request now: it is closed, or its probe is due.
    pub fn is_idle(&self, now: Instant) -> bool {
        self.admit(now, false) != Admission::Blocked
    }

    /// Whether it is known to block. Where nobody has wanted the probe for long, as when all watches whose polls failed are
    /// gone, nothing is known.
    pub fn is_blocking(&self, now: Instant) -> bool {
        self.open.as_ref().is_some_and(|open| open.probing || now < open.probe_at + WANTED)
    }

    /// Since when the breaker has been open.
    pub fn open_since(&self) -> Option<Instant> {
        self.open.as_ref().map(|open| open.since)
    }

    /// When the last answer came.
    pub fn answered_at(&self) -> Option<Instant> {
        self.answered
    }

    /// The newest fault since the last answer.
    pub fn fault(&self) -> Option<&Held> {
        self.last.as_ref().filter(|_| self.faults > 0)
    }

    /// A request ended without an HTTP status. If an answer arrived after it had been sent, the endpoint or account
    /// answers, so the fault does not count.
    pub fn failed(&mut self, held: &Held, probe: bool, now: Instant) {
        if let Some(open) = self.open.as_mut().filter(|_| probe) {
            open.probing = false;
            open.probes += 1;
            open.probe_at = now + backoff(PROBE.0, open.probes, PROBE.1);
        }
        if self.answered.is_some_and(|answered| answered >= held.sent_at) {
            return;
        }
        self.faults += 1;
        self.last = Some(held.clone());
        if self.open.is_none() && self.faults >= THRESHOLD {
            self.open = Some(Open { since: now, probe_at: now + PROBE.0, probes: 1, probing: false });
        }
    }

    /// A request was answered, whatever the HTTP status. Returns whether that closed the breaker.
    pub fn answered(&mut self, now: Instant) -> bool {
        let was_open = self.open.is_some();
        *self = Self { answered: Some(now), ..Self::default() };
        was_open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(start: Instant, n: u64) -> Instant {
        start + Duration::from_secs(n)
    }

    /// A breaker whose five requests, one a second, have failed.
    fn open(start: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        for n in 0..5 {
            assert_eq!(breaker.admit(second(start, n), false), Admission::Closed, "{n} faults");
            breaker.failed(&Held::example(n, second(start, n)), false, second(start, n));
        }
        breaker
    }

    #[test]
    fn five_faults_in_a_row_let_one_probe_through_at_a_time_ever_more_rarely() {
        let start = Instant::now();
        let mut breaker = open(start);
        let mut now = second(start, 4);
        assert_eq!(breaker.admit(now, false), Admission::Blocked);
        for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(
                breaker.admit(now + Duration::from_millis(wait * 1000 - 1), false),
                Admission::Blocked
            );
            now += Duration::from_secs(wait);
            assert_eq!(breaker.admit(now, false), Admission::Probe, "after {wait} s");
            breaker.sent();
            assert_eq!(breaker.admit(now, true), Admission::Blocked, "one at a time, however eager");
            breaker.failed(&Held::example(9, now), true, now);
        }
        assert_eq!(breaker.admit(now, true), Admission::Probe, "who is eager does not wait");
        assert!(breaker.answered(now));
        assert_eq!((breaker.admit(now, false), breaker.fault().is_some()), (Admission::Closed, false));
    }

    #[test]
    fn a_fault_of_a_request_that_was_sent_before_an_answer_counts_for_nothing() {
        let start = Instant::now();
        let mut breaker = Breaker::default();
        breaker.answered(second(start, 10));
        for n in 0..20 {
            breaker.failed(&Held::example(n, second(start, 9)), false, second(start, 15));
        }
        assert_eq!(
            (breaker.admit(second(start, 15), false), breaker.fault().is_some()),
            (Admission::Closed, false)
        );
    }

    #[test]
    fn a_late_fault_of_an_older_request_does_not_end_the_probe() {
        let start = Instant::now();
        let mut breaker = open(start);
        breaker.sent();
        breaker.failed(&Held::example(7, start), false, second(start, 6));
        assert_eq!(breaker.admit(second(start, 90), true), Admission::Blocked);
    }
}
