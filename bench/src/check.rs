//! Judges the figures of a run: their growth with the number of watches, the memory of everything together, and the
//! comparison with a record and with another build of the same run. Pure, but for the printing.
//!
//! A record comes from another machine or another hour, so only what hardly depends on either is compared with it: bytes,
//! requests, series. Times are compared between two builds of one run.

use crate::{
    figures::{ALL, Comparison},
    report::{Build, growth, median, range},
};

/// By how much a measured power of growth may exceed the allowed one: as much as the spread of three runs changes it
/// between 1,000 and 10,000 watches.
const TOLERANCE: f64 = 0.1;
/// The fewest watches from which growth is judged. With fewer, the base cost of a process outweighs that of the
/// watches, and times are a few milliseconds.
const JUDGED: usize = 1000;
/// The fewest runs by which a time is broken.
const RUNS: usize = 3;
/// The memory that everything together may take with up to 10,000 watches, in GiB.
const EVERYTHING: f64 = 4.0;
const GIB: f64 = 1024.0 * 1024.0 * 1024.0;

/// One comparison.
#[derive(Debug, PartialEq)]
pub struct Finding {
    /// Whether it is within its bound.
    pub holds: bool,
    /// What was compared, with the values.
    pub text: String,
}

/// Checks that growth is linear or better, and that everything together stays within its memory.
pub fn bounds(build: &Build) -> Vec<Finding> {
    let mut findings = Vec::new();
    for figure in ALL.iter().filter(|figure| figure.growth.is_finite()) {
        if let Some(power) = build.figures.get(figure.key).and_then(|series| growth(series, JUDGED)) {
            let holds = power <= figure.growth + TOLERANCE;
            let text = format!("{} grows with n^{power:.2}; at most n^{}", figure.name, figure.growth);
            findings.push(Finding { holds, text });
        }
    }
    let everything =
        build.figures.get("everythingPeakBytes").into_iter().flat_map(|all| all.range(..=10_000));
    for (watches, values) in everything {
        let most = range(values).1 / GIB;
        let text = format!("all of it with {watches} watches: {most:.2} GiB; at most {EVERYTHING} GiB");
        findings.push(Finding { holds: most <= EVERYTHING, text });
    }
    findings
}

/// Compares every figure at every number of watches that both builds have. Times are compared only within the same run, and are
/// broken only if there are enough values, and those of the two builds do not overlap.
pub fn compare(build: &Build, other: &Build, same_run: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for figure in &ALL {
        let (ours, theirs) = (build.figures.get(figure.key), other.figures.get(figure.key));
        for (watches, ours) in ours.into_iter().flatten() {
            let Some(theirs) = theirs.and_then(|theirs| theirs.get(watches)) else { continue };
            let (now, then) = (median(ours), median(theirs));
            let (most, holds) = match figure.comparison {
                Comparison::Record(most, slack) => (most, now <= then * most + slack),
                // With few runs it happens too often by chance that all of one build are quicker than all of another.
                Comparison::SameRun(most) if same_run => {
                    let few = ours.len().min(theirs.len()) < RUNS;
                    (most, few || now <= then * most || range(ours).0 <= range(theirs).1)
                }
                _ => continue,
            };
            let (name, ratio, now, then) = (figure.name, now / then, figure.show(now), figure.show(then));
            let text = format!(
                "{name} at {watches} watches: {now} against {then}, {ratio:.2} times; at most {most}"
            );
            findings.push(Finding { holds, text });
        }
    }
    findings
}

/// Prints the findings, and returns whether all hold.
pub fn judge(title: &str, findings: &[Finding]) -> bool {
    let holding = findings.iter().filter(|finding| finding.holds).count();
    eprintln!("\n{title}: {holding} of {} hold", findings.len());
    for Finding { holds, text } in findings {
        eprintln!("{}  {text}", if *holds { "ok    " } else { "BROKEN" });
    }
    holding == findings.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Sample;

    fn build(key: &'static str, points: &[(usize, f64)]) -> Build {
        let mut build = Build::default();
        for (watches, value) in points {
            build.add(*watches, Sample::from([(key, *value)]));
        }
        build
    }

    fn holds(findings: &[Finding]) -> Vec<bool> {
        findings.iter().map(|finding| finding.holds).collect()
    }

    #[test]
    fn a_sum_grows_linearly_and_what_is_of_one_poll_not_at_all() {
        let of = |key, last| holds(&bounds(&build(key, &[(1000, 1.0), (10_000, last)])));
        assert_eq!(of("startSeconds", 10.0), [true]);
        assert_eq!(of("startSeconds", 20.0), [false]);
        assert_eq!(of("cpuSecondsPer1000Polls", 1.1), [true]);
        assert_eq!(of("cpuSecondsPer1000Polls", 10.0), [false]);
        assert!(of("etcdPeakBytes", 1000.0).is_empty());
    }

    #[test]
    fn everything_stays_within_4_gib_at_10_000_watches() {
        let of = |watches, gib: f64| holds(&bounds(&build("everythingPeakBytes", &[(watches, gib * GIB)])));
        assert_eq!(of(10_000, 3.9), [true]);
        assert_eq!(of(10_000, 4.1), [false]);
        assert!(of(20_000, 8.0).is_empty());
    }

    #[test]
    fn a_record_says_nothing_about_times_or_other_sizes() {
        let of = |key, watches, now| {
            holds(&compare(&build(key, &[(watches, now)]), &build(key, &[(1000, 100.0)]), false))
        };
        assert!(of("startSeconds", 1000, 900.0).is_empty());
        assert_eq!(of("scrapeBytes", 1000, 104.0), [true]);
        assert_eq!(of("scrapeBytes", 1000, 120.0), [false]);
        assert!(of("scrapeBytes", 5000, 500.0).is_empty());
    }

    #[test]
    fn a_figure_near_zero_has_some_slack() {
        let record = build("requestsPer1000Polls", &[(1000, 0.0)]);
        let of = |now| holds(&compare(&build("requestsPer1000Polls", &[(1000, now)]), &record, false));
        assert_eq!(of(0.3), [true]);
        assert_eq!(of(1000.0), [false]);
    }

    #[test]
    fn a_time_is_broken_only_where_the_runs_do_not_overlap() {
        let old = build("startSeconds", &[(1000, 1.0), (1000, 1.1), (1000, 1.6)]);
        let of = |values: &[f64]| {
            let points: Vec<_> = values.iter().map(|value| (1000, *value)).collect();
            holds(&compare(&build("startSeconds", &points), &old, true))
        };
        assert_eq!(of(&[1.5, 1.7, 1.8]), [true]);
        assert_eq!(of(&[1.7, 1.8, 1.9]), [false]);
        assert_eq!(of(&[1.7]), [true], "one run says nothing");
    }

    #[test]
    fn what_is_broken_is_told_with_its_values() {
        let (now, then) = (build("series", &[(1000, 30_000.0)]), build("series", &[(1000, 20_000.0)]));
        let text = "series at 1000 watches: 30,000 against 20,000, 1.50 times; at most 1.05".to_owned();
        let findings = compare(&now, &then, false);
        assert_eq!(findings, [Finding { holds: false, text }]);
        assert!(!judge("the record", &findings) && judge("nothing", &[]));
    }
}
