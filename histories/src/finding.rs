//! A broken promise, and the checks that make one: of what is seen, and that nothing panics. No I/O.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;
use std::time::Duration;
use std::{fmt, mem};

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

thread_local! {
    /// What the last panic of this thread says; empty when there was none.
    static PANICKED: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs a history; a panic of it, such as a broken invariant, is a finding.
pub fn catching(run: impl FnOnce() -> Result<(), Box<Finding>>) -> Result<(), Box<Finding>> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            PANICKED.set(panic.to_string());
            before(panic);
        }));
    });
    PANICKED.take();
    let result = panic::catch_unwind(AssertUnwindSafe(run));
    nothing_panicked()?;
    result.unwrap_or(Ok(()))
}

/// Checks that nothing has panicked so far: the operator catches a panic of a reconcile.
pub fn nothing_panicked() -> Result<(), Box<Finding>> {
    let said = PANICKED.with_borrow_mut(mem::take);
    promise(said.is_empty(), "nothing panics", || said.replace('\n', " "))
}
