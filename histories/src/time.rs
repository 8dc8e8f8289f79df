//! The simulated time. A history runs on one thread, so its time is a thread-local number, which the history sets.

use std::cell::Cell;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use cce_backup_watch::clock::Clock;
use jiff::Timestamp;

/// The wall-clock time at which every history begins: 2026-01-01T00:00:00Z.
const EPOCH: Timestamp = Timestamp::constant(1_767_225_600, 0);

thread_local! {
    static NOW: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// The `Instant` at which every history begins. There is no constructor for a given `Instant`, so this one is derived
/// from the real clock; only distances from it are used.
static START: LazyLock<Instant> = LazyLock::new(|| Instant::now() + Duration::from_hours(10_000));

/// Sets the time since the beginning of the history.
pub fn set(now: Duration) {
    NOW.set(now);
}

/// The time since the beginning of the history.
pub fn now() -> Duration {
    NOW.get()
}

/// The wall-clock time of a moment of the history.
pub fn wall(at: Duration) -> Timestamp {
    EPOCH + at
}

/// The time from the beginning of the history to an `Instant`.
pub fn of(instant: Instant) -> Duration {
    instant.saturating_duration_since(*START)
}

/// The clock that the operator gets: monotonic and wall-clock time of the current thread's history.
pub fn clock() -> Clock {
    Clock { monotonic: || *START + NOW.get(), wall: || wall(NOW.get()) }
}
