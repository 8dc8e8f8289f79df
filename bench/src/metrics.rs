//! Reads the text that `/metrics` serves: its series, and quantiles of the delay of polls. Pure.

use std::collections::BTreeSet;

/// The series with their values, without the comments.
pub fn series(metrics: &str) -> impl Iterator<Item = &str> {
    metrics.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The series that belong to no watch but to the process itself, with their labels.
pub fn own_series(metrics: &str) -> BTreeSet<String> {
    let own = series(metrics).filter(|line| !line.contains(",name=\"") && !line.contains("{name=\""));
    own.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
}

/// The upper bound of each bucket of the delay, and how many polls had a delay up to it; nothing where the operator does not
/// export it.
pub fn delays(metrics: &str) -> Vec<(f64, f64)> {
    let bucket = |line: &str| {
        let bucket = line.strip_prefix("cce_backup_watch_poll_delay_seconds_bucket{le=\"")?;
        let (bound, count) = bucket.split_once("\"} ")?;
        // Rust reads the `+Inf` of the last bucket as infinity. An exemplar may follow the count.
        Some((bound.parse().ok()?, count.split(' ').next()?.parse().ok()?))
    };
    metrics.lines().filter_map(bucket).collect()
}

/// A quantile of what was observed between two readings, interpolated as Prometheus does it; `None` if nothing was.
pub fn quantile(before: &[(f64, f64)], after: &[(f64, f64)], part: f64) -> Option<f64> {
    let buckets: Vec<_> = after.iter().zip(before).map(|(now, then)| (now.0, now.1 - then.1)).collect();
    let rank = part * buckets.last().map(|(_, total)| *total).filter(|total| *total > 0.0)?;
    let at = buckets.iter().position(|(_, count)| *count >= rank)?;
    let (lower, below) = if at == 0 { (0.0, 0.0) } else { buckets[at - 1] };
    let (upper, count) = buckets[at];
    // In the bucket of infinity there is no upper bound to interpolate to.
    Some(if upper.is_finite() { lower + (upper - lower) * (rank - below) / (count - below) } else { lower })
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
    fn comments_are_no_series_and_what_has_the_name_of_a_watch_is_not_the_process_own() {
        assert_eq!(series(METRICS).count(), 5);
        let metrics = "a{namespace=\"n\",name=\"w\"} 1\nb{code=\"200\"} 7\nc 1\n# EOF\n";
        assert_eq!(own_series(metrics), BTreeSet::from(["b{code=\"200\"}".to_owned(), "c".to_owned()]));
    }

    #[test]
    fn quantiles_are_interpolated_within_their_bucket() {
        let (none, delays) = ([(0.1, 0.0), (0.5, 0.0), (f64::INFINITY, 0.0)], delays(METRICS));
        assert_eq!(quantile(&none, &delays, 0.25), Some(0.05));
        assert_eq!(quantile(&none, &delays, 0.7), Some(0.1 + 0.4 * 2.0 / 4.0));
        assert_eq!(quantile(&none, &delays, 0.99), Some(0.5), "the last finite bound is all that is known");
        assert_eq!(quantile(&delays, &delays, 0.5), None, "what was observed before does not count");
        assert_eq!(quantile(&[], &[], 0.5), None, "a histogram that is not exported");
    }
}
