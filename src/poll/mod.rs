//! The polling engine: it decides when each cluster is polled, and hands the outcome to the watches of that cluster.
//!
//! Its unit is the *fetch*: one cluster, polled with one credential source. All watches that want the same share the
//! fetch. [`engine`] is a pure state machine: it takes the demands of watches and the results of requests, and returns
//! what to do next. [`driver`] is the loop around it, with the clock; the I/O is that of a [`world`]. A fault is held
//! at the level that it belongs to, and concerns every fetch below:
//!
//! ```text
//! endpoint   breaker, a share of the requests in flight
//!   account  breaker, account (rate, queue, 429)
//!     key    key (refused, unproven)
//!       fetch   everything else
//! ```
//!
//! A fetch that such a fault blocks takes the fault over when its poll is due, and sends no request. What an outcome
//! means for a resource is left to [`crate::controller`].

pub mod account;
mod breaker;
pub mod driver;
pub mod engine;
mod fetch;
mod held;
mod key;
mod queue;
pub mod secret;
mod source;
#[cfg(test)]
mod tests;
pub mod world;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cloud::{
    Answer,
    credentials::ResolvedCredential,
    fault::Fault,
    target::{Region, Target},
};

/// How many polls in a row must fail before a watch counts as blind, if the fault may pass by itself.
pub const FAILURES_TO_REPORT: u32 = 3;

/// The namespace and name of a resource, as `namespace/name`.
pub type WatchKey = Arc<str>;

/// Where a credential comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A Secret.
    Secret {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// The operator's own identity in a region.
    Operator(Region),
}

/// The result of reading a credential.
#[derive(Debug)]
pub enum Resolution {
    /// The credential.
    Resolved(ResolvedCredential),
    /// There is none; the fault says why, and whether that may pass by itself.
    Missing(Fault),
    /// The API server refused the read. One that has just started refuses everything for a moment, so a refusal is
    /// believed only when it is repeated.
    Doubtful(Fault),
    /// The API server gave no answer, so nothing is known.
    Unknown,
}

/// How often a watch wants its cluster to be polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cadence {
    /// The time between two polls.
    pub period: Duration,
    /// The first wait after a fault, doubled with each further one.
    pub retry: Duration,
    /// Whether a backup runs, so that the poll goes before idle ones.
    pub running: bool,
}

/// The version of a resource that an outcome is planned onto. If somebody else has written the status since, that
/// status may be of a later answer than the outcome, which must not replace it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Basis {
    /// `metadata.resourceVersion`
    pub resource_version: String,
    /// Hash of the status.
    pub status: u64,
}

/// What a watch wants.
#[derive(Clone, Debug)]
pub struct Demand {
    /// `metadata.uid`: a resource that was deleted and created anew under the same name is another watch.
    pub uid: String,
    /// `metadata.generation`: a changed spec is polled at once.
    pub generation: Option<i64>,
    /// The cluster to poll.
    pub target: Target,
    /// The source of the credential.
    pub source: Source,
    /// How often to poll.
    pub cadence: Cadence,
    /// The time over which the first poll by this process may be spread; `None` polls at once, because the status has
    /// no verdict on the current spec.
    pub spread: Option<Duration>,
    /// A person's request to poll now, while it is not handled yet.
    pub request: Option<String>,
    /// The resource as it was read.
    pub basis: Basis,
    /// Whether its status shows an answer.
    pub has_record: bool,
}

/// The result of the newest poll.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The cloud answered.
    Answer(Arc<Answer>),
    /// The poll failed.
    Fault {
        /// Why.
        fault: Arc<Fault>,
        /// How many in a row have failed, this one included.
        failures: u32,
    },
}

impl Outcome {
    /// Whether it decides the condition Ready: an answer, a definite fault, or the third failed poll in a row.
    pub fn is_decisive(&self) -> bool {
        match self {
            Self::Answer(_) => true,
            Self::Fault { fault, failures } => fault.kind.is_definite() || *failures >= FAILURES_TO_REPORT,
        }
    }
}

/// An outcome that a watch has not taken over yet.
#[derive(Clone, Debug)]
pub struct News {
    /// The outcome.
    pub outcome: Outcome,
    /// Its number, for [`engine::Engine::settle`].
    pub number: u64,
    /// Whether it answers the request of the demand.
    pub for_request: bool,
}

/// The result of a successful reconcile: what the resource says now, and what its watch wants from now on.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The number of the outcome that was taken over, if there was one.
    pub number: Option<u64>,
    /// How often to poll from now on.
    pub cadence: Cadence,
    /// After how long time alone would change the verdict. The cluster is polled then, since the cloud may know of a
    /// newer backup.
    pub judge_after: Option<Duration>,
    /// Whether the resource that was planned from had a request that was not handled.
    pub has_request: bool,
    /// The resource with the settled status.
    pub basis: Basis,
    /// Whether the basis is from the API server's reply to a read or a write, and not from the cached copy.
    pub is_live: bool,
}

/// The result of a request.
#[derive(Debug)]
pub enum Fetched {
    /// The answer has the body whose hash the request named as known.
    Unchanged,
    /// An answer, and the hash of its body.
    Answer(Answer, u64),
    /// A fault.
    Fault(Fault),
}

/// Something for the driver to do.
#[derive(Debug)]
pub enum Effect {
    /// Send a request, then call [`engine::Engine::fetched`].
    Fetch(Request),
    /// Read a credential, then call [`engine::Engine::resolved`].
    Resolve {
        /// For [`engine::Engine::resolved`].
        id: usize,
        /// What to read.
        source: Arc<Source>,
    },
}

/// A request to send.
#[derive(Debug)]
pub struct Request {
    /// For [`engine::Engine::fetched`].
    pub id: usize,
    /// The cluster to poll.
    pub target: Target,
    /// The credential to sign with.
    pub credential: ResolvedCredential,
    /// The hash of the body that is known; an answer with the same body need not be decoded.
    pub known: Option<u64>,
    /// How long the fetch has been due.
    pub delay: Duration,
    /// How many watches share it, besides the first.
    pub sharers: usize,
}

/// `first`, doubled with every try after the first, to the cap.
pub fn backoff(first: Duration, tries: u32, cap: Duration) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(tries.saturating_sub(1))).min(cap)
}

/// The moment `by` after `time`, bounded so that the addition cannot overflow.
fn later(time: Instant, by: Duration) -> Instant {
    // A century is as good as never, and every platform's clock can represent it.
    time + by.min(Duration::from_hours(100 * 365 * 24))
}
