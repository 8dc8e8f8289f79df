//! The table: one line for each task, newest first. No cell can break out of its line, whoever wrote its text.

use jiff::Timestamp;

use crate::api::TaskStatus;
use crate::commands::{
    moment::Now,
    table::{Colour, NONE, aligned},
};
use crate::task::{FAILED, SUCCESS, failure_message, is_backup, is_finished};

const HEADINGS: [&str; 7] = ["UID", "PHASE", "PROGRESS", "CREATED", "UPDATED", "COMPLETED", "MESSAGE"];
/// The column whose colour says whether a backup is good.
const PHASE: usize = 1;

/// The table of these tasks at a moment, with colours for a terminal if wanted.
pub fn table(tasks: &[TaskStatus], now: &Now, colour: bool) -> String {
    let rows: Vec<_> = tasks.iter().map(|task| row(task, now)).collect();
    aligned(&HEADINGS, &rows, |row, column| {
        (colour && column == PHASE).then(|| paint(tasks[row].phase.as_deref()))
    })
}

/// The colour of a phase: green for a success, red for a failure, yellow for all others.
fn paint(phase: Option<&str>) -> Colour {
    match phase {
        Some(SUCCESS) => Colour::Green,
        Some(FAILED) => Colour::Red,
        _ => Colour::Yellow,
    }
}

/// A phase in its colour, if wanted.
pub fn painted(phase: Option<&str>, colour: bool) -> String {
    let text = phase.unwrap_or(NONE);
    if colour { paint(phase).paint(text) } else { text.to_owned() }
}

fn row(task: &TaskStatus, now: &Now) -> [String; 7] {
    let time = |time: Option<Timestamp>| time.map_or_else(|| NONE.to_owned(), |time| now.told(time));
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

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::super::report::tests::{builder, report, rollback, task};
    use super::*;
    use crate::cloud::Item;

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
UID     PHASE    PROGRESS  CREATED          UPDATED          COMPLETED        MESSAGE
r       Running  50%       51s ago (00:00)  -                -
failed  Failed   -         58s ago (00:00)  55s ago (00:00)  55s ago (00:00)  master-backup: no space left
old     Success  50%       59s ago (00:00)  -                -                puts a backup back
";
        let now = Now { time: Timestamp::from_second(60).unwrap(), zone: TimeZone::UTC };
        assert_eq!(table(report.tasks(), &now, false), expected);
        let coloured = table(report.tasks(), &now, true);
        assert!(coloured.contains("\x1b[31mFailed\x1b[0m ") && coloured.contains("\x1b[33mRunning\x1b[0m "));
        let plain =
            ["\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"].iter().fold(coloured, |t, c| t.replace(c, ""));
        assert_eq!(plain, expected);
    }
}
