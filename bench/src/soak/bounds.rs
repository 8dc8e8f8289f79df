//! Bounds on memory, files, threads and series after the last cycle, compared with those after the first. Pure.

use std::{collections::BTreeSet, time::Duration};

use super::churn::Pace;
use crate::{check::Finding, figures::Unit};

/// The largest ratio of memory that passes.
const MEMORY: f64 = 1.1;
/// How many more sockets there may be: connections come and go with the polls of the moment, up to an endpoint's share of
/// `--concurrency`.
const SOCKETS: u64 = 16;

/// How many series of the process may be new: a counter of a rare result, such as a conflict, exists only once that has
/// happened.
const NEW_SERIES: usize = 10;

/// The head of the table of the cycles.
pub const HEAD: &str = "\
| cycle | faults shown, s | all well, s | end, s | peak memory, MiB | memory, MiB | sockets | other files | threads | series of watches | others |
|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|";

/// What the operator holds after a cycle.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The peak of resident memory within the cycle, in bytes. A leak raises it as much as the memory at the end, which
    /// is less steady: it depends on whether the allocator has just given back the buffers of a scrape.
    pub peak: f64,
    /// Resident memory at the end of the cycle, in bytes.
    pub memory: f64,
    /// Open sockets.
    pub sockets: u64,
    /// Other open files.
    pub files: u64,
    /// Threads, which are the kernel's tasks.
    pub threads: u64,
    /// The number of series of `/metrics` that belong to a watch.
    pub series: usize,
    /// The other series, which belong to the process.
    pub own_series: BTreeSet<String>,
}

impl Reading {
    /// A row of the table.
    pub fn row(&self, cycle: usize, elapsed: Duration, pace: Pace) -> String {
        let Self { peak, memory, sockets, files, threads, series, own_series } = self;
        let own_series = own_series.len();
        let [peak, memory] = [peak, memory].map(|bytes| Unit::Mebibytes.show(*bytes));
        let [shown, well, end] = [pace.shown, pace.well, elapsed].map(|time| time.as_secs());
        format!(
            "| {cycle} | {shown} | {well} | {end} | {peak} | {memory} | {sockets} | {files} | {threads} | {series} | {own_series} |"
        )
    }
}

/// Compares the last reading with the first.
pub fn judge(first: &Reading, last: &Reading) -> Vec<Finding> {
    let peak = |reading: &Reading| Unit::Mebibytes.show(reading.peak);
    let same = |what: &str, first: u64, last: u64| Finding {
        text: format!("{what}: {first} after the first cycle, {last} after the last; the same"),
        holds: first == last,
    };
    let series = |reading: &Reading| u64::try_from(reading.series).unwrap_or(u64::MAX);
    let new: Vec<_> = last.own_series.difference(&first.own_series).map(String::as_str).collect();
    vec![
        Finding {
            text: format!(
                "memory: {} MiB at the peak of the first cycle, {} at that of the last; at most a tenth more",
                peak(first),
                peak(last)
            ),
            holds: last.peak <= first.peak * MEMORY,
        },
        Finding {
            text: format!(
                "sockets: {} after the first cycle, {} after the last; at most {SOCKETS} more",
                first.sockets, last.sockets
            ),
            holds: last.sockets <= first.sockets + SOCKETS,
        },
        same("other open files", first.files, last.files),
        same("threads", first.threads, last.threads),
        same("series of watches", series(first), series(last)),
        Finding {
            text: format!("other series: {} new ones; at most {NEW_SERIES}: {}", new.len(), new.join(" ")),
            holds: new.len() <= NEW_SERIES,
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first() -> Reading {
        let own_series = BTreeSet::from(["requests_total{code=\"200\"}".to_owned()]);
        Reading { peak: 100.0, memory: 90.0, sockets: 10, files: 12, threads: 4, series: 5000, own_series }
    }

    /// The bounds that are broken if the last reading differs from the first by this change.
    fn broken(change: impl Fn(&mut Reading)) -> Vec<String> {
        let mut last = first();
        change(&mut last);
        let broken = judge(&first(), &last).into_iter().filter(|finding| !finding.holds);
        broken.map(|finding| finding.text.split(':').next().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn a_last_cycle_like_the_first_breaks_nothing() {
        assert!(broken(|_| {}).is_empty());
        assert!(broken(|last| (last.peak, last.sockets) = (109.0, 26)).is_empty());
        assert!(broken(|last| (last.peak, last.sockets) = (50.0, 1)).is_empty(), "less is well");
        assert!(
            broken(|last| _ = last.own_series.insert("writes_total{result=\"conflict\"}".to_owned()))
                .is_empty()
        );
    }

    #[test]
    fn each_leak_is_named() {
        assert_eq!(broken(|last| last.peak = 111.0), ["memory"]);
        assert_eq!(broken(|last| last.sockets = 27), ["sockets"]);
        assert_eq!(broken(|last| last.files = 13), ["other open files"]);
        assert_eq!(broken(|last| last.threads = 5), ["threads"]);
        assert_eq!(broken(|last| last.series = 5001), ["series of watches"]);
        assert_eq!(broken(|last| last.own_series.extend((0..11).map(|n| n.to_string()))), ["other series"]);
    }
}
