//! Waiting for conditions, so that no test sleeps in the hope that something has happened meanwhile.

use std::time::{Duration, Instant};

/// How long a test waits for something that has no promised time: far longer than it takes, because the machine may be
/// busy.
pub const LIMIT: Duration = Duration::from_mins(2);

/// By when something must be there that is promised at once, or within seconds. A busy machine may take that long for a write;
/// what waits for a timer of the operator instead, or for its next due poll, takes longer.
pub const SOON: Duration = Duration::from_secs(15);

/// The pause before the next look: short at first, and longer the longer it has taken, because every look costs the servers that others
/// wait for.
fn pause(waited: Duration) -> Duration {
    (waited / 8).clamp(Duration::from_millis(25), Duration::from_millis(250))
}

/// Calls a function again and again until it returns something. Fails after the limit.
pub async fn until<T>(what: &str, limit: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        let waited = begun.elapsed();
        assert!(waited < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(pause(waited)).await;
    }
}

/// Waits until a condition holds. Fails after the limit.
pub async fn holds(what: &str, limit: Duration, mut condition: impl AsyncFnMut() -> bool) {
    until(what, limit, async || condition().await.then_some(())).await;
}

/// Calls a function again and again for a time, so that it can assert that something does not happen.
pub async fn meanwhile(time: Duration, mut look: impl AsyncFnMut()) {
    let begun = Instant::now();
    while begun.elapsed() < time {
        look().await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
