//! A broken promise.

use std::fmt;
use std::time::Duration;

/// A broken promise, when it was broken, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which promise.
    pub promise: &'static str,
    /// When, from the beginning of the history on.
    pub at: Duration,
    /// What was seen.
    pub seen: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:9.3} s  {}: {}", self.at.as_secs_f64(), self.promise, self.seen)
    }
}

/// Fails with a finding unless a promise is kept.
pub fn promise(
    is_kept: bool,
    promise: &'static str,
    seen: impl FnOnce() -> String,
) -> Result<(), Box<Finding>> {
    if is_kept {
        return Ok(());
    }
    Err(Box::new(Finding { promise, at: crate::time::now(), seen: seen() }))
}
