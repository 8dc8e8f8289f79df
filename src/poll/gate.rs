//! A gate: a fault closes it; after a wait one trial at a time passes; an answer opens it, and a further fault doubles the
//! wait. A credential, a key and an account each have one; what differs is a row of [`super::policy`]. Pure.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::policy::{Passage, Row};
use crate::cloud::fault::Fault;

/// Whether a request may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Yes: the gate is open.
    Open,
    /// Yes, as the trial of a closed gate.
    Trial,
    /// No.
    Closed,
}

/// A request that is under way, as its gate sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passing {
    /// When it was sent.
    pub sent_at: Instant,
    /// Whether it is the trial of this gate.
    pub is_trial: bool,
    /// Whether a person asked for it.
    pub requested: bool,
}

/// Why a gate is closed.
#[derive(Clone, Debug)]
pub struct Closed {
    /// The newest fault.
    pub fault: Arc<Fault>,
    /// When the request that failed was sent.
    pub sent_at: Instant,
    /// When the next trial may pass.
    pub until: Instant,
    row: &'static Row,
}

/// A gate, open at first.
#[derive(Debug, Default)]
pub struct Gate {
    closed: Option<Closed>,
    /// Faults in a row.
    faults: u32,
    trial: bool,
    /// When a person's request last passed while the gate was closed.
    passed: Option<Instant>,
    /// Until when no person passes either, as a fault asked for whose row says so. Another trouble may have closed the gate for longer.
    shut_until: Option<Instant>,
}

impl Gate {
    /// Why it is closed, if it is.
    pub fn closed(&self) -> Option<&Closed> {
        self.closed.as_ref()
    }

    /// Whether a request may pass at `now`.
    pub fn admits(&self, requested: bool, now: Instant) -> Admission {
        match &self.closed {
            None => Admission::Open,
            Some(_) if self.trial => Admission::Closed,
            Some(closed) if now >= closed.until => Admission::Trial,
            Some(closed) if requested && self.lets_pass(closed.row, now) => Admission::Trial,
            Some(_) => Admission::Closed,
        }
    }

    /// Whether a person's request is answered with the fault, because what protects others holds it back.
    pub fn protects(&self, now: Instant) -> bool {
        self.closed.as_ref().is_some_and(|closed| !self.lets_pass(closed.row, now))
    }

    fn lets_pass(&self, row: &Row, now: Instant) -> bool {
        let is_shut = self.shut_until.is_some_and(|until| now < until); // mark: shut
        match row.request {
            _ if is_shut => false,
            Passage::Trial => true,
            Passage::TrialEvery(time) => self.passed.is_none_or(|passed| now >= passed + time),
            Passage::Waits => false,
        }
    }

    /// A request is sent; what [`Gate::admits`] said makes it a trial or not.
    pub fn sent(&mut self, passing: Passing) {
        if passing.is_trial {
            self.trial = true;
            if passing.requested {
                self.passed = Some(passing.sent_at);
            }
        }
    }

    /// A request ended, whatever its result. Comes before [`Gate::answered`] and [`Gate::failed`].
    pub fn ended(&mut self, passing: Passing) {
        self.trial &= !passing.is_trial;
    }

    /// A request was answered; returns whether that opened the gate. Only a trial does: another request was sent before
    /// the gate closed, and proves nothing about the time since.
    pub fn answered(&mut self, passing: Passing) -> bool {
        if self.closed.is_some() && !passing.is_trial {
            return false;
        }
        self.faults = 0;
        (self.passed, self.shut_until) = (None, None);
        self.closed.take().is_some()
    }

    /// A request failed in a way that concerns this gate. Of two waits the one that ends later stays, with the row that it is
    /// of, and a person waits for the end of either, if its row says so; a `Retry-After` is a wait, where the row keeps it,
    /// whoever met it.
    pub fn failed(&mut self, row: &'static Row, fault: &Arc<Fault>, passing: Passing, now: Instant) {
        let (counts, is_same) = self.closed.as_ref().map_or((true, true), |closed| {
            let is_same = closed.row == row;
            // Requests that were in flight when the gate closed are the same occurrence, and a person's request lengthens no
            // wait.
            let lengthens = !(is_same && passing.requested && now < closed.until);
            (passing.is_trial && lengthens, is_same)
        });
        // Another trouble than before closes the gate as the first of its kind.
        let faults = if is_same { self.faults + u32::from(counts) } else { row.faults };
        if faults < row.faults {
            self.faults = faults;
            return;
        }
        let asked = fault.retry_after.filter(|_| row.keeps_retry_after); // mark: retry-after
        let own = || row.wait.after(faults + 1 - row.faults); // mark: gate wait
        let wait = asked.or_else(|| counts.then(own));
        if row.request == Passage::Waits {
            self.shut_until = self.shut_until.max(wait.map(|wait| now + wait));
        }
        let (fault, sent_at) = (fault.clone(), passing.sent_at);
        match &mut self.closed {
            Some(closed) if wait.is_none_or(|wait| now + wait < closed.until) => {
                if passing.is_trial {
                    (closed.fault, closed.sent_at) = (fault, sent_at);
                }
            }
            closed => {
                self.faults = faults;
                *closed = Some(Closed { fault, sent_at, until: now + wait.unwrap_or_default(), row });
            }
        }
    }

    /// Whether it blocks polls now. Once its wait is long over and nobody tried, nothing is known any more.
    pub fn is_blocking(&self, now: Instant) -> bool {
        const TRIED: Duration = Duration::from_mins(2);
        self.closed.as_ref().is_some_and(|closed| self.trial || now < closed.until + TRIED)
    }

    /// Whether nothing is lost if it is forgotten.
    pub fn is_idle(&self, now: Instant) -> bool {
        let over = |closed: &Closed| now >= closed.until + closed.row.wait.longest;
        !self.trial && self.closed.as_ref().is_none_or(over)
    }

    /// Whether it is closed by faults of this row.
    pub fn is_closed_by(&self, row: &Row) -> bool {
        self.closed.as_ref().is_some_and(|closed| closed.row == row)
    }
}

#[cfg(test)]
mod tests {
    use super::super::policy::{MISSING, REFUSED, THROTTLED, UNREACHABLE};
    use super::*;
    use crate::cloud::fault::FaultKind;

    const SECOND: Duration = Duration::from_secs(1);

    fn fault(retry_after: Option<u64>) -> Arc<Fault> {
        let retry_after = retry_after.map(Duration::from_secs);
        Arc::new(Fault { retry_after, ..Fault::new(FaultKind::CloudUnavailable, "no") })
    }

    fn sent(sent_at: Instant, is_trial: bool, requested: bool) -> Passing {
        Passing { sent_at, is_trial, requested }
    }

    /// A trial that fails after a second; returns the wait that follows.
    fn trial(gate: &mut Gate, row: &'static Row, now: Instant) -> Duration {
        let passing = sent(now, true, false);
        gate.sent(passing);
        gate.ended(passing);
        gate.failed(row, &fault(None), passing, now);
        gate.closed().unwrap().until - now
    }

    #[test]
    fn the_faults_of_its_row_close_it_and_each_failed_trial_doubles_the_wait() {
        for (row, waits) in [
            (&MISSING, [30, 60, 120, 240, 300, 300]),
            (&REFUSED, [60, 120, 240, 480, 600, 600]),
            (&THROTTLED, [60, 120, 240, 480, 600, 600]),
            (&UNREACHABLE, [1, 2, 4, 8, 16, 32]),
        ] {
            let (mut gate, mut now) = (Gate::default(), Instant::now());
            for _ in 1..row.faults {
                gate.failed(row, &fault(None), sent(now, false, false), now);
                assert_eq!(gate.admits(false, now), Admission::Open, "{row:?}");
            }
            gate.failed(row, &fault(None), sent(now, false, false), now);
            for (n, expected) in waits.into_iter().enumerate() {
                let until = gate.closed().unwrap().until;
                assert_eq!(until - now, Duration::from_secs(expected), "{row:?}, wait {n}");
                assert_eq!(gate.admits(false, now + (until - now) / 2), Admission::Closed);
                assert_eq!(gate.admits(false, until), Admission::Trial);
                now = until;
                trial(&mut gate, row, now);
            }
        }
    }

    #[test]
    fn one_trial_at_a_time_passes_and_only_its_answer_opens() {
        let (mut gate, start) = (Gate::default(), Instant::now());
        let before = sent(start, false, false);
        gate.failed(&THROTTLED, &fault(None), before, start);
        let now = gate.closed().unwrap().until;
        let passing = sent(now, true, false);
        gate.sent(passing);
        assert_eq!(gate.admits(true, now), Admission::Closed);
        assert!(!gate.answered(before), "it was sent before the gate closed");
        gate.ended(passing);
        assert_eq!(gate.admits(false, now), Admission::Trial);
        assert!(gate.answered(passing) && gate.closed().is_none());
        gate.failed(&THROTTLED, &fault(None), before, now);
        assert_eq!(gate.closed().unwrap().until - now, Duration::from_mins(1), "the count began anew");
    }

    #[test]
    fn retry_after_is_the_wait_whatever_came_before_and_counts_for_a_throttled_account_alone() {
        let (mut gate, now) = (Gate::default(), Instant::now());
        gate.failed(&THROTTLED, &fault(None), sent(now, false, false), now);
        gate.failed(&THROTTLED, &fault(Some(100)), sent(now, false, false), now);
        assert_eq!(gate.closed().unwrap().until - now, Duration::from_secs(100));
        let now = gate.closed().unwrap().until;
        let passing = sent(now, true, false);
        gate.failed(&THROTTLED, &fault(Some(3)), passing, now);
        assert_eq!(gate.closed().unwrap().until - now, Duration::from_secs(3));
        let mut gate = Gate::default();
        gate.failed(&REFUSED, &fault(Some(3600)), sent(now, false, false), now);
        assert_eq!(gate.closed().unwrap().until - now, Duration::from_mins(1));
    }

    #[test]
    fn what_a_person_meets_behind_a_closed_gate_counts_if_it_is_another_trouble() {
        let (mut gate, start) = (Gate::default(), Instant::now());
        for _ in 0..UNREACHABLE.faults + 9 {
            gate.failed(&UNREACHABLE, &fault(None), sent(start, true, false), start);
        }
        let asked = sent(start + SECOND, true, true);
        gate.sent(asked);
        gate.ended(asked);
        gate.failed(&THROTTLED, &fault(Some(3600)), asked, start + SECOND);
        assert!(gate.is_closed_by(&THROTTLED));
        assert_eq!(gate.closed().unwrap().until, start + SECOND + Duration::from_hours(1));
        assert_eq!(gate.admits(true, start + 2 * SECOND), Admission::Closed);
    }

    #[test]
    fn a_retry_after_is_kept_whatever_else_closed_the_gate() {
        let (mut gate, now) = (Gate::default(), Instant::now());
        for _ in 0..UNREACHABLE.faults {
            gate.failed(&UNREACHABLE, &fault(None), sent(now, false, false), now);
        }
        let asked = sent(now + SECOND / 2, true, true);
        gate.sent(asked);
        // It was in flight when the gate closed.
        gate.failed(&THROTTLED, &fault(Some(100)), sent(now, false, false), now + SECOND);
        gate.ended(asked);
        gate.failed(&UNREACHABLE, &fault(None), asked, now + 2 * SECOND);
        assert_eq!(gate.closed().unwrap().until, now + 101 * SECOND);
        // A shorter one, and one without, shorten nothing.
        gate.failed(&THROTTLED, &fault(Some(3)), sent(now, false, false), now + 3 * SECOND);
        gate.failed(&THROTTLED, &fault(None), sent(now, false, false), now + 3 * SECOND);
        assert_eq!(gate.closed().unwrap().until, now + 101 * SECOND);
        assert_eq!(gate.admits(true, now + 4 * SECOND), Admission::Closed, "nor for a person");
    }

    #[test]
    fn a_retry_after_that_ends_before_the_wait_of_another_trouble_holds_for_a_person() {
        for met_by_trial in [true, false] {
            let (mut gate, mut now) = (Gate::default(), Instant::now());
            for _ in 0..UNREACHABLE.faults {
                gate.failed(&UNREACHABLE, &fault(None), sent(now, false, false), now);
            }
            for _ in 0..6 {
                now = gate.closed().unwrap().until;
                trial(&mut gate, &UNREACHABLE, now);
            }
            let until = gate.closed().unwrap().until;
            assert_eq!(gate.admits(true, now), Admission::Trial);
            let asked = sent(now, met_by_trial, met_by_trial);
            gate.sent(asked);
            gate.ended(asked);
            gate.failed(&THROTTLED, &fault(Some(15)), asked, now);
            assert!(until - now > 20 * SECOND && gate.closed().unwrap().until == until);
            assert_eq!(gate.admits(true, now + 14 * SECOND), Admission::Closed);
            assert!(gate.protects(now + 14 * SECOND), "so the request is answered with the fault");
            assert_eq!(gate.admits(true, now + 15 * SECOND), Admission::Trial);
            assert_eq!(gate.admits(false, now + 15 * SECOND), Admission::Closed);
        }
    }

    #[test]
    fn a_person_passes_as_the_row_says_and_lengthens_no_wait() {
        for (row, first, second) in [
            (&MISSING, Admission::Trial, Admission::Trial),
            (&REFUSED, Admission::Trial, Admission::Closed),
            (&THROTTLED, Admission::Closed, Admission::Closed),
        ] {
            let (mut gate, now) = (Gate::default(), Instant::now());
            gate.failed(row, &fault(None), sent(now, false, false), now);
            let until = gate.closed().unwrap().until;
            assert_eq!(gate.admits(true, now), first, "{row:?}");
            assert_eq!(gate.protects(now), first == Admission::Closed);
            let passing = sent(now, true, true);
            gate.sent(passing);
            gate.ended(passing);
            gate.failed(row, &fault(None), passing, now + SECOND);
            assert_eq!(gate.closed().unwrap().until, until, "{row:?}");
            assert_eq!(gate.admits(true, now + 2 * SECOND), second, "{row:?}");
        }
    }
}
