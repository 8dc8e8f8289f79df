//! The rate of one account (a project in a region): a token bucket with a queue before it.
//!
//! A poll without budget never waits here: it is told when to come back. Who waits is served in the order of arrival,
//! urgent polls as if they had come a minute earlier; so they go first, and none starves. Pure: the clock is a parameter.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

/// How much earlier an urgent poll counts as having come.
const URGENT_LEAD: Duration = Duration::from_mins(1);
/// How long after the promised time a place in the queue is kept for a poll that did not come back.
const PATIENCE: Duration = Duration::from_secs(5);
/// The shortest time that a poll is sent away for.
const SHORTEST: Duration = Duration::from_millis(50);
/// The longest: who waits shows now and then that it still does, so that the places of the gone hold nobody up.
const LONGEST: Duration = Duration::from_mins(1);

/// How many requests an account is given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// Requests per second; positive and finite.
    pub rate: f64,
    /// How many may go at once after a quiet time; at least 1.
    pub burst: u32,
}

/// A place in the queue: the moment of arrival in seconds since the start, then a number that tells apart.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Place(f64, u64);

impl Eq for Place {}
impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Place {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0).then(self.1.cmp(&other.1))
    }
}

#[derive(Debug)]
struct Waiting {
    place: Place,
    promised: Instant,
}

/// The budget of one account.
#[derive(Debug)]
pub struct Budget {
    limit: Limit,
    start: Instant,
    tokens: f64,
    filled: Instant,
    arrivals: u64,
    queue: BTreeSet<Place>,
    waiting: HashMap<String, Waiting>,
    swept: Instant,
}

impl Budget {
    /// A full budget.
    pub fn new(limit: Limit, now: Instant) -> Self {
        Self {
            limit,
            start: now,
            tokens: f64::from(limit.burst),
            filled: now,
            arrivals: 0,
            queue: BTreeSet::new(),
            waiting: HashMap::new(),
            swept: now,
        }
    }

    /// Takes one request from the budget for `who`, or says when to come back.
    pub fn take(&mut self, who: &str, urgent: bool, now: Instant) -> Result<(), Duration> {
        self.fill(now);
        self.sweep(now);
        let place = self.place(who, urgent, now);
        let before = self.queue.range(..place).count();
        #[allow(clippy::cast_precision_loss)] // a queue that long would not fit into memory
        let missing = (before + 1) as f64 - self.tokens;
        if missing <= 0.0 {
            self.leave(who);
            self.tokens -= 1.0;
            return Ok(());
        }
        let wait = Duration::try_from_secs_f64(missing / self.limit.rate).unwrap_or(Duration::MAX);
        let wait = wait.clamp(SHORTEST, LONGEST);
        self.queue.insert(place);
        self.waiting.insert(who.to_owned(), Waiting { place, promised: now + wait });
        Err(wait)
    }

    /// Whether it is as good as a new one.
    pub fn is_full(&mut self, now: Instant) -> bool {
        self.fill(now);
        self.queue.is_empty() && self.tokens >= f64::from(self.limit.burst)
    }

    /// Gives up a place in the queue.
    pub fn leave(&mut self, who: &str) {
        if let Some(waiting) = self.waiting.remove(who) {
            self.queue.remove(&waiting.place);
        }
    }

    fn fill(&mut self, now: Instant) {
        let gained = now.saturating_duration_since(self.filled).as_secs_f64() * self.limit.rate;
        self.tokens = (self.tokens + gained).min(f64::from(self.limit.burst));
        self.filled = now;
    }

    fn place(&mut self, who: &str, urgent: bool, now: Instant) -> Place {
        let lead = if urgent { URGENT_LEAD.as_secs_f64() } else { 0.0 };
        let fresh = now.saturating_duration_since(self.start).as_secs_f64() - lead;
        if let Some(Waiting { place, .. }) = self.waiting.remove(who) {
            self.queue.remove(&place);
            // A poll that becomes urgent while it waits moves forward, never back.
            return Place(place.0.min(fresh), place.1);
        }
        self.arrivals += 1;
        Place(fresh, self.arrivals)
    }

    /// Drops those that did not come back: a deleted watch, or one that was served by another's fetch.
    fn sweep(&mut self, now: Instant) {
        if now.saturating_duration_since(self.swept) < Duration::from_secs(1) {
            return;
        }
        self.swept = now;
        let queue = &mut self.queue;
        self.waiting.retain(|_, waiting| {
            let kept = now <= waiting.promised + PATIENCE;
            if !kept {
                queue.remove(&waiting.place);
            }
            kept
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(rate: f64, burst: u32) -> (Budget, Instant) {
        let now = Instant::now();
        (Budget::new(Limit { rate, burst }, now), now)
    }

    #[test]
    fn a_full_budget_gives_its_burst_and_then_its_rate() {
        let (mut budget, start) = budget(2.0, 3);
        for who in ["a", "b", "c"] {
            assert_eq!(budget.take(who, false, start), Ok(()));
        }
        assert_eq!(budget.take("d", false, start), Err(Duration::from_millis(500)));
        assert_eq!(budget.take("d", false, start + Duration::from_millis(500)), Ok(()));
    }

    #[test]
    fn a_fractional_rate_is_kept() {
        let (mut budget, start) = budget(0.1, 1);
        assert_eq!(budget.take("a", false, start), Ok(()));
        assert_eq!(budget.take("b", false, start), Err(Duration::from_secs(10)));
    }

    #[test]
    fn an_urgent_poll_goes_before_idle_ones_that_came_first() {
        let (mut budget, start) = budget(1.0, 1);
        assert_eq!(budget.take("first", false, start), Ok(()));
        assert!(budget.take("idle", false, start).is_err());
        assert!(budget.take("urgent", true, start).is_err());
        let later = start + Duration::from_secs(1);
        assert!(budget.take("idle", false, later).is_err());
        assert_eq!(budget.take("urgent", true, later), Ok(()));
    }

    #[test]
    fn none_starves_under_urgent_polls_that_want_more_than_there_is() {
        const URGENT: usize = 20;
        let (mut budget, start) = budget(1.0, 1);
        let names: Vec<String> = (0..URGENT).map(|n| format!("urgent-{n}")).collect();
        // When each asks next: as soon as it was served, an urgent one wants more.
        let mut due = [start; URGENT];
        let mut idle_due = start;
        for tenth in 0..3000_u64 {
            let now = start + Duration::from_millis(tenth * 100);
            for (name, due) in names.iter().zip(&mut due).filter(|(_, due)| **due <= now) {
                *due = now + budget.take(name, true, now).err().unwrap_or(SHORTEST);
            }
            if idle_due <= now {
                match budget.take("idle", false, now) {
                    Ok(()) => {
                        // The head start, then those that were before it.
                        assert!(tenth / 10 <= 60 + 2 * URGENT as u64, "served after {} s", tenth / 10);
                        return;
                    }
                    Err(wait) => idle_due = now + wait,
                }
            }
        }
        panic!("never served");
    }

    #[test]
    fn one_that_does_not_come_back_loses_its_place() {
        let (mut budget, start) = budget(1.0, 1);
        assert_eq!(budget.take("first", false, start), Ok(()));
        assert!(budget.take("gone", false, start).is_err());
        assert!(budget.take("here", false, start + Duration::from_millis(10)).is_err());
        let later = start + Duration::from_secs(20);
        assert_eq!(budget.take("here", false, later), Ok(()), "it is not behind the one that is gone");
        assert!(budget.queue.is_empty() && budget.waiting.is_empty());
    }
}
