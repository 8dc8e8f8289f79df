//! The fence: whether this process may write, at the moment of writing.
//!
//! A process that was frozen or partitioned does not know that its Lease has passed to another one. So the fence is
//! open only until a deadline, which each renewal of the Lease moves forward; no message is needed to close it. The
//! clients of [`crate::kubernetes::fenced`] check it before each write. A write that was handed to the HTTP client
//! before the deadline may still arrive after it.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Writes are allowed before this moment; `None` is never.
#[derive(Debug, Default)]
pub struct Fence(Mutex<Option<Instant>>);

/// Why a write was not sent.
#[derive(Debug, thiserror::Error)]
#[error("this process does not hold its Lease, so the write was not sent")]
pub struct Closed;

impl Fence {
    /// Allows writes until `validity` after the beginning of a renewal that succeeded.
    pub fn open(&self, renewal: Instant, validity: Duration) {
        *self.until() = renewal.checked_add(validity);
    }

    /// Allows no write from now on.
    pub fn close(&self) {
        *self.until() = None;
    }

    /// Whether a write may be sent at this moment.
    pub fn check(&self, now: Instant) -> Result<(), Closed> {
        if self.until().is_some_and(|until| now < until) { Ok(()) } else { Err(Closed) }
    }

    fn until(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        // Ignores poisoning: each change is one assignment, so a panic elsewhere leaves it consistent.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALIDITY: Duration = Duration::from_secs(10);

    #[test]
    fn nothing_is_written_before_the_lease_is_held() {
        assert!(Fence::default().check(Instant::now()).is_err());
    }

    #[test]
    fn a_process_that_wakes_after_the_deadline_writes_nothing_without_anybody_telling_it() {
        let (fence, renewed) = (Fence::default(), Instant::now());
        fence.open(renewed, VALIDITY);
        assert!(fence.check(renewed).is_ok());
        assert!(fence.check(renewed + Duration::from_secs(9)).is_ok());
        assert!(fence.check(renewed + VALIDITY).is_err());
        assert!(fence.check(renewed + Duration::from_mins(1)).is_err());
    }

    #[test]
    fn a_renewal_moves_the_deadline_and_a_release_ends_it() {
        let (fence, renewed) = (Fence::default(), Instant::now());
        fence.open(renewed, VALIDITY);
        fence.open(renewed + Duration::from_secs(5), VALIDITY);
        assert!(fence.check(renewed + Duration::from_secs(14)).is_ok());
        fence.close();
        assert!(fence.check(renewed).is_err());
    }
}
