//! The state of one source of credentials: the credential that was read last, the gate that is closed while there is none,
//! and when to read again. Pure.

use std::sync::Arc;
use std::time::Instant;

use super::{
    FetchId, Resolution, Source,
    gate::{Gate, Passing},
    policy,
};
use crate::cloud::{
    credentials::ResolvedCredential,
    fault::{Fault, FaultKind},
};

/// Where a read is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Nobody asked for one.
    No,
    /// It waits for its turn.
    Queued,
    /// It is under way since then.
    Since(Instant),
}

/// One source of credentials.
#[derive(Debug)]
pub struct SourceState {
    /// The source.
    pub source: Arc<Source>,
    /// The fetches that use it.
    pub fetches: Vec<FetchId>,
    /// Whether it is being read.
    pub reading: Reading,
    /// The credential that was read last, and the hash of its values.
    pub credential: Option<(ResolvedCredential, u64)>,
    /// Closed while there is no credential.
    pub gate: Gate,
    /// When it is read again while its key is refused.
    pub reread_at: Option<Instant>,
    read_at: Option<Instant>,
    rereads: u32,
}

impl SourceState {
    /// A source that was never read.
    pub fn new(source: Arc<Source>) -> Self {
        Self {
            source,
            fetches: Vec::new(),
            reading: Reading::No,
            credential: None,
            gate: Gate::default(),
            reread_at: None,
            read_at: None,
            rereads: 0,
        }
    }

    /// Whether it must be read before a poll at `now`. `asked` is the moment of a person's request; `trial_at` is when its
    /// key, if that is refused, may be tried again.
    pub fn is_old(&self, asked: Option<Instant>, trial_at: Option<Instant>, now: Instant) -> bool {
        let Some(read_at) = self.read_at else { return true };
        if asked.is_some_and(|asked| read_at < asked) {
            return true;
        }
        if let Some(closed) = self.gate.closed() {
            return now >= closed.until;
        }
        let ttl = match *self.source {
            Source::Secret { .. } => policy::SECRET_TTL,
            Source::Operator(_) => policy::OPERATOR_TTL,
        };
        now >= read_at + ttl
            || self.reread_at.is_some_and(|at| now >= at)
            || trial_at.is_some_and(|at| now >= at && read_at < at)
    }

    /// The hash of the key that it holds.
    pub fn key(&self) -> Option<u64> {
        self.credential.as_ref().map(|(_, key)| *key)
    }

    /// Takes the result of a read; returns the credential, if there is one.
    pub fn read(
        &mut self,
        resolution: Resolution,
        passing: Passing,
        now: Instant,
    ) -> Option<ResolvedCredential> {
        self.read_at = Some(passing.sent_at);
        let was_refused =
            self.gate.is_closed_by(&policy::DOUBTED) || self.gate.is_closed_by(&policy::MISSING);
        let (row, fault) = match resolution {
            Resolution::Resolved(read) => {
                self.gate.answered(passing);
                return Some(read);
            }
            Resolution::Doubtful(_) if !was_refused => {
                let said = "the API server refuses to hand out the Secret; it is asked once more";
                (&policy::DOUBTED, Fault::new(FaultKind::CloudUnavailable, said))
            }
            Resolution::Missing(fault) if !fault.kind.is_definite() => (&policy::UNREAD, fault),
            Resolution::Doubtful(fault) | Resolution::Missing(fault) => (&policy::MISSING, fault),
        };
        self.gate.failed(row, &Arc::new(fault), passing, now);
        None
    }

    /// Its key is refused, and was not changed by the last read: it is read again after a wait that doubles.
    pub fn stays_refused(&mut self, now: Instant) {
        self.rereads = self.rereads.saturating_add(1);
        self.reread_at = Some(now + policy::REREAD.after(self.rereads));
    }

    /// Its key is not refused, or it has another one.
    pub fn is_accepted(&mut self) {
        (self.rereads, self.reread_at) = (0, None);
    }
}
