//! Judges the figures of a run: their growth with the number of watches, the memory of everything together, and the
//! comparison with a record and with another build of the same run. Pure.
//!
//! A record comes from another machine or another hour, so only what hardly depends on either is compared with it: bytes,
//! requests, series. Times are compared between two builds of one run.

use std::fmt::Write as _;

use crate::{
    figures::{self, Comparison, EVERYTHING, Figure, Growth},
    report::{Build, Point},
};

/// By how much a measured power of growth may exceed the allowed one: as much as the spread of three runs changes it
/// between 1,000 and 10,000 watches.
const TOLERANCE: f64 = 0.1;
/// The fewest watches from which growth is judged. With fewer, the base cost of a process outweighs that of the
/// watches, and times are a few milliseconds.
const JUDGED: usize = 1000;
/// The fewest runs by which a time is judged. With fewer, it happens too often by chance that all runs of one build are
/// quicker than all runs of another.
const RUNS: usize = 3;

/// One comparison.
#[derive(Debug, PartialEq)]
pub struct Finding {
    /// What was compared, with the values.
    pub text: String,
    /// Whether it is within its bound.
    pub holds: bool,
}

/// Checks that growth is linear or better, and that everything together stays within its memory.
pub fn bounds(build: &Build) -> Vec<Finding> {
    let mut findings = Vec::new();
    for figure in &figures::ALL {
        let bound = match figure.growth {
            Growth::Linear => 1.0,
            Growth::Constant => 0.0,
            Growth::Unjudged => continue,
        };
        let Some(power) = build.figures.get(figure.key).and_then(|series| series.growth_from(JUDGED)) else {
            continue;
        };
        findings.push(Finding {
            text: format!("{} grows with n^{power:.2}; at most n^{bound:.0}", figure.name),
            holds: power <= bound + TOLERANCE,
        });
    }
    let everything = figures::by_key("everythingPeakBytes").into_iter().flat_map(|figure| {
        build
            .figures
            .get(figure.key)
            .into_iter()
            .flat_map(|series| &series.points)
            .map(move |point| (figure, point))
    });
    for (figure, point) in everything.filter(|(_, point)| point.watches <= 10_000) {
        let (_, most) = point.range();
        let (shown, bound) = (figure.unit.show(most), figure.unit.show(EVERYTHING));
        findings.push(Finding {
            text: format!("{} of {} watches: {shown} MiB; at most {bound} MiB", figure.name, point.watches),
            holds: most <= EVERYTHING,
        });
    }
    findings
}

/// Compares with a record: only what hardly depends on the machine.
pub fn with_record(build: &Build, record: &Build) -> Vec<Finding> {
    compare(build, record, |figure, now, then| {
        let Comparison::Record(most, slack) = figure.comparison else { return None };
        Some((now.median <= then.median * most + slack, most))
    })
}

/// Compares with another build of the same run, including times. A time is judged only with enough runs, and is broken
/// only if the values of the two builds do not overlap.
pub fn side_by_side(build: &Build, other: &Build) -> Vec<Finding> {
    compare(build, other, |figure, ours, theirs| match figure.comparison {
        Comparison::Record(most, slack) => Some((ours.median <= theirs.median * most + slack, most)),
        Comparison::SameRun(most) => {
            if ours.values.len().min(theirs.values.len()) < RUNS {
                return None;
            }
            let (quickest, slowest) = (ours.range().0, theirs.range().1);
            Some((ours.median <= theirs.median * most || quickest <= slowest, most))
        }
        Comparison::Nothing => None,
    })
}

/// Compares every figure at every number of watches that both builds have. The rule returns whether it holds, and the
/// bound.
fn compare(
    build: &Build,
    other: &Build,
    rule: impl Fn(&Figure, &Point, &Point) -> Option<(bool, f64)>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for figure in &figures::ALL {
        let points = build.figures.get(figure.key).into_iter().flat_map(|series| &series.points);
        for (ours, theirs) in points.filter_map(|ours| Some((ours, other.point(figure, ours.watches)?))) {
            let Some((holds, most)) = rule(figure, ours, theirs) else { continue };
            let (now, then) = (figure.unit.show(ours.median), figure.unit.show(theirs.median));
            let ratio = if theirs.median > 0.0 {
                format!("{:.2}", ours.median / theirs.median)
            } else {
                "–".to_owned()
            };
            let text = format!(
                "{}{} at {} watches: {now} against {then}, a ratio of {ratio}; at most {most:.2}",
                figure.name,
                figure.unit.suffix(),
                ours.watches
            );
            findings.push(Finding { text, holds });
        }
    }
    findings
}

/// The findings as lines, and whether all hold.
pub fn judge(title: &str, findings: &[Finding]) -> (String, bool) {
    let broken = findings.iter().filter(|finding| !finding.holds).count();
    let mut text = format!("\n{title}: {} of {} hold\n", findings.len() - broken, findings.len());
    for finding in findings {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}  {}", if finding.holds { "ok    " } else { "BROKEN" }, finding.text);
    }
    (text, broken == 0)
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
    }

    #[test]
    fn everything_stays_within_4_gib_at_10_000_watches() {
        let of = |watches, gib: f64| {
            holds(&bounds(&build("everythingPeakBytes", &[(watches, gib * EVERYTHING / 4.0)])))
        };
        assert_eq!(of(10_000, 3.9), [true]);
        assert_eq!(of(10_000, 4.1), [false]);
        assert!(of(20_000, 8.0).is_empty());
    }

    #[test]
    fn a_record_says_nothing_about_times() {
        let record = build("startSeconds", &[(1000, 1.0)]);
        assert!(with_record(&build("startSeconds", &[(1000, 9.0)]), &record).is_empty());
        let record = build("scrapeBytes", &[(1000, 100.0)]);
        assert_eq!(holds(&with_record(&build("scrapeBytes", &[(1000, 104.0)]), &record)), [true]);
        assert_eq!(holds(&with_record(&build("scrapeBytes", &[(1000, 120.0)]), &record)), [false]);
        assert!(with_record(&build("scrapeBytes", &[(5000, 500.0)]), &record).is_empty(), "another size");
    }

    #[test]
    fn a_figure_near_zero_has_some_slack() {
        let record = build("requestsPer1000Polls", &[(1000, 0.0)]);
        assert_eq!(holds(&with_record(&build("requestsPer1000Polls", &[(1000, 0.3)]), &record)), [true]);
        assert_eq!(holds(&with_record(&build("requestsPer1000Polls", &[(1000, 1000.0)]), &record)), [false]);
    }

    #[test]
    fn a_time_is_broken_only_where_the_runs_do_not_overlap() {
        let old = build("startSeconds", &[(1000, 1.0), (1000, 1.1), (1000, 1.6)]);
        let overlapping = build("startSeconds", &[(1000, 1.5), (1000, 1.7), (1000, 1.8)]);
        assert_eq!(holds(&side_by_side(&overlapping, &old)), [true]);
        let slower = build("startSeconds", &[(1000, 1.7), (1000, 1.8), (1000, 1.9)]);
        assert_eq!(holds(&side_by_side(&slower, &old)), [false]);
        let once = build("startSeconds", &[(1000, 1.7)]);
        assert!(side_by_side(&once, &old).is_empty(), "one run says nothing");
    }

    #[test]
    fn what_is_broken_is_told_with_its_values() {
        let findings =
            with_record(&build("series", &[(1000, 30_000.0)]), &build("series", &[(1000, 20_000.0)]));
        let (text, good) = judge("the record", &findings);
        assert!(!good);
        assert!(text.contains("the record: 0 of 1 hold"), "{text}");
        assert!(
            text.contains(
                "BROKEN  series at 1000 watches: 30,000 against 20,000, a ratio of 1.50; at most 1.05"
            ),
            "{text}"
        );
    }
}
