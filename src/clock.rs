//! The clock as a parameter: code that decides by the time takes a [`Clock`], so that the histories (the deterministic
//! simulation) and the tests can control the time.

use std::time::Instant;

use jiff::Timestamp;

/// Where the time comes from.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// For waits and ages. It never goes back.
    pub monotonic: fn() -> Instant,
    /// The time of day, for statuses, Events and signatures.
    pub wall: fn() -> Timestamp,
}

impl Default for Clock {
    /// The clocks of the machine.
    fn default() -> Self {
        Self { monotonic: Instant::now, wall: Timestamp::now }
    }
}

impl Clock {
    /// The monotonic time.
    pub fn instant(self) -> Instant {
        (self.monotonic)()
    }

    /// The time of day.
    pub fn now(self) -> Timestamp {
        (self.wall)()
    }
}
