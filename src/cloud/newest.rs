//! Keeps the newest entries of a list while it is read, within a bound of number and of memory.
//!
//! Only the cloud decides how long a list is. An entry of a few bytes takes a hundred in memory, so whoever sends a
//! megabyte of them would make this process hold many times as much. What is beyond the bound is dropped, oldest first,
//! and counted. Pure.

use std::cell::Cell;
use std::cmp::Reverse;

use jiff::Timestamp;

/// An entry of a list.
pub(super) trait Entry {
    /// What tells it from others.
    fn uid(&self) -> &str;
    /// By which the newest are chosen.
    fn time(&self) -> Option<Timestamp>;
    /// Whether this one counts and not the other, of two with one uid. The order of the answer decides nothing.
    fn supersedes(&self, other: &Self) -> bool;
    /// What it takes in memory besides its place in the list.
    fn heap(&self) -> usize;
}

/// The entries so far.
pub(super) struct Newest<T> {
    entries: Vec<T>,
    max: usize,
    allowance: usize,
    used: usize,
    dropped: usize,
}

impl<T: Entry> Newest<T> {
    /// Keeps at most `max` of an answer of so many bytes.
    pub fn of(answer: usize, max: usize) -> Self {
        Self { entries: Vec::new(), max, allowance: allowance(answer), used: 0, dropped: 0 }
    }

    pub fn push(&mut self, entry: T) {
        let size = size(&entry);
        if self.used + size > self.allowance || self.entries.len() >= 2 * self.max {
            // Down to half, so that this happens after as many entries again at the earliest.
            self.shrink(self.allowance / 2);
        }
        self.used += size;
        push(&mut self.entries, entry, self.allowance);
    }

    /// The entries in the order of the answer, each uid once, and how many were dropped for the bound.
    pub fn finish(mut self) -> (Vec<T>, usize) {
        self.shrink(self.allowance);
        (self.entries, self.dropped)
    }

    fn shrink(&mut self, allowance: usize) {
        distinct(&mut self.entries);
        let mut by_time: Vec<usize> = (0..self.entries.len()).collect();
        // Without the memory of its own that a stable sort takes.
        by_time.sort_unstable_by_key(|at| (Reverse(self.entries[*at].time()), *at));
        let mut is_kept = vec![false; self.entries.len()];
        self.used = 0;
        for at in by_time.into_iter().take(self.max) {
            let size = size(&self.entries[at]);
            if self.used + size > allowance {
                break;
            }
            self.used += size;
            is_kept[at] = true;
        }
        let before = self.entries.len();
        let mut is_kept = is_kept.into_iter();
        self.entries.retain(|_| is_kept.next() == Some(true));
        self.dropped += before - self.entries.len();
    }
}

fn size<T: Entry>(entry: &T) -> usize {
    size_of::<T>() + entry.heap()
}

/// Each uid once, at the first of its places, with the entry that counts.
fn distinct<T: Entry>(entries: &mut Vec<T>) {
    let mut by_uid: Vec<usize> = (0..entries.len()).collect();
    by_uid.sort_unstable_by(|a, b| (entries[*a].uid(), a).cmp(&(entries[*b].uid(), b)));
    let mut is_first = vec![false; entries.len()];
    let mut swaps = Vec::new();
    for places in by_uid.chunk_by(|a, b| entries[*a].uid() == entries[*b].uid()) {
        let better = |best: usize, next: usize| {
            if entries[next].supersedes(&entries[best]) { next } else { best }
        };
        let first = places[0];
        is_first[first] = true;
        if places.len() > 1 {
            swaps.push((first, places.iter().copied().fold(first, better)));
        }
    }
    for (first, counts) in swaps {
        entries.swap(first, counts);
    }
    let mut is_first = is_first.into_iter();
    entries.retain(|_| is_first.next() == Some(true));
}

/// How much may be kept of an answer of so many bytes: a quarter more than its size, and a little for a small one. A list
/// that the API sends takes less than half of its size.
const fn allowance(answer: usize) -> usize {
    /// So that the largest single entry is within the allowance of any answer.
    const LEAST: usize = 64 * 1024;
    answer + answer / 4 + LEAST
}

/// The same bound for a list of which nothing may be dropped: what is beyond it ends the decoding.
pub(super) struct Allowance {
    all: usize,
    left: Cell<usize>,
    is_used_up: Cell<bool>,
}

impl Allowance {
    /// For an answer of so many bytes.
    pub fn of(answer: usize) -> Self {
        let all = allowance(answer);
        Self { all, left: Cell::new(all), is_used_up: Cell::new(false) }
    }

    /// All that may be kept.
    pub fn all(&self) -> usize {
        self.all
    }

    /// Takes so many bytes off. An error ends the decoding.
    pub fn take<E: serde::de::Error>(&self, bytes: usize) -> Result<(), E> {
        let left = self.left.get().checked_sub(bytes);
        self.is_used_up.set(left.is_none());
        self.left.set(left.ok_or_else(|| E::custom("too many entries for its size"))?);
        Ok(())
    }

    /// Whether an answer wanted more.
    pub fn is_used_up(&self) -> bool {
        self.is_used_up.get()
    }
}

/// What strings take besides their places in a struct, with what the allocator adds.
pub(super) fn heap_of(strings: &[&Option<String>]) -> usize {
    strings.iter().filter_map(|text| text.as_ref()).map(|text| text.capacity() + 16).sum()
}

/// Adds to a list whose entries may take so many bytes. Its memory grows by steps of four, of which the last is the whole of
/// that: while it grows, the old memory is held beside the new, which is then a quarter more and not twice as much.
pub(super) fn push<T>(list: &mut Vec<T>, entry: T, allowance: usize) {
    if list.len() == list.capacity() {
        let mut step = (allowance / size_of::<T>().max(1)).max(list.len() + 1);
        while step / 4 > list.len() {
            step /= 4;
        }
        list.reserve_exact(step - list.len());
    }
    list.push(entry);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Note {
        uid: String,
        time: Option<Timestamp>,
        version: u8,
    }

    impl Entry for Note {
        fn uid(&self) -> &str {
            &self.uid
        }

        fn time(&self) -> Option<Timestamp> {
            self.time
        }

        fn supersedes(&self, other: &Self) -> bool {
            self.version > other.version
        }

        fn heap(&self) -> usize {
            self.uid.capacity()
        }
    }

    fn note(uid: i64, second: i64, version: u8) -> Note {
        Note { uid: uid.to_string(), time: Timestamp::from_second(second).ok(), version }
    }

    fn newest(notes: &[Note], max: usize) -> (Vec<Note>, usize) {
        let mut newest = Newest::of(0, max);
        for note in notes {
            newest.push(note.clone());
        }
        newest.finish()
    }

    #[test]
    fn the_order_of_the_answer_stays_and_each_uid_is_there_once() {
        let (kept, dropped) = newest(&[note(1, 5, 1), note(2, 9, 1), note(1, 5, 2), note(1, 5, 1)], 9);
        assert_eq!((kept, dropped), (vec![note(1, 5, 2), note(2, 9, 1)], 0));
    }

    #[test]
    fn the_oldest_are_dropped_and_counted_whichever_bound_is_reached() {
        let rising: Vec<_> = (0..100).map(|n| note(n, n, 0)).collect();
        let falling: Vec<_> = rising.iter().rev().cloned().collect();
        for notes in [rising, falling] {
            let (kept, dropped) = newest(&notes, 10);
            assert_eq!((kept.len(), dropped), (10, 90));
            assert!(kept.iter().all(|note| note.time >= Timestamp::from_second(90).ok()));
        }
        let many: Vec<_> = (0..100_000).map(|n| note(n, n, 0)).collect();
        let (kept, dropped) = newest(&many, 1_000_000);
        assert_eq!(kept.len() + dropped, many.len());
        let used: usize = kept.iter().map(size).sum();
        assert!(used <= allowance(0) && used >= allowance(0) / 3, "{used}");
        assert_eq!(kept.last(), many.last());
    }

    proptest! {
        #[test]
        fn nothing_is_lost_that_is_not_counted(
            notes in proptest::collection::vec((0_i64..20, 0_u8..4), 0..60), max in 1_usize..30,
        ) {
            let notes: Vec<_> = notes.into_iter().map(|(uid, version)| note(uid, uid, version)).collect();
            let (kept, dropped) = newest(&notes, max);
            let uids: std::collections::BTreeSet<_> = notes.iter().map(|note| &note.uid).collect();
            prop_assert!(kept.len() == uids.len().min(max));
            prop_assert!(kept.len() + dropped >= uids.len());
            for note in &kept {
                let best = notes.iter().filter(|other| other.uid == note.uid).map(|other| other.version).max();
                prop_assert_eq!(best, Some(note.version));
            }
        }
    }
}
