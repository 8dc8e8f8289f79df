//! The states of one fetch and of one watch. The transitions between them are in [`super::engine`].

use std::sync::Arc;
use std::time::Instant;

use super::{
    AccountId, Cadence, FetchId, Outcome, SourceId, TenantId, WatchKey, gate::Passing, policy, queue::Place,
};
use crate::cloud::{Answer, other_type::Look, target::Target, upgrades::Workflow};
use crate::upgrade;

/// What a fetch knows of upgrades.
#[derive(Debug, Default)]
pub struct Listing {
    /// When the list is due again; at the next poll where there is none.
    pub due: Option<Instant>,
    /// Since when it has been due at a poll, and was not asked for.
    pub waits_since: Option<Instant>,
    /// Whether a request is under way.
    pub in_flight: bool,
    /// How many tries in a row have failed.
    pub failures: u32,
    /// Hash of the tasks that were listed last, and of which of them had ended.
    pub tasks: Option<u64>,
    /// The newest outcome, with the newest workflow alone.
    pub outcome: Option<upgrade::Outcome>,
    /// The newest answer to a poll, while an upgrade may run. A status keeps few tasks, and that of the upgrade's own backup,
    /// which decides whether the upgrade is protected, need not be one of them.
    pub answer: Option<Arc<Answer>>,
}

impl Listing {
    /// Whether an upgrade may run: one does, or the list is still to be read.
    pub fn may_run(&self) -> bool {
        let is_over = |newest: &Workflow| upgrade::is_over(newest.phase.as_deref());
        let none_runs =
            matches!(&self.outcome, Some(upgrade::Outcome::Workflows(newest)) if newest.iter().all(is_over));
        !none_runs || self.due.is_none() || self.in_flight
    }
}

/// One cluster, polled with one credential source.
#[derive(Debug)]
pub struct Fetch {
    /// The cluster.
    pub target: Target,
    /// Its account.
    pub account: AccountId,
    /// Its source of credentials.
    pub source: SourceId,
    /// Its key in its account, once its credential was read.
    pub tenant: Option<TenantId>,
    /// The watches that share it.
    pub watches: Vec<WatchKey>,
    /// Its state.
    pub state: State,
    /// The closed gate that it waits for, while it is idle because of that.
    pub blocked: Option<GateId>,
    /// Since when the next poll has been due.
    pub due_since: Instant,
    /// The moment of the first poll that was due and is still unanswered: the clock of blindness.
    pub unanswered_since: Option<Instant>,
    /// The timer of that clock.
    pub blind_at: Option<Instant>,
    /// When the last request was sent.
    pub sent_at: Option<Instant>,
    /// The hashes of the last answer: that of its body, and that of the decoded answer.
    pub known: Option<(u64, u64)>,
    /// How many polls in a row have failed for a reason of their own.
    pub failures: u32,
    /// Until when it backs off after those.
    pub rests_until: Instant,
    /// The newest outcome, until every watch has taken it over.
    pub outcome: Option<Outcome>,
    /// The number of the newest outcome.
    pub number: u64,
    /// When the cloud last answered, by the wall clock.
    pub answered: Option<jiff::Timestamp>,
    /// The upgrades of the cluster, where a watch wants them: few do.
    pub upgrades: Option<Box<Listing>>,
    /// Whether a cluster that is not found is there as the other type.
    pub look: Look,
}

/// The gates that a fetch passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateId {
    /// That of its credential.
    Credential(SourceId),
    /// That of its key.
    Key(u64),
    /// That of its key in its account.
    Account(TenantId),
}

/// The state of a fetch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum State {
    /// Nothing is to be done until its timer fires at this moment.
    Idle(Instant),
    /// Waits for its credential to be read.
    Reading,
    /// Waits for a slot.
    Queued(Place),
    /// A request is under way.
    InFlight(Flight),
}

/// A request under way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flight {
    /// The key that signs it, in its account.
    pub tenant: TenantId,
    /// How the gate of the key sees it.
    pub key: Passing,
    /// How the gate of the account sees it.
    pub account: Passing,
    /// Whether it asks the API of the other `clusterType`.
    pub looks: bool,
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
    pub fetch: FetchId,
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
}

/// An outcome that a watch waits for.
#[derive(Clone, Copy, Debug)]
pub struct Pending {
    /// The request that brings it must not have been sent before this moment.
    pub since: Instant,
    /// Whether a person asked for it.
    pub requested: bool,
    /// Whether the watch was not polled with its current spec yet.
    pub first: bool,
}

impl Watch {
    /// Whether it must be told of the next answer, even if that is the same as the last one.
    pub fn is_waiting(&self, now: Instant) -> bool {
        self.pending.is_some() || self.judge_at.is_some_and(|at| at <= now)
    }
}

impl Fetch {
    /// A fetch that was never sent, and that nothing makes due yet.
    pub fn new(target: Target, account: AccountId, source: SourceId, now: Instant) -> Self {
        Self {
            target,
            account,
            source,
            tenant: None,
            watches: Vec::new(),
            state: State::Reading,
            blocked: None,
            due_since: now,
            unanswered_since: None,
            blind_at: None,
            sent_at: None,
            known: None,
            failures: 0,
            rests_until: now,
            outcome: None,
            number: 0,
            answered: None,
            upgrades: None,
            look: Look::Unknown,
        }
    }

    /// Whether its watches are blind.
    pub fn is_blind(&self, now: Instant) -> bool {
        self.unanswered_since.is_some_and(|since| now >= since + policy::BLIND) // mark: blind
    }

    /// The earliest moment at which a poll that nobody asked for may be sent.
    pub fn floor(&self, now: Instant) -> Instant {
        self.sent_at.map_or(now, |sent| now.max(sent + policy::SPACING))
    }
}
