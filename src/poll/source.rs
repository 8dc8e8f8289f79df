//! What is known of one source of credentials: the credential that was read last, or why there is none.
//!
//! When it is read, and what its fetches do meanwhile, is decided by [`super::engine`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Source, backoff, held::Held};
use crate::cloud::credential::ResolvedCredential;

/// How old a credential may be that is used without being read again. The operator's own is renewed by its source, well
/// before its end; asking for it costs nothing.
const SECRET_TTL: Duration = Duration::from_mins(5);
const OPERATOR_TTL: Duration = Duration::from_secs(1);
/// How often a source is read again over which a watch is stalled: first and longest wait.
const RECHECK: (Duration, Duration) = (Duration::from_secs(30), Duration::from_mins(5));
/// How often an API server that gives no answer is asked again. The longest wait is short: what happened meanwhile is to be
/// caught up half a minute after its return.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));
/// How long an API server may hand out no Secret before its watches count that as failed polls.
const PATIENCE: Duration = Duration::from_mins(5);
/// How long a source that failed for a passing reason is left alone.
const PAUSE: Duration = Duration::from_secs(5);
/// How soon a doubtful answer is asked for again.
const CONFIRM: Duration = Duration::from_secs(5);

/// The state of one source.
#[derive(Debug)]
pub struct SourceState {
    /// Which one.
    pub source: Arc<Source>,
    /// The fetches that use it.
    pub fetches: Vec<usize>,
    /// Since when it is being read, if it is.
    pub reading: Option<Instant>,
    /// The credential that was read last, and the hash of its values.
    pub credential: Option<(ResolvedCredential, u64)>,
    /// Why there is none.
    pub fault: Option<Held>,
    /// How many fetches fail for a reason that a changed credential may mend.
    pub stalled: usize,
    /// The timer of the next read that no fetch asks for.
    pub timer: Option<Instant>,
    read_at: Option<Instant>,
    rechecks: u32,
    unknown_since: Option<Instant>,
    retries: u32,
    doubted: bool,
}

impl SourceState {
    /// A source that was never read.
    pub fn new(source: Arc<Source>) -> Self {
        Self {
            source,
            fetches: Vec::new(),
            reading: None,
            credential: None,
            fault: None,
            stalled: 0,
            timer: None,
            read_at: None,
            rechecks: 0,
            unknown_since: None,
            retries: 0,
            doubted: false,
        }
    }

    /// Whether it must be read before a poll that is due at `now`, or that somebody asked for at `forced`.
    pub fn is_old(&self, forced: Option<Instant>, now: Instant) -> bool {
        let ttl = match *self.source {
            Source::Secret { .. } => SECRET_TTL,
            Source::Operator(_) => OPERATOR_TTL,
        };
        match self.read_at {
            None => true,
            Some(read) => {
                let age = now.saturating_duration_since(read);
                forced.is_some_and(|at| read < at)
                    || match &self.fault {
                        None => age >= ttl,
                        // What may pass by itself is tried again whenever a poll is due; what a person must mend, by the timer.
                        Some(held) => {
                            let ended = now.saturating_duration_since(held.met_at);
                            !held.fault.kind.is_definite() && ended >= PAUSE
                        }
                    }
            }
        }
    }

    /// It was read, whatever that brought, by a request of that moment.
    pub fn answered(&mut self, begun: Instant) {
        (self.read_at, self.unknown_since, self.retries, self.doubted) = (Some(begun), None, 0, false);
    }

    /// Whether a doubtful answer is to be believed: the second in a row is.
    pub fn believes(&mut self) -> bool {
        std::mem::replace(&mut self.doubted, true)
    }

    /// It could not be read. Returns when to try again, and whether that has gone on for so long that it counts as a
    /// failed poll.
    pub fn unknown(&mut self, now: Instant) -> (Duration, bool) {
        if self.doubted {
            return (CONFIRM, false);
        }
        self.retries += 1;
        let since = *self.unknown_since.get_or_insert(now);
        (backoff(RETRY.0, self.retries, RETRY.1), now >= since + PATIENCE)
    }

    /// How long until it is read again while a watch is stalled over it; ever longer while it stays the same.
    pub fn recheck(&mut self, changed: bool) -> Duration {
        self.rechecks = if changed { 1 } else { self.rechecks.saturating_add(1) };
        backoff(RECHECK.0, self.rechecks, RECHECK.1)
    }
}
