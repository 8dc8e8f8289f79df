//! Runs histories of many seeds on several threads, and shrinks the first that breaks a promise.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::{
    finding::Finding,
    history::{Ending, run},
    script::Script,
};

/// A history that broke a promise, reduced to the acts that are needed to break it.
#[derive(Clone, Debug)]
pub struct Found {
    /// The seed of the history.
    pub seed: u64,
    /// The numbers of the acts that are needed.
    pub acts: BTreeSet<usize>,
    /// The broken promise.
    pub finding: Finding,
}

/// The result of a search.
#[derive(Debug)]
pub struct Searched {
    /// How many histories were run.
    pub histories: u64,
    /// How many events they had.
    pub events: u64,
    /// The first broken promise, if there was one.
    pub found: Option<Found>,
}

/// Runs histories on `threads` threads until `goes_on` returns false for the number of the next history, or a promise
/// is broken. The seeds are consecutive, beginning with `first`.
pub fn search(first: u64, threads: usize, goes_on: impl Fn(u64) -> bool + Sync) -> Searched {
    let (next, events, histories) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let (stop, found) = (AtomicBool::new(false), Mutex::new(None));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if !goes_on(n) {
                        break;
                    }
                    let ending = check(first.wrapping_add(n));
                    histories.fetch_add(1, Ordering::Relaxed);
                    events.fetch_add(ending.events as u64, Ordering::Relaxed);
                    if let Some(finding) = ending.finding
                        && !stop.swap(true, Ordering::Relaxed)
                    {
                        let seed = first.wrapping_add(n);
                        *found.lock().unwrap_or_else(PoisonError::into_inner) = Some((seed, finding));
                    }
                }
            });
        }
    });
    let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    let found = found.map(|(seed, finding)| shrink(seed, finding));
    Searched { histories: histories.into_inner(), events: events.into_inner(), found }
}

/// Runs the history of a seed.
pub fn check(seed: u64) -> Ending {
    run(&Script::new(seed), false)
}

/// Removes acts one by one as long as the same promise is still broken, until no single act can be removed.
fn shrink(seed: u64, finding: Finding) -> Found {
    let script = Script::new(seed);
    let mut acts: BTreeSet<usize> = (0..script.acts.len()).collect();
    let mut finding = finding;
    loop {
        let smaller = acts.iter().find_map(|left_out| {
            let fewer: BTreeSet<_> = acts.iter().copied().filter(|act| act != left_out).collect();
            let ending = run(&script.only(|n, _| fewer.contains(&n)), false);
            let same = ending.finding.filter(|other| other.promise == finding.promise)?;
            Some((fewer, same))
        });
        let Some((fewer, same)) = smaller else { return Found { seed, acts, finding } };
        (acts, finding) = (fewer, same);
    }
}
