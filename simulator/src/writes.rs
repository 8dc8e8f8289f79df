//! How often an account may write: about ten times a minute, and refused writes count too.
//!
//! The live service was seen to answer most refused requests without `Retry-After`, and the rest with a decimal number
//! of seconds. Here every tenth refusal has the header.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

const WINDOW: Duration = Duration::from_mins(1);
const PER_MINUTE: usize = 10;
/// Every how many refusals one has the header.
const TOLD: u64 = 10;
/// At this many accounts, all of them are forgotten, so that no client can fill the memory with made-up ids.
const MAX_ACCOUNTS: usize = 10_000;

/// The writes of the last minute, by account: a project.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    made: HashMap<String, VecDeque<Instant>>,
    refused: u64,
}

impl Writes {
    /// Counts a write. An error refuses it, sometimes with the value of `Retry-After`.
    pub(crate) fn write(&mut self, account: &str, now: Instant) -> Result<(), Option<String>> {
        if self.made.len() >= MAX_ACCOUNTS {
            self.made.clear();
        }
        let made = self.made.entry(account.to_owned()).or_default();
        while made.front().is_some_and(|at| now.duration_since(*at) >= WINDOW) {
            made.pop_front();
        }
        made.push_back(now);
        // The newest ones decide when the next is let through, and more need not be kept.
        while made.len() > PER_MINUTE + 1 {
            made.pop_front();
        }
        if made.len() <= PER_MINUTE {
            return Ok(());
        }
        self.refused += 1;
        let free = made.get(1).map_or(WINDOW, |at| WINDOW.saturating_sub(now.duration_since(*at)));
        Err(self.refused.is_multiple_of(TOLD).then(|| format!("{:.3}", free.as_secs_f64())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eleventh_write_of_a_minute_is_refused_and_counts_too() {
        let (mut writes, start) = (Writes::default(), Instant::now());
        let mut write = |account, millis| {
            writes.write(account, start + Duration::from_millis(millis)).map_err(|told| told.is_some())
        };
        for n in 0..10 {
            assert_eq!(write("a", n * 1_000), Ok(()));
        }
        assert_eq!((write("a", 10_000), write("b", 10_000)), (Err(false), Ok(())));
        // The refused one at 10 s took the place of the first one, so that nothing is free at 60 s.
        assert_eq!((write("a", 60_500), write("a", 70_500)), (Err(false), Ok(())));
    }

    #[test]
    fn a_wait_is_told_seldom_and_in_decimals() {
        let (mut writes, start) = (Writes::default(), Instant::now());
        let mut told = (0..110)
            .filter_map(|n| writes.write("a", start + Duration::from_millis(n * 137)).err().flatten());
        let first = told.next().unwrap();
        assert!(first.contains('.') && first.parse::<f64>().is_ok_and(|seconds| seconds < 60.0), "{first}");
        assert_eq!(told.count(), 9);
    }
}
