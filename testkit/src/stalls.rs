//! When the machine was too busy to judge a promise of time: the API server that all tests share is asked every half second,
//! and what takes it milliseconds took it a second and more.
//!
//! A build beside the tests, or another machine on the same processors, can stop everything for half a minute. The operator's own
//! limits end then, rightly, and the test sees a promise broken that nothing could have kept.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use axum::http::Request;

use super::{cluster::Cluster, wait::LIMIT};

/// A hundred times what an answer takes, and less than the shortest time that a test gives the operator.
const STALL: Duration = Duration::from_secs(1);
/// How often the API server is asked.
const BEAT: Duration = Duration::from_millis(500);

/// The stalls of a run.
pub struct Stalls {
    /// How long the API server must have answered before a stall counts as over.
    calm: Duration,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Since when the answer to the last question is awaited.
    asked: Option<Instant>,
    /// When each stall ended, and how long it was.
    over: Vec<(Instant, Duration)>,
}

impl Stalls {
    /// None so far.
    pub fn new(calm: Duration) -> Self {
        Self { calm, seen: Mutex::default() }
    }

    /// Watches the API server.
    pub async fn watch(&self) {
        let client = Cluster::shared().client().await;
        loop {
            let asked = Instant::now();
            self.seen.lock().unwrap().asked = Some(asked);
            // Through the storage and the audit log, as the operator's requests are. It tells the time, whatever it answers.
            let request = Request::get("/api/v1/namespaces/default").body(Vec::new()).unwrap();
            let _ = client.request_text(request).await;
            self.answered(asked, Instant::now());
            tokio::time::sleep(BEAT).await;
        }
    }

    /// It was asked at one moment, and answered at the other.
    pub fn answered(&self, asked: Instant, now: Instant) {
        let mut seen = self.seen.lock().unwrap();
        seen.asked = None;
        if now - asked >= STALL {
            seen.over.push((now, now - asked));
        }
    }

    /// The longest stall that lasted until this moment or longer, if there was any.
    pub fn since(&self, moment: Instant) -> Option<Duration> {
        let seen = self.seen.lock().unwrap();
        let open = seen.asked.map(|asked| asked.elapsed()).filter(|waits| *waits >= STALL);
        let over = seen.over.iter().filter(|(end, _)| *end >= moment).map(|(_, took)| *took);
        over.chain(open).max()
    }

    /// Waits until there has been no stall for a while, or in vain for as long as any test waits.
    pub async fn ended(&self) {
        let (begun, mut calm) = (Instant::now(), Instant::now());
        while calm.elapsed() < self.calm && begun.elapsed() < LIMIT {
            tokio::time::sleep(BEAT).await;
            if self.since(calm).is_some() {
                calm = Instant::now();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_took_a_second_or_is_awaited_for_one_is_a_stall_of_whoever_was_there() {
        let stalls = Stalls::new(Duration::ZERO);
        let start = Instant::now().checked_sub(Duration::from_mins(1)).unwrap();
        let at = |second| start + Duration::from_secs(second);
        stalls.answered(at(0), at(0) + STALL / 2);
        assert_eq!(stalls.since(at(0)), None, "half a second is no stall");
        stalls.answered(at(10), at(13));
        stalls.answered(at(20), at(22));
        assert_eq!(stalls.since(at(0)), Some(Duration::from_secs(3)));
        assert_eq!(stalls.since(at(12)), Some(Duration::from_secs(3)), "it began before, and went on");
        assert_eq!(stalls.since(at(14)), Some(Duration::from_secs(2)));
        assert_eq!(stalls.since(at(23)), None);
        stalls.seen.lock().unwrap().asked = Some(at(50));
        assert!(stalls.since(at(55)).is_some_and(|waits| waits >= Duration::from_secs(10)));
    }
}
