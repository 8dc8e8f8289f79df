//! The report of a run, in the form of its JSON: the builds, and for each build every figure at every number of
//! watches. The record that is checked in has the same form. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    figures::Figure,
    statistics::{self, Line, count},
};

/// What one run of one build measured at one number of watches, by the key of the figure.
pub type Sample = BTreeMap<&'static str, f64>;

/// Everything that a run measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The machine that it ran on.
    pub machine: String,
    /// The builds, the one that is judged first.
    pub builds: Vec<Build>,
}

/// One build.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Build {
    /// The command that started it.
    pub command: String,
    /// The version that it prints.
    pub version: String,
    /// The figures by their keys.
    pub figures: BTreeMap<String, Series>,
}

/// One figure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Series {
    /// Ordered by the number of watches.
    pub points: Vec<Point>,
    /// By how much the figure grows with each further watch; absent for a single size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slope: Option<f64>,
    /// The power of the number of watches with which the figure grows; absent if it cannot be computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub growth: Option<f64>,
}

/// One figure at one number of watches.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Point {
    /// How many watches there were.
    pub watches: usize,
    /// The median of the values.
    pub median: f64,
    /// The value of each run.
    pub values: Vec<f64>,
}

impl Build {
    /// A build of which nothing is measured yet.
    pub fn new(command: String, version: String) -> Self {
        Self { command, version, figures: BTreeMap::new() }
    }

    /// Adds what a run measured.
    pub fn add(&mut self, watches: usize, sample: Sample) {
        for (key, value) in sample {
            self.figures.entry(key.to_owned()).or_default().add(watches, value);
        }
    }

    /// A figure at a number of watches.
    pub fn point(&self, figure: &Figure, watches: usize) -> Option<&Point> {
        self.figures.get(figure.key)?.points.iter().find(|point| point.watches == watches)
    }

    /// Every number of watches at which something was measured, in order.
    pub fn sizes(&self) -> Vec<usize> {
        let all = self.figures.values().flat_map(|series| series.points.iter().map(|point| point.watches));
        let sizes: std::collections::BTreeSet<_> = all.collect();
        sizes.into_iter().collect()
    }
}

impl Series {
    fn add(&mut self, watches: usize, value: f64) {
        let index = self.points.partition_point(|point| point.watches < watches);
        if self.points.get(index).is_none_or(|point| point.watches != watches) {
            self.points.insert(index, Point { watches, ..Point::default() });
        }
        let point = &mut self.points[index];
        point.values.push(value);
        point.median = statistics::median(&point.values).unwrap_or_default();
        self.slope = self.line().map(|line| line.slope);
        self.growth = self.growth_from(1);
    }

    /// The line through the medians. The point without a watch is left out, because the first watch costs more than the
    /// next: an operator without work has no connection to the cloud, for example.
    pub fn line(&self) -> Option<Line> {
        let points: Vec<_> = self.with_watches().map(|point| (count(point.watches), point.median)).collect();
        Line::through(&points)
    }

    /// The power with which the part of the figure grows that the watches add to that without a watch. It is taken
    /// between the smallest size of at least so many watches and the largest size.
    pub fn growth_from(&self, watches: usize) -> Option<f64> {
        let base = self.points.first().filter(|point| point.watches == 0).map_or(0.0, |point| point.median);
        let added = |point: &Point| (count(point.watches), point.median - base);
        let first = self.points.iter().find(|point| point.watches >= watches)?;
        statistics::growth(added(first), added(self.points.last()?))
    }

    fn with_watches(&self) -> impl Iterator<Item = &Point> {
        self.points.iter().filter(|point| point.watches > 0)
    }
}

impl Point {
    /// The smallest and the largest value.
    pub fn range(&self) -> (f64, f64) {
        statistics::range(&self.values).unwrap_or((self.median, self.median))
    }
}

impl Report {
    /// The earlier report with the figures of this one: figures that both have are replaced, and new ones are added.
    pub fn merged_into(self, mut earlier: Self) -> Self {
        earlier.machine = self.machine;
        for build in self.builds {
            match earlier.builds.iter_mut().find(|other| other.command == build.command) {
                Some(other) => {
                    other.version = build.version;
                    other.figures.extend(build.figures);
                }
                None => earlier.builds.push(build),
            }
        }
        earlier
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[(usize, f64)]) -> Series {
        let mut series = Series::default();
        for (watches, value) in values {
            series.add(*watches, *value);
        }
        series
    }

    #[test]
    fn the_runs_of_one_size_are_one_point_with_their_median() {
        let series = series(&[(1000, 3.0), (100, 1.0), (1000, 9.0), (1000, 4.0)]);
        let points: Vec<_> = series.points.iter().map(|point| (point.watches, point.median)).collect();
        assert_eq!(points, [(100, 1.0), (1000, 4.0)]);
        assert_eq!(series.points[1].range(), (3.0, 9.0));
    }

    #[test]
    fn growth_is_that_of_what_the_watches_add() {
        let close = |value: Option<f64>, expected: f64| (value.unwrap() - expected).abs() < 1e-9;
        let linear = series(&[(0, 10.0), (100, 11.0), (1000, 20.0)]);
        assert!(close(linear.growth, 1.0) && close(linear.slope, 0.01), "{linear:?}");
        let quadratic = series(&[(0, 10.0), (100, 11.0), (1000, 110.0)]);
        assert!(close(quadratic.growth, 2.0), "a large start must not hide it: {quadratic:?}");
    }

    #[test]
    fn a_report_replaces_only_what_it_has_measured() {
        let report = |key, value| {
            let mut build = Build::new("operator".to_owned(), "1".to_owned());
            build.add(1000, Sample::from([(key, value)]));
            Report { machine: String::new(), builds: vec![build] }
        };
        let merged = report("a", 2.0).merged_into(report("b", 1.0)).merged_into(report("a", 3.0));
        let figures = &merged.builds[0].figures;
        assert_eq!((figures["a"].points[0].median, figures["b"].points[0].median), (2.0, 1.0));
        assert_eq!(merged.builds.len(), 1);
    }
}
