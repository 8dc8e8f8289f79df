//! A fault that is held at the level that it belongs to, for the fetches below to take over.

use std::sync::Arc;
use std::time::Instant;

use crate::cloud::fault::Fault;

/// One occurrence of a fault.
#[derive(Clone, Debug)]
pub struct Held {
    /// What went wrong.
    pub fault: Arc<Fault>,
    /// Identifies this occurrence: a fetch counts it once, however often it takes it over.
    pub number: u64,
    /// When the request that failed was sent.
    pub sent_at: Instant,
    /// When it failed.
    pub met_at: Instant,
}

#[cfg(test)]
impl Held {
    /// Some fault without an HTTP status.
    pub fn example(number: u64, sent_at: Instant) -> Self {
        use crate::cloud::fault::FaultKind;
        Self {
            fault: Arc::new(Fault::new(FaultKind::CloudUnavailable, "cannot connect")),
            number,
            sent_at,
            met_at: sent_at,
        }
    }
}
