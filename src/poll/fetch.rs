//! The states of one fetch and of one watch. The transitions between them are in [`super::engine`].

use std::time::{Duration, Instant};

use super::{Cadence, Outcome, WatchKey, queue::Place};
use crate::cloud::target::Target;

/// One cluster, polled with one credential source.
#[derive(Debug)]
pub struct Fetch {
    /// The cluster.
    pub target: Target,
    /// Its account.
    pub account: usize,
    /// Its source of credentials.
    pub source: usize,
    /// The watches that share it.
    pub watches: Vec<WatchKey>,
    /// Its state.
    pub state: State,
    /// Since when a poll has been due.
    pub due_since: Instant,
    /// When the last request was sent.
    pub sent_at: Option<Instant>,
    /// When the last answer was decoded.
    pub full_at: Option<Instant>,
    /// The hashes of the last answer: that of its body, and that of the decoded answer.
    pub known: Option<(u64, u64)>,
    /// How many polls in a row have failed.
    pub failures: u32,
    /// The number of the last fault that was counted.
    pub counted: u64,
    /// The earliest moment at which a fault that is taken over counts as the next failed poll.
    pub count_at: Instant,
    /// The newest outcome, until every watch has taken it over.
    pub outcome: Option<Outcome>,
    /// The number of the newest outcome.
    pub number: u64,
    /// Whether it fails for a reason that a changed credential may mend.
    pub stalled: bool,
    /// When the cloud last answered, by the wall clock.
    pub answered: Option<jiff::Timestamp>,
}

/// The state of a fetch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum State {
    /// Nothing is to be done until its timer fires at this moment.
    Idle(Instant),
    /// Waits for its credential.
    Resolving,
    /// Waits in the queue of its account.
    Queued(Place),
    /// A request is under way.
    InFlight(Flight),
}

/// A request under way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flight {
    /// The hash of the key it is signed with.
    pub key: u64,
    /// Whether it is the probe of its account's breaker, and of its endpoint's.
    pub probes: (bool, bool),
}

/// One watch.
#[derive(Debug)]
pub struct Watch {
    /// Hash of the uid.
    pub uid: u64,
    /// The generation that was seen last.
    pub generation: Option<i64>,
    /// Hash of the request that was seen last; 0 for none.
    pub request: u64,
    /// Its fetch.
    pub fetch: usize,
    /// How often it wants to poll.
    pub cadence: Cadence,
    /// An outcome that it waits for.
    pub pending: Option<Pending>,
    /// When time alone would change its verdict.
    pub judge_at: Option<Instant>,
    /// The number of the outcome that it took over last.
    pub taken: u64,
    /// Whether the newest outcome answers its request.
    pub answered: bool,
    /// Hash of the resourceVersion that the watch stream delivered last; 0 before the first.
    pub told: u64,
    /// Hash of the resourceVersion that was settled last, or that the watch came with.
    pub settled: u64,
    /// Hash of the status of that version.
    pub status: u64,
    /// Where that version is from.
    pub origin: Origin,
    /// When it was settled.
    pub settled_at: Option<Instant>,
    /// Whether the watch stream has delivered another version since.
    pub edited: bool,
}

/// Where the version of a resource is from that was settled last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The cached copy, which may be older than what the API server has.
    Copy,
    /// A reply of the API server.
    Reply,
    /// A reply of the API server, and the resource may have been written since, by a request whose reply was lost.
    Doubtful,
}

/// An outcome that a watch waits for.
#[derive(Clone, Copy, Debug)]
pub struct Pending {
    /// The request that brings it must not have been sent before this moment.
    pub since: Instant,
    /// Whether a person asked for it.
    pub forced: bool,
    /// Whether the watch was not polled with its current spec yet.
    pub first: bool,
}

impl Watch {
    /// Whether it must be told of the next answer, even if that is the same as the last one.
    pub fn is_waiting(&self, now: Instant) -> bool {
        self.pending.is_some() || self.judge_at.is_some_and(|at| at <= now) || self.edited
    }
}

impl Fetch {
    /// A fetch that was never sent.
    pub fn new(target: Target, account: usize, source: usize, now: Instant) -> Self {
        Self {
            target,
            account,
            source,
            watches: Vec::new(),
            state: State::Idle(now),
            due_since: now,
            sent_at: None,
            full_at: None,
            known: None,
            failures: 0,
            counted: 0,
            count_at: now,
            outcome: None,
            number: 0,
            stalled: false,
            answered: None,
        }
    }

    /// The earliest moment at which a poll that nobody asked for may be sent.
    pub fn floor(&self, now: Instant) -> Instant {
        /// So that watches that join one shortly after another share a request.
        const SPACING: Duration = Duration::from_secs(1);
        self.sent_at.map_or(now, |sent| now.max(sent + SPACING))
    }
}
