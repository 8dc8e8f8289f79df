//! Prints a report as Markdown tables: one for each build, and one of the ratios if there are several builds. Pure.

use std::fmt::Write as _;

use crate::{
    figures::{self, Figure, Unit},
    report::{Build, Point, Report},
};

/// The tables.
pub fn tables(report: &Report) -> String {
    let mut text = format!("{}\n", report.machine);
    for build in &report.builds {
        // Writing to a String cannot fail, here and below.
        let _ = write!(text, "\n`{}`: {}\n\n{}", build.command, build.version, of_build(build));
    }
    if let [judged, others @ ..] = report.builds.as_slice() {
        for other in others {
            let _ = write!(
                text,
                "\n`{}` divided by `{}`\n\n{}",
                judged.command,
                other.command,
                ratios(judged, other)
            );
        }
    }
    text
}

/// One build: a line for each figure, a column for each number of watches, the slope and the growth.
fn of_build(build: &Build) -> String {
    let sizes = build.sizes();
    let mut table = head(&sizes, &["each 1,000 more", "growth"]);
    for figure in &figures::ALL {
        let Some(series) = build.figures.get(figure.key) else { continue };
        let _ = write!(table, "| {}{} |", figure.name, figure.unit.suffix());
        for size in &sizes {
            let _ = write!(
                table,
                " {} |",
                build.point(figure, *size).map_or(String::new(), |point| cell(figure, point))
            );
        }
        let slope = series.slope.map(|slope| figure.unit.show(slope * 1000.0));
        let growth = series.growth.map(|power| format!("n^{power:.2}"));
        let _ = writeln!(table, " {} | {} |", slope.unwrap_or_default(), growth.unwrap_or_default());
    }
    table
}

/// The median, and the range where the runs differ in what is shown.
fn cell(figure: &Figure, point: &Point) -> String {
    let (smallest, largest) = point.range();
    let (smallest, largest) = (figure.unit.show(smallest), figure.unit.show(largest));
    let median = figure.unit.show(point.median);
    if smallest == largest { median } else { format!("{median} ({smallest}–{largest})") }
}

fn ratios(judged: &Build, other: &Build) -> String {
    let sizes = judged.sizes();
    let mut table = head(&sizes, &[]);
    for figure in &figures::ALL {
        let ratio = |size: &usize| {
            let (judged, other) = (judged.point(figure, *size)?, other.point(figure, *size)?);
            (other.median > 0.0).then(|| Unit::Count.show(judged.median / other.median))
        };
        let cells: Vec<_> = sizes.iter().map(|size| ratio(size).unwrap_or_default()).collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            let _ = writeln!(table, "| {} | {} |", figure.name, cells.join(" | "));
        }
    }
    table
}

fn head(sizes: &[usize], more: &[&str]) -> String {
    let mut head = String::from("| figure |");
    let mut rule = String::from("|---|");
    for size in sizes {
        let _ = write!(head, " {} watches |", Unit::Count.show(crate::statistics::count(*size)));
        rule.push_str("---:|");
    }
    for column in more {
        let _ = write!(head, " {column} |");
        rule.push_str("---:|");
    }
    format!("{head}\n{rule}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Sample;

    fn build(command: &str, factor: f64) -> Build {
        let mut build = Build::new(command.to_owned(), "cce-backup-watch 0.1.0".to_owned());
        for (watches, seconds) in [(100, 1.0), (1000, 10.0), (1000, 12.0), (1000, 10.0)] {
            build.add(watches, Sample::from([("startSeconds", seconds * factor)]));
        }
        build
    }

    #[test]
    fn a_figure_is_a_line_with_median_range_slope_and_growth() {
        let report = Report { machine: "2 cores".to_owned(), builds: vec![build("new", 1.0)] };
        let expected = "\
2 cores

`new`: cce-backup-watch 0.1.0

| figure | 100 watches | 1,000 watches | each 1,000 more | growth |
|---|---:|---:|---:|---:|
| start: until all have a phase, s | 1.00 | 10.0 (10.0–12.0) | 10.0 | n^1.00 |
";
        assert_eq!(tables(&report), expected);
    }

    #[test]
    fn two_builds_are_compared_by_ratio() {
        let builds = vec![build("new", 1.0), build("old", 2.0)];
        let text = tables(&Report { machine: String::new(), builds });
        assert!(text.contains("`new` divided by `old`"), "{text}");
        assert!(text.ends_with("| start: until all have a phase | 0.50 | 0.50 |\n"), "{text}");
    }
}
