//! The table of figures: the name and unit of each, how it may grow, and what it is compared with. Nothing is measured
//! here.

/// What a figure is compared with.
#[derive(Clone, Copy)]
pub enum Comparison {
    /// With a record and with another build, because the figure hardly depends on the machine. The largest ratio that
    /// passes, and a constant that is added to that for figures near zero.
    Record(f64, f64),
    /// Only with another build in the same run, because the figure depends on the machine. The largest ratio that
    /// passes.
    SameRun(f64),
    /// With nothing.
    Nothing,
}

type Text = &'static str;

/// A figure.
pub struct Figure {
    /// The key in JSON.
    pub key: Text,
    /// The name in tables.
    pub name: Text,
    /// How much of what was measured is one of what is shown.
    pub unit: f64,
    /// The largest power of the number of watches with which it may grow.
    pub growth: f64,
    /// What it is compared with.
    pub comparison: Comparison,
}

impl Figure {
    /// A value in the unit of the figure.
    pub fn show(&self, value: f64) -> String {
        number(value / self.unit)
    }
}

use Comparison::{Nothing, Record, SameRun};

/// Bytes, seconds, or a count, as they are measured.
const ONE: f64 = 1.0;
const MIB: f64 = 1024.0 * 1024.0;
const MS: f64 = 0.001;
/// The figure is a sum over all watches.
const SUM: f64 = 1.0;
/// The figure is of one watch, of one poll, or of the process.
const EACH: f64 = 0.0;
/// The figure describes the run.
const ANY: f64 = f64::INFINITY;

const fn figure(key: Text, name: Text, unit: f64, growth: f64, comparison: Comparison) -> Figure {
    Figure { key, name, unit, growth, comparison }
}

/// Every figure, in the order of the tables.
pub const ALL: [Figure; 31] = [
    figure("binaryBytes", "binary, MiB", MIB, ANY, Record(1.1, 0.0)),
    figure("memoryBytes", "memory, MiB", MIB, SUM, Record(1.2, 0.0)),
    figure("peakMemoryBytes", "memory at its peak, MiB", MIB, SUM, Record(1.3, 0.0)),
    figure("startSeconds", "start: until all have a phase, s", ONE, SUM, SameRun(1.15)),
    figure("startCpuSeconds", "start: CPU, s", ONE, SUM, SameRun(1.15)),
    figure("startRequests", "start: API-server requests", ONE, SUM, Record(1.05, 10.0)),
    figure("startServersCpuSeconds", "start: CPU of API server and etcd, s", ONE, SUM, Nothing),
    figure("cpuSecondsPer1000Polls", "CPU for 1,000 unchanged polls, s", ONE, EACH, SameRun(1.15)),
    figure(
        "requestsPer1000Polls",
        "API-server requests for 1,000 unchanged polls",
        ONE,
        EACH,
        Record(1.1, 1.0),
    ),
    figure("delayP50Seconds", "poll lag p50, ms", MS, ANY, SameRun(1.5)),
    figure("delayP99Seconds", "poll lag p99, ms", MS, ANY, SameRun(1.5)),
    figure("backupRequests", "API-server requests for a backup", ONE, EACH, Record(1.05, 0.5)),
    figure("scrapeBytes", "size of a scrape, MiB", MIB, SUM, Record(1.05, 0.0)),
    figure("scrapeSeconds", "time of a scrape, ms", MS, SUM, SameRun(1.25)),
    figure("series", "series", ONE, SUM, Record(1.05, 0.0)),
    figure("restartReadySeconds", "restart: until ready, s", ONE, SUM, SameRun(1.25)),
    figure("restartPollSeconds", "restart: until the first poll, s", ONE, SUM, SameRun(1.25)),
    figure("restartCpuSeconds", "restart: CPU until each was polled again, s", ONE, SUM, SameRun(1.15)),
    figure("restartRequests", "restart: API-server requests", ONE, SUM, Record(1.1, 10.0)),
    figure("restartMostPolls", "restart: most polls in a second", ONE, ANY, Nothing),
    figure("resourceBytes", "a resource in etcd, bytes", ONE, EACH, Record(1.05, 0.0)),
    figure("files", "open files", ONE, EACH, Record(1.2, 5.0)),
    figure("threads", "threads", ONE, EACH, Record(1.0, 0.0)),
    figure("etcdPeakBytes", "etcd, peak, MiB", MIB, ANY, Nothing),
    figure("apiServerPeakBytes", "kube-apiserver, peak, MiB", MIB, ANY, Nothing),
    figure("cloudPeakBytes", "cloud and measuring, peak, MiB", MIB, ANY, Nothing),
    figure("everythingPeakBytes", "all of it, peak, MiB", MIB, ANY, Nothing),
    figure("accountSeconds", "one account: start until all have a phase, s", ONE, SUM, Nothing),
    figure("accountPollsPerSecond", "one account: polls a second until then", ONE, EACH, Record(1.05, 0.1)),
    figure("accountRepeats", "one account: repeated polls until then", ONE, SUM, Nothing),
    figure("accountMemoryBytes", "one account: memory, MiB", MIB, SUM, Record(1.2, 0.0)),
];

/// A number with its significant digits, and a comma between thousands.
pub fn number(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 || size.fract() == 0.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 0.1 => 2,
        size if size >= 0.01 => 3,
        size if size >= 0.001 => 4,
        _ => 5,
    };
    let mut text = format!("{value:.digits$}");
    let (first, end) = (usize::from(value < 0.0), text.find('.').unwrap_or(text.len()));
    for at in (first + 1..end).rev().filter(|at| (end - at).is_multiple_of(3)) {
        text.insert(at, ',');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_figures_have_one_key() {
        let keys: std::collections::HashSet<_> = ALL.iter().map(|figure| figure.key).collect();
        assert_eq!(keys.len(), ALL.len());
    }

    #[test]
    fn values_are_shown_in_their_unit_with_the_digits_that_tell() {
        assert_eq!(ALL[0].show(f64::from(3 << 19)), "1.50");
        for (value, shown) in [
            (0.0123, "0.012"),
            (0.000_51, "0.00051"),
            (0.0, "0"),
            (47.04, "47.0"),
            (3.0, "3"),
            (1_234_567.8, "1,234,568"),
            (-1_234.0, "-1,234"),
            (-123.0, "-123"),
        ] {
            assert_eq!(number(value), shown);
        }
    }
}
