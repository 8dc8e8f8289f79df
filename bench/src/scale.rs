//! Estimates what other numbers of watches cost, from the lines through the measured points: the table of `docs/scale.md`.

use crate::{
    figures::{ALL, number},
    report::{Build, count, line, median},
    table,
};

/// The numbers of watches that the page is about.
const SIZES: [usize; 3] = [100, 10_000, 1_000_000];
/// The default interval, in seconds.
const INTERVAL: f64 = 300.0;
/// The default rate of an account, in requests a second.
const RATE: f64 = 5.0;
/// Polls a second at which the figures of a record were measured, at each size from 1,000 watches on.
const MEASURED_POLLS: f64 = 100.0;
/// Seconds of a day.
const DAY: f64 = 86_400.0;

/// A Markdown table: one operator at the default interval, each cluster with one backup a day.
pub fn table(build: &Build) -> String {
    let of = |name: &str, value: &dyn Fn(f64) -> f64| {
        let cells = SIZES.map(|size| number(value(count(size))));
        std::iter::once(name.to_owned()).chain(cells).collect::<Vec<_>>()
    };
    let lined = |key: &str| {
        let (series, figure) = (&build.figures[key], ALL.iter().find(|figure| figure.key == key).unwrap());
        let (slope, start) = line(series).unwrap();
        // A measured size has its measured value, because the smallest may lie off the line. The line gives the values
        // between and beyond the sizes, but never one below zero.
        let cells = SIZES.map(|size| {
            let measured = series.get(&size).map(|values| median(values));
            figure.show(measured.unwrap_or((start + slope * count(size)).max(0.0)))
        });
        std::iter::once(figure.name.to_owned()).chain(cells).collect()
    };
    let largest = |key: &str| median(build.figures[key].last_key_value().unwrap().1);
    let [cpu, requests, backup, resource] =
        ["cpuSecondsPer1000Polls", "requestsPer1000Polls", "backupRequests", "resourceBytes"].map(largest);
    // Unchanged polls make no request to the API server. The requests counted during them renew the operator's watch
    // connections, and depend only on the time.
    let renewing = requests / 1000.0 * MEASURED_POLLS;
    let rows = [
        lined("memoryBytes"),
        lined("peakMemoryBytes"),
        of("CPU, cores", &|watches| watches / INTERVAL * cpu / 1000.0),
        of("requests to the cloud a second", &|watches| watches / INTERVAL),
        of("accounts that takes, at the default rate", &|watches| (watches / INTERVAL / RATE).ceil()),
        of("requests to the API server a second", &|watches| renewing + watches * backup / DAY),
        of("resources in etcd, MiB", &|watches| watches * resource / f64::from(1 << 20)),
        lined("startSeconds"),
        lined("restartReadySeconds"),
        lined("scrapeBytes"),
        lined("scrapeSeconds"),
        lined("series"),
    ];
    table::markdown(table::head("", SIZES), rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Sample;

    #[test]
    fn a_million_lies_on_the_line_through_what_was_measured() {
        let mut build = Build::default();
        for watches in [100, 1000, 10_000] {
            let n = count(watches);
            let sums =
                ["startSeconds", "restartReadySeconds", "scrapeSeconds", "series"].map(|key| (key, 2.0 * n));
            let bytes =
                ["memoryBytes", "peakMemoryBytes", "scrapeBytes"].map(|key| (key, n * f64::from(1 << 20)));
            let mut sample: Sample = sums.into_iter().chain(bytes).collect();
            sample.extend([("cpuSecondsPer1000Polls", 0.3), ("requestsPer1000Polls", 0.5)]);
            sample.extend([("backupRequests", 6.0), ("resourceBytes", f64::from(1 << 11))]);
            build.add(watches, sample);
        }
        let table = table(&build);
        for row in [
            "|  | 100 watches | 10,000 watches | 1,000,000 watches |",
            "| memory, MiB | 100 | 10,000 | 1,000,000 |",
            "| CPU, cores | 0.00010 | 0.010 | 1 |",
            "| requests to the cloud a second | 0.33 | 33.3 | 3,333 |",
            "| accounts that takes, at the default rate | 1 | 7 | 667 |",
            "| requests to the API server a second | 0.057 | 0.74 | 69.5 |",
            "| resources in etcd, MiB | 0.20 | 19.5 | 1,953 |",
        ] {
            assert!(table.contains(row), "{row}\n{table}");
        }
    }
}
