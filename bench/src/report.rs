//! The report of a run, in the form of its JSON: the builds, and for each build the values of every figure at every number of
//! watches. The record that is checked in has the same form. Median, line and growth are calculated from it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// What one run of one build measured at one number of watches, by the key of the figure.
pub type Sample = BTreeMap<&'static str, f64>;
/// One figure: the values of the runs at each number of watches.
pub type Series = BTreeMap<usize, Vec<f64>>;

/// Everything that was measured.
#[derive(Serialize, Deserialize)]
pub struct Report {
    /// The machine that it ran on.
    pub machine: String,
    /// The builds, the one that is judged first.
    pub builds: Vec<Build>,
}

/// One build.
#[derive(Default, Serialize, Deserialize)]
pub struct Build {
    /// The command that started it.
    pub command: String,
    /// The version that it prints.
    pub version: String,
    /// The figures by their keys.
    pub figures: BTreeMap<String, Series>,
}

impl Build {
    /// Adds what a run measured.
    pub fn add(&mut self, watches: usize, sample: Sample) {
        for (key, value) in sample {
            self.figures.entry(key.to_owned()).or_default().entry(watches).or_default().push(value);
        }
    }

    /// Every number of watches at which something was measured.
    pub fn sizes(&self) -> BTreeSet<usize> {
        self.figures.values().flat_map(|series| series.keys().copied()).collect()
    }
}

/// The middle of some numbers, or the mean of the two in the middle; not a number without one.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    f64::midpoint(at(sorted.len().saturating_sub(1) / 2), at(sorted.len() / 2))
}

/// The smallest and the largest of some numbers.
pub fn range(values: &[f64]) -> (f64, f64) {
    let all = || values.iter().copied();
    (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max))
}

/// The slope and the start of the least-squares line through the medians; `None` for fewer than two sizes. The point without a
/// watch is left out, because the first watch costs more than the next: an operator without work has no connection to the
/// cloud, for example.
pub fn line(series: &Series) -> Option<(f64, f64)> {
    let points: Vec<_> = series.range(1..).map(|(size, values)| (count(*size), median(values))).collect();
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count(points.len());
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let together = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum::<f64>();
    let slope = together / points.iter().map(|point| (point.0 - x).powi(2)).sum::<f64>();
    // Without two sizes this was a division by zero.
    slope.is_finite().then_some((slope, y - slope * x))
}

/// The power of the number of watches with which the part of a figure grows that the watches add to that without a watch: 1 is
/// linear, 0 constant. It is taken between the smallest size of at least so many watches and the largest; `None` where nothing
/// grows from there.
pub fn growth(series: &Series, from: usize) -> Option<f64> {
    let base = series.get(&0).map_or(0.0, |values| median(values));
    let added = |(size, values): (&usize, &Vec<f64>)| (count(*size), median(values) - base);
    let (first, last) = (added(series.range(from..).next()?), added(series.last_key_value()?));
    let power = (last.1 / first.1).ln() / (last.0 / first.0).ln();
    (first.1 > 0.0 && last.1 > 0.0 && power.is_finite()).then_some(power)
}

/// A count as a number to calculate with. Counts here are far below 2^52, so that no digit is lost.
#[allow(clippy::cast_precision_loss)]
pub fn count(counted: impl TryInto<u64>) -> f64 {
    counted.try_into().map_or(f64::NAN, |counted| counted as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series<const N: usize>(values: [(usize, f64); N]) -> Series {
        values.into_iter().map(|(size, value)| (size, vec![value])).collect()
    }

    fn close(value: Option<f64>, expected: f64) -> bool {
        (value.unwrap() - expected).abs() < 1e-9
    }

    #[test]
    fn the_median_is_the_middle_and_one_outlier_does_not_move_it() {
        assert!(close(Some(median(&[3.0, 1000.0, 2.0])), 3.0));
        assert!(close(Some(median(&[4.0, 1.0, 2.0, 3.0])), 2.5));
        assert!(median(&[]).is_nan());
        assert_eq!(range(&[3.0, 1.0, 2.0]), (1.0, 3.0));
    }

    #[test]
    fn the_line_goes_through_points_that_lie_on_one_and_one_size_has_none() {
        let (slope, start) = line(&series([(0, 1.0), (1, 12.0), (5, 20.0), (10, 30.0)])).unwrap();
        assert!(close(Some(slope), 2.0) && close(Some(start), 10.0), "{slope} {start}");
        assert_eq!(line(&series([])), None);
        assert_eq!(line(&series([(0, 1.0), (5, 1.0)])), None);
    }

    #[test]
    fn growth_is_that_of_what_the_watches_add() {
        assert!(close(growth(&series([(0, 10.0), (100, 11.0), (1000, 20.0)]), 1), 1.0));
        let quadratic = growth(&series([(0, 10.0), (100, 11.0), (1000, 110.0)]), 1);
        assert!(close(quadratic, 2.0), "a large start must not hide it");
        assert!(close(growth(&series([(10, 7.0), (100, 7.0)]), 1), 0.0));
        assert_eq!(growth(&series([(10, 0.0), (100, 7.0)]), 1), None);
        assert_eq!(growth(&series([(10, 7.0), (100, 9.0)]), 100), None);
    }

    #[test]
    fn a_report_is_read_as_it_was_written() {
        let mut build = Build::default();
        build.add(1000, Sample::from([("series", 3.0)]));
        build.add(1000, Sample::from([("series", 4.0)]));
        build.add(0, Sample::from([("threads", 2.0)]));
        let json = serde_json::to_string(&Report { machine: String::new(), builds: vec![build] }).unwrap();
        let read: Report = serde_json::from_str(&json).unwrap();
        assert_eq!(read.builds[0].figures["series"][&1000], [3.0, 4.0]);
        assert_eq!(read.builds[0].sizes(), BTreeSet::from([0, 1000]));
    }
}
