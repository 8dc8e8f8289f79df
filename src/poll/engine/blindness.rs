//! The one clock of blindness: a minute after the first poll that was due and brought no answer, whatever kept it away, the
//! watches of a fetch are told of the fault that stands in the way.

use std::time::Instant;

use super::{Engine, FetchId, Timer};
use crate::poll::{Outcome, fetch::State, policy};

impl Engine {
    pub(super) fn set_blind_timer(&mut self, id: FetchId, now: Instant) {
        let since = self.fetches[id].unanswered_since.unwrap_or(now) + policy::BLIND;
        let at = self.within(since.max(now), policy::BLIND_SPREAD);
        self.fetches[id].blind_at = Some(at);
        self.timers.insert((at, Timer::Blind(id)));
    }

    /// A minute has passed since the first poll that was due and brought no answer.
    pub(super) fn say_blind(&mut self, id: FetchId, now: Instant) {
        self.fetches[id].blind_at = None;
        let fetch = &self.fetches[id];
        let waits = match fetch.state {
            // The end of the request says it.
            State::InFlight(_) => return,
            State::Queued(_) => true,
            _ => false,
        };
        let has_failed = matches!(fetch.outcome, Some(Outcome::Fault { .. }));
        if waits && !has_failed && self.lacks_only_a_token(fetch.account, now) {
            // The account's own rate is no fault: the poll is late.
            self.set_blind_timer(id, now);
            return;
        }
        let fault = self.known_fault(id);
        self.take_over(id, &fault, |pending| !pending.requested, now);
    }
}
