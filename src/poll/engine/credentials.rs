//! Credentials: when a source is read, and what its fetches do with the result.

use std::time::Instant;

use super::Engine;
use crate::poll::{
    Effect, Resolution, SourceId,
    account::Key,
    credential_source::{Reading, SourceState},
    fetch::{GateId, State},
    gate::Passing,
    policy,
};

impl Engine {
    /// The key that a source holds.
    pub(super) fn key_of(&self, source: SourceId) -> Option<&Key> {
        self.keys.get(&self.sources[source].key()?)
    }

    pub(super) fn read(&mut self, id: SourceId) {
        let source = &mut self.sources[id];
        if source.reading == Reading::No {
            source.reading = Reading::Queued;
            self.reads.push_back(id);
        }
    }

    /// Begins the reads for which there is room.
    pub(super) fn start_reads(&mut self, now: Instant) {
        while self.reading < policy::READS // mark: reads
            && let Some(id) = self.reads.pop_front()
        {
            let source = &mut self.sources[id];
            source.reading = Reading::Since(now);
            self.reading += 1;
            self.effects.push(Effect::Resolve { id, source: source.source.clone() });
        }
    }

    /// A credential was read.
    pub fn resolved(&mut self, id: SourceId, resolution: Resolution, now: Instant) {
        let Reading::Since(begun) = self.sources[id].reading else { return };
        self.reading -= 1;
        let requested = self.sources[id].fetches.iter().any(|fetch| self.requested(*fetch).is_some());
        let source = &mut self.sources[id];
        source.reading = Reading::No;
        let before = source.key();
        let read = source.read(resolution, Passing { sent_at: begun, is_trial: true, requested }, now);
        source.credential = read.map(|read| {
            let key = read.credential.fingerprint(&self.config.hasher); // mark: fingerprint
            (read, key)
        });
        let after = source.key();
        if before != after {
            source.is_accepted();
        }
        let is_refused = self.key_of(id).is_some_and(|key| key.gate.closed().is_some());
        if is_refused {
            self.sources[id].stays_refused(now);
        }
        // Those that wait for this read go on. After a change, so do those that the old credential held up.
        for fetch in self.sources[id].fetches.clone() {
            let state = &self.fetches[fetch];
            let is_held_up = match state.state {
                State::Reading => true,
                State::Idle(_) => {
                    before != after && matches!(state.blocked, Some(GateId::Credential(_) | GateId::Key(_)))
                }
                State::Queued(_) => before != after,
                State::InFlight(_) => false,
            };
            if is_held_up {
                self.advance(fetch, now);
            }
        }
    }

    /// The sources that hold a key.
    pub(super) fn holders(&mut self, key: u64) -> impl Iterator<Item = &mut SourceState> {
        self.sources.values_mut().filter(move |source| source.key() == Some(key))
    }
}
