//! The polls that wait for a slot, in the order of service: the earliest first, by the moment it was due less a head start
//! of its class. So waiting ages, and no class starves another. A queue is the ordered set of its places. Pure.

use std::time::Instant;

use super::{FetchId, policy::HEAD_START};

/// Why a poll is due, the least urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// By its schedule, and no backup runs.
    Idle,
    /// The watch was not polled with its current spec yet.
    First,
    /// A backup runs.
    Running,
    /// A person asked.
    Requested,
}

/// A place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// A moment that only serves to compare: later by what other classes are ahead.
    order: Instant,
    class: Class,
    fetch: FetchId,
}

impl Place {
    /// The place of a fetch that has been due since then.
    pub fn new(class: Class, due: Instant, fetch: FetchId) -> Self {
        let first = HEAD_START[Class::Requested as usize];
        let behind = first.saturating_sub(HEAD_START[class as usize]);
        Self { order: due + behind, class, fetch }
    }

    /// Its fetch.
    pub fn fetch(self) -> FetchId {
        self.fetch
    }

    /// Whether a person asked for the poll.
    pub fn is_requested(self) -> bool {
        self.class == Class::Requested
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::Duration};

    use slotmap::SlotMap;

    use super::*;

    /// The polls in the order of service, by their numbers.
    fn order(polls: &[(Class, u64)]) -> Vec<usize> {
        let (start, mut fetches) = (Instant::now(), SlotMap::<FetchId, usize>::default());
        let places = polls.iter().enumerate().map(|(n, (class, due))| {
            Place::new(*class, start + Duration::from_secs(*due), fetches.insert(n))
        });
        let places: BTreeSet<_> = places.collect();
        places.into_iter().map(|place| fetches[place.fetch()]).collect()
    }

    #[test]
    fn of_polls_that_are_due_together_the_more_urgent_goes_first() {
        let polls = [(Class::Idle, 0), (Class::First, 0), (Class::Running, 0), (Class::Requested, 0)];
        assert_eq!(order(&polls), [3, 2, 1, 0]);
    }

    #[test]
    fn within_a_class_the_earliest_goes_first_and_waiting_ages() {
        assert_eq!(order(&[(Class::Idle, 2), (Class::Idle, 1)]), [1, 0]);
        assert_eq!(order(&[(Class::Requested, 121), (Class::Idle, 0)]), [1, 0]);
        assert_eq!(order(&[(Class::Requested, 119), (Class::Idle, 0)]), [0, 1]);
    }
}
