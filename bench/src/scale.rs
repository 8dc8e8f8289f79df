//! Estimates what other numbers of watches cost, from the lines through the measured points. Pure.

use std::fmt::Write as _;

use crate::{
    Result,
    figures::{self, Unit},
    report::Build,
    statistics::count,
};

/// The numbers of watches that `docs/scale.md` is about.
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
pub fn table(build: &Build) -> Result<String> {
    let mut table = String::from("|  |");
    for size in SIZES {
        // Writing to a String cannot fail, here and below.
        let _ = write!(table, " {} watches |", Unit::Count.show(count(size)));
    }
    table.push_str("\n|---|---:|---:|---:|\n");
    for row in rows(build)? {
        let _ = write!(table, "| {} |", row.name);
        for size in SIZES {
            let _ = write!(table, " {} |", row.unit.show((row.value)(count(size))));
        }
        table.push('\n');
    }
    Ok(table)
}

struct Row {
    name: String,
    unit: Unit,
    /// The value at a number of watches.
    value: Box<dyn Fn(f64) -> f64>,
}

fn rows(build: &Build) -> Result<Vec<Row>> {
    let line = |key: &str| {
        let figure = figures::by_key(key).ok_or("no such figure")?;
        let series = build.figures.get(key).ok_or_else(|| format!("{key} is not in the record"))?;
        let line = series.line().ok_or_else(|| format!("{key} is there for one size alone"))?;
        // A measured size has its measured value, because the smallest may lie off the line. The line gives the values
        // between and beyond the sizes, but never one below zero.
        let measured: Vec<_> =
            series.points.iter().map(|point| (count(point.watches), point.median)).collect();
        let value = move |watches: f64| {
            let exact = measured.iter().find(|(size, _)| (size - watches).abs() < 0.5);
            exact.map_or_else(|| line.at(watches).max(0.0), |(_, value)| *value)
        };
        let name = format!("{}{}", figure.name, figure.unit.suffix());
        Result::Ok(Row { name, unit: figure.unit, value: Box::new(value) })
    };
    let largest = |key: &str| {
        let point = build.figures.get(key).and_then(|series| series.points.last());
        Result::Ok(point.ok_or_else(|| format!("{key} is not in the record"))?.median)
    };
    let of = |name: &str, unit, value: Box<dyn Fn(f64) -> f64>| Row { name: name.to_owned(), unit, value };
    let (cpu, requests) = (largest("cpuSecondsPer1000Polls")?, largest("requestsPer1000Polls")?);
    let (backup, resource) = (largest("backupRequests")?, largest("resourceBytes")?);
    Ok(vec![
        line("memoryBytes")?,
        line("peakMemoryBytes")?,
        of("CPU, cores", Unit::Count, Box::new(move |watches| watches / INTERVAL * cpu / 1000.0)),
        of("requests to the cloud a second", Unit::Count, Box::new(|watches| watches / INTERVAL)),
        of(
            "accounts that takes, at the default rate",
            Unit::Count,
            Box::new(|watches| (watches / INTERVAL / RATE).ceil()),
        ),
        of(
            "requests to the API server a second",
            Unit::Count,
            // Unchanged polls make no request to the API server. The requests counted during them renew the operator's
            // watch connections, and depend only on the time.
            Box::new(move |watches| requests / 1000.0 * MEASURED_POLLS + watches * backup / DAY),
        ),
        of("resources in etcd, MiB", Unit::Mebibytes, Box::new(move |watches| watches * resource)),
        line("startSeconds")?,
        line("restartReadySeconds")?,
        line("scrapeBytes")?,
        line("scrapeSeconds")?,
        line("series")?,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Sample;

    fn build() -> Build {
        let mut build = Build::default();
        for watches in [100, 1000, 10_000] {
            let n = count(watches);
            let linear = ["startSeconds", "restartReadySeconds", "scrapeSeconds", "series"];
            let mut sample: Sample = linear.into_iter().map(|key| (key, 2.0 * n)).collect();
            sample.extend(
                ["memoryBytes", "peakMemoryBytes", "scrapeBytes"].map(|key| (key, n * f64::from(1 << 20))),
            );
            sample.extend([("cpuSecondsPer1000Polls", 0.3), ("requestsPer1000Polls", 0.5)]);
            sample.extend([("backupRequests", 6.0), ("resourceBytes", f64::from(1 << 11))]);
            build.add(watches, sample);
        }
        build
    }

    #[test]
    fn a_million_lies_on_the_line_through_what_was_measured() {
        let table = table(&build()).unwrap();
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

    #[test]
    fn a_record_without_a_figure_is_no_record() {
        let mut build = build();
        build.figures.remove("resourceBytes");
        assert!(table(&build).unwrap_err().to_string().contains("resourceBytes"));
    }
}
