//! The state of one source of credentials: the resolved credential, or the fault that says why there is none, and when
//! to read again. Pure: the clock is a parameter. What the fetches do meanwhile is decided by [`super::engine`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Source, backoff, held::Held};
use crate::cloud::credentials::ResolvedCredential;

/// How old a credential may be before it is read again. The operator's own is cached and renewed by its source, so
/// reading it often costs nothing.
const SECRET_TTL: Duration = Duration::from_mins(5);
const OPERATOR_TTL: Duration = Duration::from_secs(1);
/// How often a source is read again while a watch is stalled because of it: the first and the longest wait.
const RECHECK: (Duration, Duration) = (Duration::from_secs(30), Duration::from_mins(5));
/// How often a read is repeated that the API server did not answer: the first and the longest wait. The longest is
/// short, so that polls resume within half a minute after the API server's return.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));
/// How long reads of a Secret may go unanswered before its watches count that as failed polls.
const PATIENCE: Duration = Duration::from_mins(5);
/// How long a source is not read again after a fault that may pass by itself.
const PAUSE: Duration = Duration::from_secs(5);
/// How soon the read is repeated after a refusal that may be a passing one.
const CONFIRM: Duration = Duration::from_secs(5);

/// The state of one source.
#[derive(Debug)]
pub struct SourceState {
    /// The source.
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

    /// Whether it must be read before a poll that is due at `now`, or that a person asked for at `forced`.
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
                        // A fault that may pass is retried when a poll is due; a definite one, by the timer.
                        Some(held) => {
                            let ended = now.saturating_duration_since(held.met_at);
                            !held.fault.kind.is_definite() && ended >= PAUSE
                        }
                    }
            }
        }
    }

    /// The read that began at `begun` was answered, with a credential or with a fault.
    pub fn answered(&mut self, begun: Instant) {
        (self.read_at, self.unknown_since, self.retries, self.doubted) = (Some(begun), None, 0, false);
    }

    /// Whether a refusal is to be believed: the second in a row is.
    pub fn believes(&mut self) -> bool {
        std::mem::replace(&mut self.doubted, true)
    }

    /// The read was not answered, or was refused for the first time. Returns how long to wait before the next one, and
    /// whether this has gone on for so long that it counts as a failed poll.
    pub fn unknown(&mut self, now: Instant) -> (Duration, bool) {
        if self.doubted {
            return (CONFIRM, false);
        }
        self.retries += 1;
        let since = *self.unknown_since.get_or_insert(now);
        (backoff(RETRY.0, self.retries, RETRY.1), now >= since + PATIENCE)
    }

    /// How long to wait before it is read again while a watch is stalled because of it. The wait doubles while nothing
    /// has changed.
    pub fn recheck(&mut self, changed: bool) -> Duration {
        self.rechecks = if changed { 1 } else { self.rechecks.saturating_add(1) };
        backoff(RECHECK.0, self.rechecks, RECHECK.1)
    }
}
