//! A fault that is held at the level it belongs to, for everybody below to take over.

use std::sync::Arc;
use std::time::Instant;

use crate::cloud::fault::Fault;

/// One occurrence of a fault.
#[derive(Clone, Debug)]
pub struct Held {
    /// What went wrong.
    pub fault: Arc<Fault>,
    /// Tells this occurrence from every other: a fetch counts each once, however often it meets it.
    pub number: u64,
    /// When the request was sent that met it.
    pub sent_at: Instant,
    /// When it was met.
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
