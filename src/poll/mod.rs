//! The polling engine: it decides when each cluster is polled, and hands the outcome to the watches of that cluster.
//!
//! Its unit is the *fetch*: one cluster, polled with one credential source. All watches that want the same share the
//! fetch. A fetch that is due passes three gates of one kind ([`gate`]), whose rules are rows of one table ([`policy`]):
//!
//! ```text
//! credential   is there one?            a Secret, or the operator's identity in a region
//!   key        does the cloud take it?  wherever it is used
//!     account  is it reached, and not throttled?   this key in this account
//! ```
//!
//! It takes over the fault of the first that is closed, and then sends no request; every other fault is the fetch's own. A
//! watch is blind a minute after the first of its polls that was due and brought no answer, whatever the cause.
//!
//! [`engine`] is a pure state machine: it takes the demands of watches and the results of requests, and returns what to do
//! next. [`driver`] is the loop around it, with the clock; the I/O is that of a [`world`]. What an outcome means for a
//! resource is left to [`crate::controller`].

pub mod account;
mod credential_source;
pub mod driver;
pub mod engine;
mod fetch;
mod gate;
pub mod policy;
mod queue;
#[cfg(test)]
mod tests;
pub mod world;

use std::sync::Arc;
use std::time::Duration;

use crate::cloud::{
    Answer,
    client::News,
    credentials::ResolvedCredential,
    fault::Fault,
    target::{Region, Target},
};

/// The namespace and name of a resource, as `namespace/name`.
pub type WatchKey = Arc<str>;

slotmap::new_key_type! {
    /// A fetch of the engine; of one that is gone it stays the name of nothing.
    pub struct FetchId;
    /// A source of credentials.
    pub struct SourceId;
    /// An endpoint.
    pub struct EndpointId;
    /// An account.
    pub struct AccountId;
    /// A key in an account.
    pub struct TenantId;
}

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
    /// There is none, or nothing is known; the fault says why, and whether that may pass by itself.
    Missing(Fault),
    /// The API server refused the read. One that has just started refuses everything for a moment, so a refusal is
    /// believed only when it is repeated.
    Doubtful(Fault),
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
    /// The time between two lists of the cluster's upgrades while one runs; none where they are not wanted.
    pub upgrades: Option<Duration>,
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
    /// Whether its status shows an answer.
    pub has_record: bool,
}

/// The result of the newest poll.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The cloud answered.
    Answer(Arc<Answer>),
    /// There is no answer.
    Fault {
        /// Why.
        fault: Arc<Fault>,
        /// Whether the watch is blind: no poll was answered for a minute.
        is_blind: bool,
    },
}

impl Outcome {
    /// Whether it decides the condition Ready: an answer, blindness, or a fault that only a person can mend.
    pub fn is_decisive(&self) -> bool {
        match self {
            Self::Answer(_) => true,
            Self::Fault { fault, is_blind } => *is_blind || fault.kind.is_definite(),
        }
    }
}

/// An outcome that a watch has not taken over yet.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The outcome.
    pub outcome: Outcome,
    /// Its number, for [`engine::Engine::settle`].
    pub number: u64,
    /// Whether it answers the request of the demand.
    pub for_request: bool,
}

/// What a watch wants after a successful reconcile.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The number of the outcome that was taken over, if there was one.
    pub number: Option<u64>,
    /// How often to poll from now on.
    pub cadence: Cadence,
    /// After how long time alone would change the verdict. The cluster is polled then, since the cloud may know of a
    /// newer backup.
    pub judge_after: Option<Duration>,
    /// Whether the resource that was planned from has the request that the outcome answers, or is certain to have none.
    pub has_request: bool,
}

/// The result of a request.
pub type Fetched = Result<News, Fault>;

/// Something for the driver to do.
#[derive(Debug)]
pub enum Effect {
    /// Send a request, then call [`engine::Engine::fetched`].
    Fetch(Request),
    /// List the upgrades of a cluster, then call [`engine::Engine::upgrades_listed`].
    ListUpgrades(Request),
    /// Read a credential, then call [`engine::Engine::resolved`].
    Resolve {
        /// For [`engine::Engine::resolved`].
        id: SourceId,
        /// What to read.
        source: Arc<Source>,
    },
}

/// A request to send.
#[derive(Debug)]
pub struct Request {
    /// For [`engine::Engine::fetched`].
    pub id: FetchId,
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
