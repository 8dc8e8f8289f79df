//! The table of figures: the name and unit of each, how it may grow, and what it is compared with. Nothing is measured
//! here.

/// How a figure is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unit {
    /// Bytes, shown as they are.
    Bytes,
    /// Bytes, shown in MiB.
    Mebibytes,
    /// Seconds.
    Seconds,
    /// Seconds, shown in milliseconds.
    Milliseconds,
    /// Something that is counted.
    Count,
}

impl Unit {
    /// What follows the name of a figure in a table.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Bytes => ", bytes",
            Self::Mebibytes => ", MiB",
            Self::Seconds => ", s",
            Self::Milliseconds => ", ms",
            Self::Count => "",
        }
    }

    /// A value as text in this unit, with its significant digits.
    pub fn show(self, value: f64) -> String {
        let shown = match self {
            Self::Bytes | Self::Seconds | Self::Count => value,
            Self::Mebibytes => value / f64::from(1 << 20),
            Self::Milliseconds => value * 1e3,
        };
        let is_whole = matches!(self, Self::Bytes | Self::Count) && shown.fract() == 0.0;
        let digits = match shown.abs() {
            size if is_whole || size >= 100.0 || size == 0.0 => 0,
            size if size >= 10.0 => 1,
            size if size >= 0.1 => 2,
            size if size >= 0.01 => 3,
            size if size >= 0.001 => 4,
            _ => 5,
        };
        grouped(&format!("{shown:.digits$}"))
    }
}

/// A number with a comma between thousands.
fn grouped(number: &str) -> String {
    let (sign, number) = number.strip_prefix('-').map_or(("", number), |number| ("-", number));
    let (whole, rest) = number.split_once('.').map_or((number, None), |(whole, rest)| (whole, Some(rest)));
    let mut grouped = String::from(sign);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if let Some(rest) = rest {
        grouped.push('.');
        grouped.push_str(rest);
    }
    grouped
}

/// How a figure may grow with the number of watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// Linearly, because the figure is a sum over all watches.
    Linear,
    /// Not at all, because the figure is per watch, per poll, or of the process.
    Constant,
    /// In any way, because the figure describes the run.
    Unjudged,
}

/// What a figure is compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
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

/// A figure.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// The key in JSON.
    pub key: &'static str,
    /// The name in tables.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// How it may grow.
    pub growth: Growth,
    /// What it is compared with.
    pub comparison: Comparison,
}

const fn figure(
    key: &'static str,
    name: &'static str,
    unit: Unit,
    growth: Growth,
    comparison: Comparison,
) -> Figure {
    Figure { key, name, unit, growth, comparison }
}

/// The memory that everything together may take at 10,000 watches.
pub const EVERYTHING: f64 = 4.0 * 1024.0 * 1024.0 * 1024.0;

use Comparison::{Nothing, Record, SameRun};
use Growth::{Constant, Linear, Unjudged};
use Unit::{Bytes, Count, Mebibytes, Milliseconds, Seconds};

/// Every figure, in the order of the tables.
pub const ALL: [Figure; 31] = [
    figure("binaryBytes", "binary", Mebibytes, Unjudged, Record(1.1, 0.0)),
    figure("memoryBytes", "memory", Mebibytes, Linear, Record(1.2, 0.0)),
    figure("peakMemoryBytes", "memory at its peak", Mebibytes, Linear, Record(1.3, 0.0)),
    figure("startSeconds", "start: until all have a phase", Seconds, Linear, SameRun(1.15)),
    figure("startCpuSeconds", "start: CPU", Seconds, Linear, SameRun(1.15)),
    figure("startRequests", "start: API-server requests", Count, Linear, Record(1.05, 10.0)),
    figure("startServersCpuSeconds", "start: CPU of API server and etcd", Seconds, Linear, Nothing),
    figure("cpuSecondsPer1000Polls", "CPU for 1,000 unchanged polls", Seconds, Constant, SameRun(1.15)),
    figure(
        "requestsPer1000Polls",
        "API-server requests for 1,000 unchanged polls",
        Count,
        Constant,
        Record(1.1, 1.0),
    ),
    figure("delayP50Seconds", "poll lag p50", Milliseconds, Unjudged, SameRun(1.5)),
    figure("delayP99Seconds", "poll lag p99", Milliseconds, Unjudged, SameRun(1.5)),
    figure("backupRequests", "API-server requests for a backup", Count, Constant, Record(1.05, 0.5)),
    figure("scrapeBytes", "size of a scrape", Mebibytes, Linear, Record(1.05, 0.0)),
    figure("scrapeSeconds", "time of a scrape", Milliseconds, Linear, SameRun(1.25)),
    figure("series", "series", Count, Linear, Record(1.05, 0.0)),
    figure("restartReadySeconds", "restart: until ready", Seconds, Linear, SameRun(1.25)),
    figure("restartPollSeconds", "restart: until the first poll", Seconds, Linear, SameRun(1.25)),
    figure("restartCpuSeconds", "restart: CPU until each was polled again", Seconds, Linear, SameRun(1.15)),
    figure("restartRequests", "restart: API-server requests", Count, Linear, Record(1.1, 10.0)),
    figure("restartMostPolls", "restart: most polls in a second", Count, Unjudged, Nothing),
    figure("resourceBytes", "a resource in etcd", Bytes, Constant, Record(1.05, 0.0)),
    figure("files", "open files", Count, Constant, Record(1.2, 5.0)),
    figure("threads", "threads", Count, Constant, Record(1.0, 0.0)),
    figure("etcdPeakBytes", "etcd, peak", Mebibytes, Unjudged, Nothing),
    figure("apiServerPeakBytes", "kube-apiserver, peak", Mebibytes, Unjudged, Nothing),
    figure("cloudPeakBytes", "cloud and measuring, peak", Mebibytes, Unjudged, Nothing),
    figure("everythingPeakBytes", "all of it, peak", Mebibytes, Unjudged, Nothing),
    figure("accountSeconds", "one account: start until all have a phase", Seconds, Linear, Nothing),
    figure(
        "accountPollsPerSecond",
        "one account: polls a second until then",
        Count,
        Constant,
        Record(1.05, 0.1),
    ),
    figure("accountRepeats", "one account: repeated polls until then", Count, Linear, Nothing),
    figure("accountMemoryBytes", "one account: memory", Mebibytes, Linear, Record(1.2, 0.0)),
];

/// The figure with a key.
pub fn by_key(key: &str) -> Option<&'static Figure> {
    ALL.iter().find(|figure| figure.key == key)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_figures_have_one_key() {
        let keys: HashSet<_> = ALL.iter().map(|figure| figure.key).collect();
        assert_eq!(keys.len(), ALL.len());
    }

    #[test]
    fn values_are_shown_in_their_unit_with_the_digits_that_tell() {
        assert_eq!(Unit::Mebibytes.show(f64::from(3 << 19)), "1.50");
        assert_eq!(Unit::Milliseconds.show(0.0051), "5.10");
        assert_eq!(Unit::Seconds.show(0.0123), "0.012");
        assert_eq!(Unit::Seconds.show(0.000_51), "0.00051");
        assert_eq!(Unit::Seconds.show(0.0), "0");
        assert_eq!(Unit::Seconds.show(47.04), "47.0");
        assert_eq!(Unit::Count.show(0.0), "0");
        assert_eq!(Unit::Count.show(3.0), "3");
        assert_eq!(Unit::Bytes.show(1_234_567.8), "1,234,568");
        assert_eq!(Unit::Count.show(-1_234.0), "-1,234");
    }
}
