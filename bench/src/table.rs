//! Prints a report as Markdown tables, one for each build. Pure.

use crate::{
    figures::{ALL, number},
    report::{Build, Report, count, growth, line, median, range},
};

/// The machine, and a table for each build.
pub fn tables(report: &Report) -> String {
    let table = |build: &Build| format!("\n`{}`: {}\n\n{}", build.command, build.version, of_build(build));
    format!("{}\n{}", report.machine, report.builds.iter().map(table).collect::<String>())
}

/// A Markdown table: names on the left, numbers on the right.
pub fn markdown(head: Vec<String>, rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let rule = format!("|---{}|\n", "|---:".repeat(head.len() - 1));
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    line(head) + &rule + &rows.into_iter().map(line).collect::<String>()
}

/// The head of a table with a column for each number of watches.
pub fn head(first: &str, sizes: impl IntoIterator<Item = usize>) -> Vec<String> {
    let sizes = sizes.into_iter().map(|size| format!("{} watches", number(count(size))));
    std::iter::once(first.to_owned()).chain(sizes).collect()
}

/// One build: a line for each figure with the median, the range where the runs differ in what is shown, the slope and the
/// growth.
fn of_build(build: &Build) -> String {
    let mut head = head("figure", build.sizes());
    head.extend(["each 1,000 more".to_owned(), "growth".to_owned()]);
    let rows = ALL.iter().filter_map(|figure| {
        let series = build.figures.get(figure.key)?;
        let cell = |values: &Vec<f64>| {
            let ((smallest, largest), median) = (range(values), figure.show(median(values)));
            let (smallest, largest) = (figure.show(smallest), figure.show(largest));
            if smallest == largest { median } else { format!("{median} ({smallest}–{largest})") }
        };
        let mut row = vec![figure.name.to_owned()];
        row.extend(build.sizes().iter().map(|size| series.get(size).map(cell).unwrap_or_default()));
        row.push(line(series).map(|(slope, _)| figure.show(slope * 1000.0)).unwrap_or_default());
        row.push(growth(series, 1).map(|power| format!("n^{power:.2}")).unwrap_or_default());
        Some(row)
    });
    markdown(head, rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Sample;

    #[test]
    fn a_figure_is_a_line_with_median_range_slope_and_growth() {
        let (command, version) = ("new".to_owned(), "cce-backup-watch 0.1.0".to_owned());
        let mut build = Build { command, version, ..Build::default() };
        for (watches, seconds) in [(100, 1.65), (1000, 16.5), (1000, 17.6), (1000, 16.5)] {
            build.add(watches, Sample::from([("startSeconds", seconds)]));
        }
        let report = Report { machine: "2 cores".to_owned(), builds: vec![build] };
        let expected = "\
2 cores

`new`: cce-backup-watch 0.1.0

| figure | 100 watches | 1,000 watches | each 1,000 more | growth |
|---|---:|---:|---:|---:|
| start: until all have a phase, s | 1.65 | 16.5 (16.5–17.6) | 16.5 | n^1.00 |
";
        assert_eq!(tables(&report), expected);
    }
}
