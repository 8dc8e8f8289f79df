//! The polling engine: which cluster is asked when, and what its watches learn of it.
//!
//! Its unit is the *fetch*: one cluster, asked with one credential. All watches of a fetch share it. [`engine`] is a pure
//! state machine: it takes what watches want and what requests brought, and returns what to do next. [`driver`] is the thin
//! loop that does it; only there are a clock and I/O. What a fault means is decided at the level it belongs to:
//!
//! ```text
//! endpoint   breaker, a share of the requests in flight
//!   account  breaker, account (rate, queue, 429)
//!     key    key (refused, unproven)
//!       fetch   everything else
//! ```
//!
//! Who is below a fault takes it over when its own poll is due, without a request of its own. What an outcome means for a
//! resource is left to [`crate::controller`].

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
    credential::ResolvedCredential,
    fault::Fault,
    target::{Region, Target},
};

/// How many polls in a row must fail before a watch counts as blind, when a later one may well succeed.
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
    /// The operator's own identity, as it is in a region.
    Operator(Region),
}

/// What reading a credential brought.
#[derive(Debug)]
pub enum Resolution {
    /// The credential.
    Resolved(ResolvedCredential),
    /// There is none, until somebody acts.
    Missing(Fault),
    /// Perhaps there is none. An API server that has just started refuses everything for a moment, so it is asked again
    /// before this is believed.
    Doubtful(Fault),
    /// The API server gave no answer, so nothing is known.
    Unknown,
}

/// How often a watch wants its cluster to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cadence {
    /// The time between two polls.
    pub period: Duration,
    /// The first wait after a fault, doubled with each further one.
    pub retry: Duration,
    /// Whether a backup runs, so that the poll goes before idle ones.
    pub running: bool,
}

/// What a resource is when outcomes are planned onto it. Where somebody else has written its status since, they may have seen
/// more of the cloud than an outcome from before.
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
    /// `metadata.uid`: a resource that is created anew under the same name is another.
    pub uid: String,
    /// `metadata.generation`: a changed spec is polled at once.
    pub generation: Option<i64>,
    /// The cluster to ask.
    pub target: Target,
    /// The credential to ask it with.
    pub source: Source,
    /// How often.
    pub cadence: Cadence,
    /// Over how long the first poll of this process may be spread; none for a watch without a record, which is polled at
    /// once.
    pub spread: Option<Duration>,
    /// A person's request for a poll now that is not handled yet.
    pub request: Option<String>,
    /// The resource as it was read.
    pub basis: Basis,
    /// Whether its status shows an answer.
    pub has_record: bool,
}

/// What the newest poll brought.
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
    /// Whether it decides how a watch stands: an answer, a fault that does not pass by itself, or the third in a row.
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
    /// What it is.
    pub outcome: Outcome,
    /// Its number, for [`engine::Engine::settle`].
    pub number: u64,
    /// Whether it answers the request of the demand.
    pub for_request: bool,
}

/// What a watch learned, and what it wants from now on.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The number of the outcome that was taken over, if there was one.
    pub number: Option<u64>,
    /// How often to poll from now on.
    pub cadence: Cadence,
    /// When time alone would change the verdict: the cloud is asked then, since it may know more.
    pub judge_after: Option<Duration>,
    /// Whether the resource had a request that was not handled.
    pub has_request: bool,
    /// The resource that says all of it.
    pub basis: Basis,
    /// Whether that came from the API server just now, in a reply to a write or a read, and not from a copy.
    pub is_live: bool,
}

/// What a request brought.
#[derive(Debug)]
pub enum Fetched {
    /// The very answer that the request named as known.
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
    /// The cluster to ask.
    pub target: Target,
    /// What to sign with.
    pub credential: ResolvedCredential,
    /// The hash of the body that is known; one that is the same need not be decoded.
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

/// The moment that so much time after another.
fn later(time: Instant, by: Duration) -> Instant {
    // A century is as good as never, and no platform's clock ends before.
    time + by.min(Duration::from_hours(100 * 365 * 24))
}
