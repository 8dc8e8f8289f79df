//! The table: one line for each task, newest first. No cell can break out of its line, whoever wrote its text.

use std::fmt::Write;

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};

use crate::api::TaskStatus;
use crate::cloud::text::{clean, inert};
use crate::task::{FAILED, SUCCESS, failure_message, is_backup, is_finished};

const HEADINGS: [&str; 7] = ["UID", "PHASE", "PROGRESS", "CREATED", "UPDATED", "COMPLETED", "MESSAGE"];
/// The column whose colour says whether a backup is good.
const PHASE: usize = 1;
/// The longest cell, in characters.
const MAX_CELL: usize = 1_000;
/// What stands for a value that the cloud does not give.
const NONE: &str = "-";

/// The table of these tasks, with colours for a terminal if wanted.
pub fn table(tasks: &[TaskStatus], colour: bool) -> String {
    let rows: Vec<_> = tasks.iter().map(row).collect();
    let paint = |row: usize| if colour { paint(tasks[row].phase.as_deref()) } else { "" };
    aligned(HEADINGS, &rows, |row, column| if column == PHASE { paint(row) } else { "" })
}

/// A table without colours.
pub fn columns<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> String {
    aligned(headings, rows, |_, _| "")
}

/// Columns of even width. `paint` gives the colour of a cell, by row and column; empty for none.
fn aligned<'a, const N: usize>(
    headings: [&str; N],
    rows: &[[String; N]],
    paint: impl Fn(usize, usize) -> &'a str,
) -> String {
    let rows: Vec<[String; N]> =
        rows.iter().map(|row| row.each_ref().map(|cell| clean(cell, MAX_CELL))).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([headings[column].len()]).max().unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut table = String::new();
    let mut line = |cells: [&str; N], row: Option<usize>| {
        for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
            let gap = if column + 1 == N { 0 } else { width + 2 - cell.chars().count() };
            let on = row.map(|row| paint(row, column)).unwrap_or_default();
            let off = if on.is_empty() { "" } else { RESET };
            // Writing to a string cannot fail.
            let _ = write!(table, "{on}{cell}{off}{:gap$}", "");
        }
        table.truncate(table.trim_end().len());
        table.push('\n');
    };
    line(headings, None);
    for (index, row) in rows.iter().enumerate() {
        line(row.each_ref().map(String::as_str), Some(index));
    }
    inert(&table)
}

const RESET: &str = "\x1b[0m";

/// The colour of a phase: green for a success, red for a failure, yellow for all others.
fn paint(phase: Option<&str>) -> &'static str {
    match phase {
        Some(SUCCESS) => "\x1b[32m",
        Some(FAILED) => "\x1b[31m",
        _ => "\x1b[33m",
    }
}

/// A phase in its colour, if wanted.
pub fn painted(phase: Option<&str>, colour: bool) -> String {
    let text = phase.unwrap_or(NONE);
    if colour { format!("{}{text}{RESET}", paint(phase)) } else { text.to_owned() }
}

fn row(task: &TaskStatus) -> [String; 7] {
    // The API gives a completion time to running tasks too.
    let completed = task.completion_time.filter(|_| is_finished(task));
    [
        task.uid.clone(),
        task.phase.clone().unwrap_or_else(|| NONE.to_owned()),
        task.progress.map_or_else(|| NONE.to_owned(), |progress| format!("{progress}%")),
        time(task.creation_time),
        time(task.update_time),
        time(completed),
        message(task).unwrap_or_default(),
    ]
}

/// The text of the column MESSAGE: why the task failed, and whether it restores a backup.
pub fn message(task: &TaskStatus) -> Option<String> {
    let failed = task.phase.as_deref() == Some(FAILED);
    let reason = failed.then(|| failure_message(task)).flatten();
    match (is_backup(task), reason) {
        (true, reason) => reason,
        (false, None) => Some("puts a backup back".to_owned()),
        (false, Some(reason)) => Some(format!("puts a backup back; {reason}")),
    }
}

/// A time in UTC, cut to the second.
pub fn seconds(time: Timestamp) -> String {
    let whole = time.round(TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Trunc));
    whole.unwrap_or(time).to_string()
}

fn time(time: Option<Timestamp>) -> String {
    time.map_or_else(|| NONE.to_owned(), seconds)
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::{builder, report, rollback, task};
    use super::*;
    use crate::cloud::Item;

    #[test]
    fn a_cell_stays_a_cell() {
        let rows = [
            ["::error::a".to_owned(), "\u{1b}[2J\r\nb".to_owned()],
            ["c".to_owned(), "##[group]d".to_owned()],
        ];
        let expected = "A           B\n\u{fffd}:error::a  \u{fffd}[2J  b\nc           \u{fffd}#[group]d\n";
        assert_eq!(columns(["A", "B"], &rows), expected);
    }

    #[test]
    fn one_line_for_each_task_newest_first() {
        let mut failed = task("failed", "Failed", 2);
        failed.progress = None;
        failed.update_time = "1970-01-01T00:00:05.999Z".parse().ok();
        failed.completion_time = failed.update_time;
        failed.items.push(Item {
            type_: Some("master-backup".to_owned()),
            status: Some("Failed".to_owned()),
            message: Some("no space left".to_owned()),
            ..Item::default()
        });
        let mut running = task("r", "Running", 9);
        running.completion_time = running.creation_time;
        let report = report(&mut builder(), &[failed, running, rollback(task("old", "Success", 1))]);
        let expected = "\
UID     PHASE    PROGRESS  CREATED               UPDATED               COMPLETED             MESSAGE
r       Running  50%       1970-01-01T00:00:09Z  -                     -
failed  Failed   -         1970-01-01T00:00:02Z  1970-01-01T00:00:05Z  1970-01-01T00:00:05Z  master-backup: no space left
old     Success  50%       1970-01-01T00:00:01Z  -                     -                     puts a backup back
";
        assert_eq!(table(report.tasks(), false), expected);
        let coloured = table(report.tasks(), true);
        assert!(coloured.contains("\x1b[31mFailed\x1b[0m ") && coloured.contains("\x1b[33mRunning\x1b[0m "));
        let plain =
            ["\x1b[31m", "\x1b[32m", "\x1b[33m", RESET].iter().fold(coloured, |t, c| t.replace(c, ""));
        assert_eq!(plain, expected);
    }
}
