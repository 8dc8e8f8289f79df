//! Parses the text that `/metrics` serves: counts its series, and estimates quantiles from a histogram. Pure.

use std::collections::BTreeSet;

/// How many series there are.
pub fn series(metrics: &str) -> usize {
    lines(metrics).count()
}

/// The series that belong to no watch but to the process itself, with their labels.
pub fn own_series(metrics: &str) -> BTreeSet<String> {
    let own = lines(metrics).filter(|line| !line.contains(",name=\"") && !line.contains("{name=\""));
    own.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
}

/// One line a series, without the comments.
fn lines(metrics: &str) -> impl Iterator<Item = &str> {
    metrics.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The cumulative counts of a histogram without labels.
#[derive(Debug, PartialEq)]
pub struct Histogram {
    /// The upper bound of each bucket and the number of observations up to it, in order.
    buckets: Vec<(f64, f64)>,
}

impl Histogram {
    /// Reads one of the operator's histograms; `None` where it does not export it.
    pub fn read(metrics: &str, name: &str) -> Option<Self> {
        let prefix = format!("cce_backup_watch_{name}_bucket{{le=\"");
        let bucket = |line: &str| {
            let (bound, count) = line.strip_prefix(&prefix)?.split_once("\"} ")?;
            // Rust reads the `+Inf` of the last bucket as infinity. An exemplar may follow the count.
            Some((bound.parse().ok()?, count.split(' ').next()?.parse().ok()?))
        };
        let buckets: Vec<_> = metrics.lines().filter_map(bucket).collect();
        (!buckets.is_empty()).then_some(Self { buckets })
    }

    /// The histogram of what was observed since an earlier reading.
    pub fn since(&self, before: &Self) -> Self {
        let pairs = self.buckets.iter().zip(&before.buckets);
        Self { buckets: pairs.map(|((bound, now), (_, then))| (*bound, now - then)).collect() }
    }

    /// The quantile of the observations, interpolated as Prometheus does it; `None` without an observation.
    pub fn quantile(&self, part: f64) -> Option<f64> {
        let total = self.buckets.last().map(|(_, count)| *count).filter(|count| *count > 0.0)?;
        let rank = part * total;
        let (mut lower, mut below) = (0.0, 0.0);
        for (bound, count) in &self.buckets {
            if *count >= rank {
                // In the bucket of infinity there is no upper bound to interpolate to.
                let upper = if bound.is_finite() { *bound } else { return Some(lower) };
                return Some(lower + (upper - lower) * (rank - below) / (count - below));
            }
            (lower, below) = (*bound, *count);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METRICS: &str = "\
# TYPE cce_backup_watch_poll_delay_seconds histogram
cce_backup_watch_poll_delay_seconds_sum 1.0
cce_backup_watch_poll_delay_seconds_count 10
cce_backup_watch_poll_delay_seconds_bucket{le=\"0.1\"} 5
cce_backup_watch_poll_delay_seconds_bucket{le=\"0.5\"} 9
cce_backup_watch_poll_delay_seconds_bucket{le=\"+Inf\"} 10
";

    #[test]
    fn comments_are_no_series() {
        assert_eq!(series(METRICS), 5);
        assert_eq!(series("# EOF\n"), 0);
    }

    #[test]
    fn what_has_the_name_of_a_watch_is_not_the_process_own() {
        let metrics = "a{namespace=\"n\",name=\"w\"} 1\nb{code=\"200\"} 7\nc 1\n";
        assert_eq!(own_series(metrics), BTreeSet::from(["b{code=\"200\"}".to_owned(), "c".to_owned()]));
    }

    #[test]
    fn quantiles_are_interpolated_within_their_bucket() {
        let histogram = Histogram::read(METRICS, "poll_delay_seconds").unwrap();
        assert_eq!(histogram.quantile(0.25), Some(0.05));
        assert_eq!(histogram.quantile(0.7), Some(0.1 + 0.4 * 2.0 / 4.0));
        assert_eq!(histogram.quantile(0.99), Some(0.5), "the last finite bound is all that is known");
    }

    #[test]
    fn what_was_observed_before_does_not_count() {
        let histogram = Histogram::read(METRICS, "poll_delay_seconds").unwrap();
        assert_eq!(histogram.since(&histogram).quantile(0.5), None);
    }

    #[test]
    fn a_histogram_that_is_not_exported_is_none() {
        assert_eq!(Histogram::read(METRICS, "something_else"), None);
    }
}
