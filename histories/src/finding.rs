//! A broken promise, and the check that makes one. No I/O.

use std::fmt;
use std::time::Duration;

/// A broken promise, when it was broken, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The promise, as a sentence.
    pub promise: &'static str,
    /// When it was broken, since the beginning of the history.
    pub at: Duration,
    /// What was observed instead.
    pub seen: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:9.3} s  {}: {}", self.at.as_secs_f64(), self.promise, self.seen)
    }
}

/// Returns a finding unless the promise is kept; `seen` is evaluated only then.
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
