//! The made-up time. One history runs on one thread, and the time of that thread is a number that the history sets.

use std::cell::Cell;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use cce_backup_watch::clock::Clock;
use jiff::Timestamp;

/// When histories begin, by the wall clock: 2026-01-01T00:00:00Z.
const EPOCH: Timestamp = Timestamp::constant(1_767_225_600, 0);

thread_local! {
    static NOW: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// An `Instant` cannot be made up, so one is taken; nothing but the distance from it matters.
static START: LazyLock<Instant> = LazyLock::new(|| Instant::now() + Duration::from_hours(10_000));

/// Sets the time since the beginning of the history.
pub fn set(now: Duration) {
    NOW.set(now);
}

/// The time since the beginning of the history.
pub fn now() -> Duration {
    NOW.get()
}

/// The same, by the wall clock.
pub fn wall(at: Duration) -> Timestamp {
    EPOCH + at
}

/// When a monotonic moment is, from the beginning of the history on.
pub fn of(instant: Instant) -> Duration {
    instant.saturating_duration_since(*START)
}

/// The clock for the operator.
pub fn clock() -> Clock {
    Clock { monotonic: || *START + NOW.get(), wall: || wall(NOW.get()) }
}
