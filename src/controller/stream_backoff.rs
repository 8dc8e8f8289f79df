//! The backoff of a watch stream that failed, before it is restarted.

use std::time::Duration;

use kube::runtime::utils::Backoff;
use tokio::time::Instant;

use crate::poll::{
    driver::Poller,
    policy::{STREAM, STREAM_CALM as CALM},
};

/// The backoff of a watch stream. Its longest wait is short, so that missed changes are caught up soon after the API
/// server's return.
pub struct StreamBackoff {
    poller: Poller,
    tries: u32,
    failed: Option<Instant>,
}

impl StreamBackoff {
    /// The backoff of a stream that has not failed yet.
    pub fn new(poller: Poller) -> Self {
        Self { poller, tries: 0, failed: None }
    }
}

impl Iterator for StreamBackoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        if self.failed.is_some_and(|failed| failed.elapsed() > CALM) {
            self.tries = 0;
        }
        self.failed = Some(Instant::now());
        self.tries += 1;
        Some(self.poller.jitter(STREAM.after(self.tries)))
    }
}

impl Backoff for StreamBackoff {
    /// Does nothing: kube calls this when a list begins, so a list that always fails would always have the first wait.
    fn reset(&mut self) {}
}

#[cfg(test)]
mod tests {
    use std::hash::RandomState;

    use super::*;
    use crate::clock::Clock;
    use crate::cloud::region::Endpoints;
    use crate::poll::{account::Limit, engine::Config};

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_fails_waits_ever_longer_whatever_it_begins_and_shortly_after_it_has_worked_for_a_while()
     {
        let config = Config {
            concurrency: 1,
            limit: Limit { rate: 1.0, burst: 1 },
            endpoints: Endpoints::default(),
            seed: 1,
            hasher: RandomState::new(),
        };
        let mut waits = StreamBackoff::new(Poller::new(config, Clock::default()));
        let mut next = || {
            waits.reset();
            waits.next().unwrap().as_secs_f64()
        };
        for expected in [1.0, 2.0, 4.0, 8.0, 10.0, 10.0] {
            assert!((next() / expected - 1.0).abs() <= 0.1, "about {expected} s");
            tokio::time::advance(STREAM.longest).await;
        }
        tokio::time::advance(CALM).await;
        assert!(next() <= 1.1);
    }
}
