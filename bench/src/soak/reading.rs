//! What the operator holds: memory, files, threads and series after a cycle, and the bounds on those after the last cycle,
//! compared with those after the first.

use std::{collections::BTreeSet, fmt};

use crate::{Result, check::Finding, metrics, operator::Operator};

/// The largest ratio of memory that passes.
const MEMORY: f64 = 1.1;
/// How many more sockets there may be: connections come and go with the polls of the moment, up to an endpoint's share of
/// `--concurrency`.
const SOCKETS: usize = 16;
/// How many series of the process may be new: a counter of a rare result, such as a conflict, exists only once that has
/// happened.
const NEW_SERIES: usize = 10;
const MIB: f64 = 1024.0 * 1024.0;

/// The head of the table of the cycles.
pub const HEAD: &str = "\
| cycle | faults shown, s | all well, s | end, s | peak memory, MiB | memory, MiB | sockets | other files | threads | series of watches | others |
|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|";

/// What the operator holds after a cycle.
#[derive(Clone)]
pub struct Reading {
    /// The peak of resident memory within the cycle, in MiB. A leak raises it as much as the memory at the end, which
    /// is less steady: it depends on whether the allocator has just given back the buffers of a scrape.
    peak: f64,
    /// Resident memory at the end of the cycle, in MiB.
    memory: f64,
    sockets: usize,
    /// Other open files.
    files: usize,
    /// Threads, which are the kernel's tasks.
    threads: usize,
    /// The number of series of `/metrics` that belong to a watch.
    series: usize,
    /// The other series, which belong to the process.
    own_series: BTreeSet<String>,
}

impl Reading {
    /// What an operator holds now.
    pub async fn of(operator: &Operator) -> Result<Self> {
        let process = operator.process;
        let (sockets, files) = process.files()?;
        let metrics = operator.metrics().await?;
        let own_series = metrics::own_series(&metrics);
        let series = metrics::series(&metrics).count() - own_series.len();
        let (peak, memory, threads) = (process.peak()? / MIB, process.memory()? / MIB, process.threads()?);
        Ok(Self { peak, memory, sockets, files, threads, series, own_series })
    }
}

impl fmt::Display for Reading {
    /// The cells of the table.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { peak, memory, sockets, files, threads, series, own_series } = self;
        let others = own_series.len();
        write!(f, "{peak:.1} | {memory:.1} | {sockets} | {files} | {threads} | {series} | {others}")
    }
}

/// Compares the last reading with the first.
pub fn judge(first: &Reading, last: &Reading) -> Vec<Finding> {
    let finding = |holds, what: &str, then: String, now: String, bound: &str| Finding {
        holds,
        text: format!("{what}: {then} after the first cycle, {now} after the last; {bound}"),
    };
    let same = |what: &str, then: usize, now: usize| {
        finding(then == now, what, then.to_string(), now.to_string(), "the same")
    };
    let [then, now] = [first, last].map(|reading| format!("{:.1} MiB", reading.peak));
    let small = last.peak <= first.peak * MEMORY;
    let few = last.sockets <= first.sockets + SOCKETS;
    let [sockets, more] = [first, last].map(|reading| reading.sockets.to_string());
    let new: Vec<_> = last.own_series.difference(&first.own_series).map(String::as_str).collect();
    let text = format!("other series: {} new ones; at most {NEW_SERIES}: {}", new.len(), new.join(" "));
    vec![
        finding(small, "peak memory", then, now, "at most a tenth more"),
        finding(few, "sockets", sockets, more, &format!("at most {SOCKETS} more")),
        same("other open files", first.files, last.files),
        same("threads", first.threads, last.threads),
        same("series of watches", first.series, last.series),
        Finding { holds: new.len() <= NEW_SERIES, text },
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
        assert!(broken(|last| last.own_series.extend(["writes_total{}".to_owned()])).is_empty());
    }

    #[test]
    fn each_leak_is_named() {
        assert_eq!(broken(|last| last.peak = 111.0), ["peak memory"]);
        assert_eq!(broken(|last| last.sockets = 27), ["sockets"]);
        assert_eq!(broken(|last| last.files = 13), ["other open files"]);
        assert_eq!(broken(|last| last.threads = 5), ["threads"]);
        assert_eq!(broken(|last| last.series = 5001), ["series of watches"]);
        assert_eq!(broken(|last| last.own_series.extend((0..11).map(|n| n.to_string()))), ["other series"]);
    }
}
