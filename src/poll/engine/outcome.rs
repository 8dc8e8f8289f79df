//! The result of a request: at which level a fault is held, which watches are told, and when the fetch is due again.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{Engine, LONGEST, SHORTEST, Timer};
use crate::cloud::fault::{Fault, FaultKind};
use crate::poll::{
    FAILURES_TO_REPORT, Fetched, Outcome, WatchKey, backoff,
    fetch::{Flight, Pending, State},
    held::Held,
    later,
};

/// The first wait after a cluster denied access, doubled each time.
const DENIED: Duration = Duration::from_mins(1);
/// The time over which blocked fetches are spread once their endpoint answers again.
const SPREAD: Duration = Duration::from_secs(10);

impl Engine {
    /// A request ended. `wall` is the time of day.
    pub fn fetched(&mut self, id: usize, fetched: Fetched, now: Instant, wall: Timestamp) {
        let State::InFlight(flight) = self.fetches[id].state else { return };
        self.fetches[id].state = State::Resolving;
        let account = self.fetches[id].account;
        self.in_flight -= 1;
        self.accounts[account].in_flight -= 1;
        self.endpoints[self.accounts[account].endpoint].in_flight -= 1;
        self.keys.entry(flight.key).or_default().ended();
        match fetched {
            Fetched::Fault(fault) => self.failed(id, flight, fault, now),
            Fetched::Unchanged => {
                self.answered(id, flight, now, wall);
                self.schedule(id, now);
            }
            Fetched::Answer(answer, body) => {
                self.answered(id, flight, now, wall);
                let says = self.config.hasher.hash_one(&answer);
                let fetch = &mut self.fetches[id];
                let changed = fetch.failures > 0 || fetch.known.is_none_or(|(_, before)| before != says);
                (fetch.known, fetch.full_at) = (Some((body, says)), Some(now));
                // The wait until the next fault counts was that of the faults that this answer ends.
                (fetch.failures, fetch.count_at) = (0, now);
                let sent_at = fetch.sent_at.unwrap_or(now);
                self.set_stalled(id, false, now);
                self.deliver(
                    id,
                    Outcome::Answer(Arc::new(answer)),
                    changed,
                    |pending| pending.since <= sent_at,
                    now,
                );
                self.schedule(id, now);
            }
        }
        if self.fetches[id].watches.is_empty() {
            if let State::Idle(due) = self.fetches[id].state {
                self.timers.remove(&(due, Timer::Fetch(id)));
            }
            self.remove(id);
        }
    }

    pub(super) fn answered(&mut self, id: usize, flight: Flight, now: Instant, wall: Timestamp) {
        self.fetches[id].answered = Some(wall);
        self.reached(id, now);
        self.accounts[self.fetches[id].account].calm(now);
        self.keys.entry(flight.key).or_default().prove();
    }

    /// The endpoint answered, whatever the HTTP status. If that closes a breaker, the fetches that it blocked are
    /// spread over a few seconds.
    pub(super) fn reached(&mut self, id: usize, now: Instant) {
        let account = self.fetches[id].account;
        let endpoint = self.accounts[account].endpoint;
        let of_account = self.accounts[account].breaker.answered(now);
        let of_endpoint = self.endpoints[endpoint].breaker.answered(now);
        if !of_account && !of_endpoint {
            return;
        }
        let blocked: Vec<_> = self
            .fetches
            .iter()
            .filter(|(_, fetch)| {
                fetch.failures > 0 && !fetch.stalled && matches!(fetch.state, State::Idle(_))
            })
            .filter(|(_, f)| {
                f.account == account || (of_endpoint && self.accounts[f.account].endpoint == endpoint)
            })
            .map(|(id, _)| id)
            .collect();
        for fetch in blocked {
            let wait = SPREAD.mul_f64(self.random.f64());
            self.set_timer(fetch, now + wait, now);
        }
    }

    /// Decides at which level a fault is held, and when the fetch is tried again.
    pub(super) fn failed(&mut self, id: usize, flight: Flight, fault: Fault, now: Instant) {
        let sent_at = self.fetches[id].sent_at.unwrap_or(now);
        let (kind, status, retry_after) = (fault.kind, fault.http_status, fault.retry_after);
        let held = Held { sent_at, ..self.hold(fault, now) };
        let account = self.fetches[id].account;
        let endpoint = self.accounts[account].endpoint;
        if status.is_some() {
            self.reached(id, now);
        } else {
            self.accounts[account].breaker.failed(&held, flight.probes.0, now);
            self.endpoints[endpoint].breaker.failed(&held, flight.probes.1, now);
        }
        if kind != FaultKind::Throttled && status.is_some() {
            self.accounts[account].calm(now);
        }
        let key = self.keys.entry(flight.key).or_default();
        match kind {
            FaultKind::PermissionDenied | FaultKind::ClusterNotFound => key.prove(),
            FaultKind::AuthenticationFailed => key.refuse(held.clone(), now),
            _ => {}
        }
        let refused_until = key.refused_until();
        let retry = self.cadence(id).map_or(LONGEST, |cadence| cadence.retry);
        if kind == FaultKind::Throttled {
            let interval = self.cadence(id).map_or(LONGEST, |cadence| cadence.period);
            let wait = |times| retry_after.unwrap_or_else(|| backoff(interval, times, LONGEST.max(interval)));
            self.accounts[account].throttle(held.clone(), wait, now);
        }
        self.fetches[id].count_at = now;
        self.take_over(id, &held, false, now);
        let failures = self.fetches[id].failures;
        let wait = match kind {
            FaultKind::AuthenticationFailed => refused_until.map_or(LONGEST, |until| until - now),
            FaultKind::PermissionDenied => backoff(DENIED, failures, LONGEST),
            // The account itself keeps to Retry-After; a poll that comes due before may count as a failed one.
            FaultKind::Throttled => {
                let shut = self.accounts[account].shut(now).map_or(SHORTEST, |(_, until)| until - now);
                backoff(retry, failures, LONGEST).min(shut)
            }
            _ => retry_after.unwrap_or_else(|| backoff(retry, failures, LONGEST)),
        };
        // Jitter must not shorten the wait that the cloud asked for.
        let least = retry_after.filter(|_| kind != FaultKind::Throttled).unwrap_or_default();
        let wait = self.jitter(wait).max(least);
        let due = if self.wants_more(id, sent_at) { now } else { later(now, wait) };
        self.set_timer(id, due, now);
    }

    /// The backoff of a fetch, by how many polls in a row have failed.
    pub(super) fn retry_after(&mut self, id: usize) -> Duration {
        let retry = self.cadence(id).map_or(LONGEST, |cadence| cadence.retry);
        let wait = backoff(retry, self.fetches[id].failures, LONGEST);
        self.jitter(wait)
    }

    pub(super) fn hold(&mut self, fault: Fault, now: Instant) -> Held {
        self.held += 1;
        Held { fault: Arc::new(fault), number: self.held, sent_at: now, met_at: now }
    }

    /// A fetch takes over a fault, of its own request or of whatever blocks it. Each occurrence counts once, and no
    /// faster than the fetch would have been polled. With `protects`, a person's request is answered with the fault and
    /// not sent.
    pub(super) fn take_over(&mut self, id: usize, held: &Held, protects: bool, now: Instant) {
        let retry = self.cadence(id).map_or(LONGEST, |cadence| cadence.retry);
        let fetch = &mut self.fetches[id];
        let is_due = held.fault.kind.is_definite() || now >= fetch.count_at;
        let is_new = held.number > fetch.counted && is_due;
        let before = match &fetch.outcome {
            Some(Outcome::Fault { fault, .. }) => Some((fault.kind, fault.message.clone())),
            _ => None,
        };
        if is_new {
            fetch.counted = held.number;
            fetch.failures += 1;
            let wait = backoff(retry, fetch.failures, LONGEST).mul_f64(0.9);
            fetch.count_at = now + wait;
        }
        let failures = fetch.failures.max(1);
        let differs = before.is_none_or(|before| before != (held.fault.kind, held.fault.message.clone()));
        // A fault that differs is told. One that may pass is told again until enough polls have failed to decide Ready. A
        // status that somebody else wrote may hide any fault.
        let decides = !held.fault.kind.is_definite() && failures <= FAILURES_TO_REPORT;
        let changed = is_new && (differs || decides || self.is_edited(id));
        let may_heal = matches!(
            held.fault.kind,
            FaultKind::SecretNotFound
                | FaultKind::SecretInvalid
                | FaultKind::CredentialsNotAllowed
                | FaultKind::AuthenticationFailed
                | FaultKind::PermissionDenied
        );
        self.set_stalled(id, may_heal, now);
        let outcome = Outcome::Fault { fault: held.fault.clone(), failures };
        self.deliver(
            id,
            outcome,
            changed,
            |pending| !pending.forced || protects || pending.since <= held.sent_at,
            now,
        );
    }

    /// Whether somebody else wrote one of its resources.
    fn is_edited(&self, id: usize) -> bool {
        self.fetches[id].watches.iter().any(|key| self.watches.get(key).is_some_and(|watch| watch.edited))
    }

    pub(super) fn set_stalled(&mut self, id: usize, stalled: bool, now: Instant) {
        let fetch = &mut self.fetches[id];
        let before = std::mem::replace(&mut fetch.stalled, stalled);
        let source_id = fetch.source;
        let source = &mut self.sources[source_id];
        source.stalled = source.stalled + usize::from(stalled) - usize::from(before);
        if stalled && !before {
            self.watch_source(source_id, true, now);
        }
    }

    /// Stores an outcome and wakes the watches of the fetch, if the outcome has `changed` or one of them has to be told
    /// of it; `satisfies` says whether it is the outcome that a watch waits for.
    pub(super) fn deliver(
        &mut self,
        id: usize,
        outcome: Outcome,
        changed: bool,
        satisfies: impl Fn(&Pending) -> bool,
        now: Instant,
    ) {
        let fetch = &mut self.fetches[id];
        let is_answer = matches!(outcome, Outcome::Answer(_));
        let mut told = changed;
        for key in &fetch.watches {
            let Some(watch) = self.watches.get_mut(key) else { continue };
            told |= is_answer && watch.is_waiting(now);
            if let Some(pending) = watch.pending.take_if(|pending| satisfies(pending)) {
                watch.answered |= pending.forced;
                told = true;
            }
        }
        if told {
            if !is_answer {
                // Watches that are told of a fault must be told of the next answer, even if it is the one from before.
                fetch.known = None;
            }
            self.woken.extend(fetch.watches.iter().cloned());
            fetch.number += 1;
            fetch.outcome = Some(outcome);
        }
    }

    /// Drops a decoded answer once every watch has taken it over, because it may be large.
    pub(super) fn drop_outcome(&mut self, id: usize) {
        let fetch = &mut self.fetches[id];
        let taken = |key: &WatchKey| self.watches.get(key).is_none_or(|watch| watch.taken == fetch.number);
        if matches!(fetch.outcome, Some(Outcome::Answer(_))) && fetch.watches.iter().all(taken) {
            fetch.outcome = None;
        }
    }

    /// Whether a watch waits for another request than the one that was sent at `sent_at`.
    pub(super) fn wants_more(&self, id: usize, sent_at: Instant) -> bool {
        let pending = |key: &WatchKey| self.watches.get(key)?.pending;
        let wants = |pending: Pending| pending.first || pending.since > sent_at;
        self.fetches[id].watches.iter().filter_map(pending).any(wants)
    }

    /// Sets the timer for the next poll after an answer.
    pub(super) fn schedule(&mut self, id: usize, now: Instant) {
        let fetch = &self.fetches[id];
        let sent_at = fetch.sent_at.unwrap_or(now);
        let forced = self.forced(id).is_some_and(|since| since > sent_at);
        let period = self.cadence(id).map_or(LONGEST, |cadence| cadence.period);
        // A verdict that was due before this request was sent is made from its answer.
        let judge = |key: &WatchKey| self.watches.get(key)?.judge_at.filter(|at| *at > sent_at);
        let judge_at = self.fetches[id].watches.iter().filter_map(judge).min();
        let mut due = later(sent_at, self.jitter(period));
        if self.wants_more(id, sent_at) {
            due = now;
        }
        due = judge_at.map_or(due, |at| due.min(at));
        if !forced {
            due = due.max(self.fetches[id].floor(now));
        }
        self.set_timer(id, due, now);
    }
}
