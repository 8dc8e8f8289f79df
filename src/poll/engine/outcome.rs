//! The result of a request: what it does to the gates, which watches are told, and when the fetch is due again.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use super::{Engine, FetchId, Timer};
use crate::cloud::{
    client::News,
    fault::{Fault, FaultKind},
    other_type::Look,
};
use crate::poll::{
    Fetched, Outcome, WatchKey,
    credential_source::SourceState,
    fetch::{Flight, GateId, Pending, State},
    policy::{self, Wait},
};

impl Engine {
    /// A request ended. `wall` is the time of day.
    pub fn fetched(&mut self, id: FetchId, fetched: Fetched, now: Instant, wall: Timestamp) {
        let State::InFlight(flight) = self.fetches[id].state else { return };
        self.fetches[id].state = State::Reading;
        self.ended(flight);
        let fetched = fetched.map_err(Arc::new);
        self.move_gates(flight, fetched.as_ref().err(), now);
        match fetched {
            _ if self.fetches[id].watches.is_empty() => self.remove(id),
            result if flight.looks => {
                self.looked(id, result.as_ref().map(drop).map_err(|fault| &**fault), now);
            }
            Ok(news) => self.answered(id, flight, news, now, wall),
            Err(fault) => self.failed(id, flight, &fault, now),
        }
    }

    fn ended(&mut self, flight: Flight) {
        let tenant = &mut self.tenants[flight.tenant];
        let account = &mut self.accounts[tenant.account];
        for turn in [&mut tenant.turn, &mut account.turn, &mut self.endpoints[account.endpoint].turn] {
            turn.in_flight -= 1;
        }
        self.in_flight -= 1;
        tenant.gate.ended(flight.account);
        let key = self.keys.entry(tenant.key).or_default();
        key.in_flight -= 1;
        key.gate.ended(flight.key);
    }

    /// Moves the gates of the key and of the account by an answer or a fault.
    fn move_gates(&mut self, flight: Flight, fault: Option<&Arc<Fault>>, now: Instant) {
        let tenant = &mut self.tenants[flight.tenant];
        let hash = tenant.key;
        let key = self.keys.entry(hash).or_default();
        let level = fault.map(|fault| concerns(fault));
        let is_answered = match (fault, &level) {
            (Some(fault), Some(Concerns::Account(row))) => {
                tenant.gate.failed(row, fault, flight.account, now);
                false
            }
            // Any other HTTP status says that the account is reached and not throttled.
            _ => tenant.gate.answered(flight.account),
        };
        match (fault, &level) {
            (Some(fault), Some(Concerns::Key)) => {
                key.is_proven = false;
                key.gate.failed(&policy::REFUSED, fault, flight.key, now); // mark: refused
                // Its Secrets are read again, in case somebody mends them.
                let known = self.holders(hash).filter(|source| source.reread_at.is_none());
                known.for_each(|source| source.stays_refused(now));
            }
            // A 200, 403 or 404 proves that the signature was accepted. Other statuses may come from before that check.
            (None, _) | (_, Some(Concerns::Fetch { proves: true })) => {
                key.is_proven = true;
                if key.gate.answered(flight.key) {
                    self.holders(hash).for_each(SourceState::is_accepted);
                    self.release(GateId::Key(hash), now);
                }
            }
            _ => {}
        }
        if is_answered {
            self.release(GateId::Account(flight.tenant), now);
        }
    }

    fn answered(&mut self, id: FetchId, flight: Flight, news: News, now: Instant, wall: Timestamp) {
        let fetch = &mut self.fetches[id];
        (fetch.answered, fetch.failures, fetch.rests_until, fetch.look) = (Some(wall), 0, now, Look::Unknown);
        fetch.unanswered_since = None;
        if let Some(at) = fetch.blind_at.take() {
            self.timers.remove(&(at, Timer::Blind(id)));
        }
        let news = match news {
            News::Answer(answer, body) => Some((Arc::new(answer), body)),
            News::Unchanged => None,
        };
        self.follow_upgrades(id, news.as_ref().map(|(answer, _)| answer), flight.tenant, now);
        let fetch = &mut self.fetches[id];
        if let Some((answer, body)) = news {
            let says = self.config.hasher.hash_one(&answer);
            let was_failing = matches!(fetch.outcome, Some(Outcome::Fault { .. }));
            let changed = was_failing || fetch.known.is_none_or(|(_, before)| before != says);
            fetch.known = Some((body, says));
            let sent_at = flight.account.sent_at;
            self.deliver(id, Outcome::Answer(answer), changed, |p| p.since <= sent_at, now);
        }
        self.schedule(id, now);
    }

    fn failed(&mut self, id: FetchId, flight: Flight, fault: &Arc<Fault>, now: Instant) {
        let sent_at = flight.account.sent_at;
        let retry = Wait { first: self.cadence(id).retry, longest: policy::OWN_LONGEST };
        let fetch = &mut self.fetches[id];
        let (kind, asked) = (fault.kind, fault.retry_after);
        let is_own = matches!(concerns(fault), Concerns::Fetch { .. });
        // What the cloud asks for is waited at the least, jitter or not.
        let least = now + asked.filter(|_| is_own).unwrap_or_default();
        let mut rests_until = fetch.rests_until;
        // A person's request lengthens no wait. A fault of a gate is waited out at that gate.
        if !flight.account.requested || rests_until <= now {
            fetch.failures += u32::from(is_own);
            let wait =
                if is_own { asked.unwrap_or_else(|| retry.after(fetch.failures)) } else { retry.after(1) };
            rests_until = now + self.jitter(wait);
        }
        let rests_until = rests_until.max(least);
        let fetch = &mut self.fetches[id];
        fetch.rests_until = rests_until;
        if kind == FaultKind::ClusterNotFound && fetch.look == Look::Unknown {
            fetch.look = Look::Next;
        }
        let looks = fetch.look == Look::Next;
        let fault = self.explained(id, fault);
        self.take_over(id, &fault, |pending| pending.since <= sent_at || !pending.requested, now);
        let due = if looks || self.is_awaited(id) { now } else { rests_until };
        self.set_timer(id, due, now);
    }

    /// The API of the other `clusterType` has answered, or not.
    fn looked(&mut self, id: FetchId, answer: Result<(), &Fault>, now: Instant) {
        let fetch = &mut self.fetches[id];
        fetch.look = Look::learned(answer);
        let due = fetch.rests_until;
        if let Some(Outcome::Fault { fault, .. }) = fetch.outcome.clone() {
            let fault = self.explained(id, &fault);
            self.take_over(id, &fault, |_| false, now);
        }
        self.set_timer(id, due, now);
    }

    /// The fault, with the mistake in its message if the cluster is of the other type.
    fn explained(&self, id: FetchId, fault: &Arc<Fault>) -> Arc<Fault> {
        let fetch = &self.fetches[id];
        let message = fetch.look.message(fault, fetch.target.cluster_type);
        message.map_or_else(|| fault.clone(), |message| Arc::new(Fault { message, ..(**fault).clone() }))
    }

    /// A fetch takes over a fault, of its own request or of a gate; `answers` says for which pending watches this is the
    /// outcome that they wait for.
    pub(super) fn take_over(
        &mut self,
        id: FetchId,
        fault: &Arc<Fault>,
        answers: impl Fn(&Pending) -> bool,
        now: Instant,
    ) {
        let fetch = &self.fetches[id];
        let is_blind = fetch.is_blind(now);
        let changed = match &fetch.outcome {
            Some(Outcome::Fault { fault: before, is_blind: was_blind }) => {
                let is_news = *was_blind != is_blind && !fault.kind.is_definite();
                is_news || (before.kind, &before.message) != (fault.kind, &fault.message)
            }
            _ => true,
        };
        self.deliver(id, Outcome::Fault { fault: fault.clone(), is_blind }, changed, answers, now);
    }

    /// The fault that keeps a fetch from an answer, as far as it is known.
    pub(super) fn known_fault(&self, id: FetchId) -> Arc<Fault> {
        match &self.fetches[id].outcome {
            Some(Outcome::Fault { fault, .. }) => fault.clone(),
            _ if self.fetches[id].state == State::Reading => Arc::new(Fault::new(
                FaultKind::CloudUnavailable,
                "the Secret has not been read: check the API server",
            )),
            _ => Arc::new(Fault::new(
                FaultKind::CloudUnavailable,
                "polls wait for others that are answered too slowly: check the endpoint, or raise --concurrency",
            )),
        }
    }

    /// Stores an outcome and wakes the watches of the fetch, if the outcome has `changed` or one of them has to be told
    /// of it; `answers` says whether it is the outcome that a watch waits for.
    fn deliver(
        &mut self,
        id: FetchId,
        outcome: Outcome,
        changed: bool,
        answers: impl Fn(&Pending) -> bool,
        now: Instant,
    ) {
        let fetch = &mut self.fetches[id];
        let is_answer = matches!(outcome, Outcome::Answer(_));
        let mut told = changed;
        for key in &fetch.watches {
            let Some(watch) = self.watches.get_mut(key) else { continue };
            told |= is_answer && watch.is_waiting(now);
            if let Some(pending) = watch.pending.take_if(|pending| answers(pending)) {
                watch.answered |= pending.requested;
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
    pub(super) fn drop_outcome(&mut self, id: FetchId) {
        let fetch = &mut self.fetches[id];
        let taken = |key: &WatchKey| self.watches.get(key).is_none_or(|watch| watch.taken == fetch.number);
        if matches!(fetch.outcome, Some(Outcome::Answer(_))) && fetch.watches.iter().all(taken) {
            fetch.outcome = None;
        }
    }

    /// Whether a watch still waits, after all was delivered. It may be one that began to wait in the very moment in which the
    /// request was sent: an answer that is unchanged is delivered to nobody.
    fn is_awaited(&self, id: FetchId) -> bool {
        self.pending(id).next().is_some() // mark: awaited
    }

    /// Sets the timer for the next poll after an answer.
    pub(super) fn schedule(&mut self, id: FetchId, now: Instant) {
        let sent_at = self.fetches[id].sent_at.unwrap_or(now);
        let period = self.cadence(id).period;
        // A verdict that was due before this request was sent is made from its answer.
        let judge = |key: &WatchKey| self.watches.get(key)?.judge_at.filter(|at| *at > sent_at);
        let judge_at = self.fetches[id].watches.iter().filter_map(judge).min();
        let mut due = sent_at + self.jitter(period);
        if self.is_awaited(id) {
            due = now;
        }
        due = judge_at.map_or(due, |at| due.min(at));
        if self.requested(id).is_none_or(|since| since <= sent_at) {
            due = due.max(self.fetches[id].floor(now));
        }
        self.set_timer(id, due, now);
    }
}

/// What a fault concerns.
enum Concerns {
    /// The key.
    Key,
    /// The key in its account, by this row.
    Account(&'static policy::Row),
    /// The one cluster; a fault may prove the key all the same.
    Fetch { proves: bool },
}

fn concerns(fault: &Fault) -> Concerns {
    match fault.kind {
        FaultKind::AuthenticationFailed => Concerns::Key,
        FaultKind::Throttled => Concerns::Account(&policy::THROTTLED),
        FaultKind::CloudUnavailable if fault.http_status.is_none() => Concerns::Account(&policy::UNREACHABLE),
        FaultKind::PermissionDenied | FaultKind::ClusterNotFound => Concerns::Fetch { proves: true },
        _ => Concerns::Fetch { proves: false }, // mark: own fault
    }
}
