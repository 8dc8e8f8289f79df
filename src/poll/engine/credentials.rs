//! Credentials: when a source is read, and what its fetches do with the result.

use std::time::{Duration, Instant};

use super::{Engine, Timer};
use crate::cloud::fault::{Fault, FaultKind};
use crate::poll::{Effect, Resolution, fetch::State, later};

const MISSING_FOR_LONG: &str = "the API server has handed out no Secret for minutes: check its health";

impl Engine {
    pub(super) fn read(&mut self, id: usize, now: Instant) {
        let source = &mut self.sources[id];
        if let Some(at) = source.timer.take() {
            self.timers.remove(&(at, Timer::Source(id)));
        }
        if source.reading.is_none() {
            source.reading = Some(now);
            self.effects.push(Effect::Resolve { id, source: source.source.clone() });
        }
    }

    /// A credential was read.
    pub fn resolved(&mut self, id: usize, resolution: Resolution, now: Instant) {
        let source = &mut self.sources[id];
        let Some(begun) = source.reading.take() else { return };
        let resolution = match resolution {
            Resolution::Doubtful(fault) if source.believes() => Resolution::Missing(fault),
            other => other,
        };
        match resolution {
            Resolution::Resolved(read) => {
                let key = read.credential.fingerprint(&self.config.hasher);
                let changed = source.credential.as_ref().is_none_or(|(_, known)| *known != key)
                    || source.fault.is_some();
                source.answered(begun);
                source.fault = None;
                source.credential = Some((read, key));
                self.keys.entry(key).or_default();
                self.go_on(id, changed, now);
                self.watch_source(id, changed, now);
            }
            Resolution::Missing(fault) => {
                let is_passing = !fault.kind.is_definite();
                let changed = is_passing || source.fault.as_ref().is_none_or(|held| *held.fault != fault);
                source.answered(begun);
                source.credential = None;
                if changed {
                    // A definite fault that repeats is one occurrence. One that may pass is a new one each time,
                    // because its occurrences are counted.
                    self.sources[id].fault = Some(self.hold(fault, now));
                }
                self.go_on(id, changed, now);
                self.watch_source(id, changed, now);
            }
            Resolution::Doubtful(_) | Resolution::Unknown => {
                let (wait, is_fault) = source.unknown(now);
                if is_fault {
                    let held = self.hold(Fault::new(FaultKind::CloudUnavailable, MISSING_FOR_LONG), now);
                    for fetch in self.waiting(id) {
                        self.fetches[fetch].count_at = now;
                        self.take_over(fetch, &held, true, now);
                        self.fetches[fetch].state = State::Resolving;
                    }
                }
                self.set_source_timer(id, wait, now);
            }
        }
    }

    pub(super) fn waiting(&self, source: usize) -> Vec<usize> {
        let waits = |id: &usize| self.fetches[*id].state == State::Resolving;
        self.sources[source].fetches.iter().copied().filter(waits).collect()
    }

    /// Advances the fetches that wait for a source; if it has changed, also those that are stalled because of it.
    pub(super) fn go_on(&mut self, source: usize, changed: bool, now: Instant) {
        let fetches = self.sources[source].fetches.clone();
        for id in fetches {
            let fetch = &self.fetches[id];
            if fetch.state == State::Resolving
                || (changed && fetch.stalled && matches!(fetch.state, State::Idle(_)))
            {
                self.advance(id, now);
            }
        }
    }

    /// Sets the timer that reads a source again, while it has a fault or a watch is stalled because of it.
    pub(super) fn watch_source(&mut self, id: usize, changed: bool, now: Instant) {
        let source = &mut self.sources[id];
        if source.reading.is_none()
            && source.timer.is_none()
            && (source.stalled > 0 || source.fault.is_some())
        {
            let wait = source.recheck(changed);
            self.set_source_timer(id, wait, now);
        }
    }

    pub(super) fn set_source_timer(&mut self, id: usize, wait: Duration, now: Instant) {
        let at = later(now, self.jitter(wait));
        let source = &mut self.sources[id];
        if let Some(before) = source.timer.replace(at) {
            self.timers.remove(&(before, Timer::Source(id)));
        }
        self.timers.insert((at, Timer::Source(id)));
    }
}
