//! The queue of one account: each class of polls has a share of the account's rate, and is served in arrival order.
//!
//! A more urgent class has a larger share, and what a class does not use goes to the others. So no class starves, even
//! where urgent polls alone would need more than the account's rate. Pure.

use std::collections::BTreeSet;
use std::ops::Bound;

/// Why a poll is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// The poll is due by its schedule, and no backup runs.
    Idle,
    /// The watch was not polled with its current spec yet.
    First,
    /// A backup runs.
    Running,
    /// A person asked.
    Requested,
}

impl Class {
    const ALL: [Self; 4] = [Self::Idle, Self::First, Self::Running, Self::Requested];

    /// The cost of one poll: the share of a class is its inverse.
    const fn cost(self) -> u64 {
        match self {
            Self::Idle => 12,
            Self::First | Self::Running => 4,
            Self::Requested => 3,
        }
    }
}

/// A place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    class: Class,
    arrival: u64,
}

/// The fetches that wait for their account.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: [BTreeSet<(u64, usize)>; 4],
    /// The cost of the polls that each class has sent; the class with the least is next.
    used: [u64; 4],
    arrivals: u64,
}

impl Queue {
    /// Whether no fetch waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.iter().all(BTreeSet::is_empty)
    }

    /// All fetches that wait.
    pub fn fetches(&self) -> impl Iterator<Item = usize> {
        self.waiting.iter().flatten().map(|(_, fetch)| *fetch)
    }

    /// Adds a fetch at the end of a class.
    pub fn enter(&mut self, class: Class, fetch: usize) -> Place {
        let index = class as usize;
        if self.waiting[index].is_empty() {
            // A class that was empty must not have saved up a share, with which it would then block the others.
            let least =
                (0..4).filter(|other| !self.waiting[*other].is_empty()).map(|other| self.used[other]).min();
            self.used[index] = self.used[index].max(least.unwrap_or_default());
        }
        self.arrivals += 1;
        self.waiting[index].insert((self.arrivals, fetch));
        Place { class, arrival: self.arrivals }
    }

    /// Removes a fetch, whether or not it is sent.
    pub fn leave(&mut self, place: Place, fetch: usize) {
        self.waiting[place.class as usize].remove(&(place.arrival, fetch));
    }

    /// One poll of the class was sent.
    pub fn served(&mut self, place: Place) {
        self.used[place.class as usize] += place.class.cost();
    }

    /// The first in the order of service.
    pub fn first(&self) -> Option<(Place, usize)> {
        self.order().find_map(|class| self.after(class, 0))
    }

    /// The next in the order of service, for when the one at `place` cannot be served.
    pub fn next(&self, place: Place) -> Option<(Place, usize)> {
        self.after(place.class, place.arrival).or_else(|| {
            let later = self.order().skip_while(|class| *class != place.class).skip(1);
            later.into_iter().find_map(|class| self.after(class, 0))
        })
    }

    fn after(&self, class: Class, arrival: u64) -> Option<(Place, usize)> {
        let range = (Bound::Excluded((arrival, usize::MAX)), Bound::Unbounded);
        let (arrival, fetch) = self.waiting[class as usize].range(range).next()?;
        Some((Place { class, arrival: *arrival }, *fetch))
    }

    /// The classes in the order of service: by what they have used, and of equals the more urgent one first.
    fn order(&self) -> impl Iterator<Item = Class> + use<> {
        let mut classes = Class::ALL;
        classes.sort_by_key(|class| (self.used[*class as usize], std::cmp::Reverse(*class)));
        classes.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The classes of the polls that are served when so many of each come together, in order.
    fn served(counts: [(Class, usize); 4]) -> Vec<Class> {
        let mut queue = Queue::default();
        for (class, count) in counts {
            for fetch in 0..count {
                queue.enter(class, fetch);
            }
        }
        std::iter::from_fn(|| {
            let (place, fetch) = queue.first()?;
            queue.leave(place, fetch);
            queue.served(place);
            Some(place.class)
        })
        .collect()
    }

    #[test]
    fn the_more_urgent_class_is_first_and_has_the_larger_share_and_none_starves() {
        let order =
            served([(Class::Idle, 100), (Class::First, 100), (Class::Running, 100), (Class::Requested, 100)]);
        assert_eq!(order[..4], [Class::Requested, Class::Running, Class::First, Class::Idle]);
        let share = |class| order[..110].iter().filter(|served| **served == class).count();
        let shares = [Class::Requested, Class::Running, Class::First, Class::Idle].map(share);
        for (share, wanted) in shares.into_iter().zip([40, 30, 30, 10]) {
            assert!(usize::abs_diff(share, wanted) <= 1, "{shares:?}");
        }
    }

    #[test]
    fn what_a_class_leaves_goes_to_the_others_and_is_not_saved_up() {
        let mut queue = Queue::default();
        for fetch in 0..100 {
            queue.enter(Class::Running, fetch);
        }
        for _ in 0..50 {
            let (place, fetch) = queue.first().unwrap();
            queue.leave(place, fetch);
            queue.served(place);
        }
        for fetch in 0..50 {
            queue.enter(Class::Idle, fetch);
        }
        let mut next = || {
            let (place, fetch) = queue.first().unwrap();
            queue.leave(place, fetch);
            queue.served(place);
            place.class
        };
        let classes: Vec<_> = (0..10).map(|_| next()).collect();
        assert!(classes.iter().filter(|class| **class == Class::Running).count() >= 5, "{classes:?}");
    }

    #[test]
    fn one_that_cannot_be_served_is_passed_over() {
        let mut queue = Queue::default();
        let idle = [1, 2].map(|fetch| queue.enter(Class::Idle, fetch));
        queue.enter(Class::First, 3);
        let all: Vec<_> = std::iter::successors(queue.first(), |(place, _)| queue.next(*place)).collect();
        assert_eq!(all.iter().map(|(_, fetch)| *fetch).collect::<Vec<_>>(), [3, 1, 2]);
        queue.leave(idle[0], 1);
        assert_eq!(queue.fetches().collect::<Vec<_>>(), [2, 3]);
    }
}
