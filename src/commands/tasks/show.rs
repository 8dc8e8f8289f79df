//! The output. Results go to standard output and nothing else does: a table, JSON or YAML at the end, or with `--watch`
//! one line or document for each change. All other messages go to standard error.

use std::fmt::Display;
use std::io::{self, IsTerminal};

use jiff::Timestamp;

use super::{
    bar::Bar,
    report::Report,
    table::{message, painted, table},
};
use crate::api::TaskStatus;
use crate::cli::Output;
use crate::cloud::text::inert;
use crate::commands::{
    error::{Error, PollError},
    moment::{Now, seconds},
    output::{self, is_colourful, is_dumb, note},
};
use crate::task::{is_backup, is_finished};

/// Writes the one result of a poll, or of a wait.
pub fn result(report: &Report, output: Output) -> Result<(), Error> {
    let text = match output {
        Output::Table if report.tasks().is_empty() => {
            note(format_args!("no snapshot task is listed for the cluster {}", report.cluster_id()));
            return Ok(());
        }
        Output::Table => {
            table(report.tasks(), &Now::at(report.clock().now), is_colourful(io::stdout().is_terminal()))
        }
        Output::Json => format!("{}\n", encoded(serde_json::to_string_pretty(report))?),
        Output::Yaml => encoded(serde_saphyr::to_string(report))?,
    };
    output::result(&text)
}

fn encoded(text: Result<String, impl Display>) -> Result<String, Error> {
    text.map_err(|error| Error::Encode(error.to_string()))
}

/// The output of a series of polls.
pub struct Show {
    output: Output,
    /// Whether each change is a result, for standard output, or a message, for standard error.
    watch: bool,
    colour: bool,
    bar: Option<Bar>,
    before: Option<Report>,
    trouble: Option<String>,
    /// Why results no longer reach standard output.
    lost: Option<io::Error>,
}

impl Show {
    /// With `watch`, each change is a result. A bar, if wanted, is drawn on standard error, but only if that is a
    /// terminal and, with `watch`, standard output is one too.
    pub fn new(output: Output, watch: bool, bar: bool) -> Self {
        let stdout = io::stdout().is_terminal();
        let live =
            bar && output == Output::Table && (stdout || !watch) && io::stderr().is_terminal() && !is_dumb();
        Self {
            output,
            watch,
            colour: watch && is_colourful(stdout),
            bar: live.then(Bar::new),
            before: None,
            trouble: None,
            lost: None,
        }
    }

    /// Shows what is new in an answer. The bar shows `subject`, the backup that is waited for.
    pub fn report(&mut self, report: &Report, subject: Option<&TaskStatus>) -> Result<(), Error> {
        if let Some(bar) = &self.bar {
            bar.set(subject);
        }
        if report.tasks().is_empty() && self.before.as_ref().is_none_or(|before| !before.tasks().is_empty()) {
            self.note("no snapshot task is listed yet");
        }
        for gone in vanished(self.before.as_ref(), report) {
            self.note(&format!("the task {} is no longer listed", gone.uid));
        }
        if self.before.as_ref() != Some(report) {
            match self.output {
                Output::Json if self.watch => {
                    self.print(&format!("{}\n", encoded(serde_json::to_string(report))?));
                }
                Output::Yaml if self.watch => {
                    self.print(&format!("---\n{}", encoded(serde_saphyr::to_string(report))?));
                }
                _ => self.lines(report),
            }
        }
        self.before = Some(report.clone());
        Ok(())
    }

    /// One line for each task that changed, the newest last.
    fn lines(&mut self, report: &Report) {
        let now = Timestamp::now();
        let before = self.before.take();
        for task in changed(before.as_ref(), report).into_iter().rev() {
            let old = before.as_ref().and_then(|before| before.task(&task.uid));
            if self.watch {
                // The bar shows the progress, so beside it only a new phase gets a line.
                if self.bar.is_none() || old.is_none_or(|old| old.phase != task.phase) {
                    self.print(&line(task, now, self.colour));
                }
            } else if self.bar.is_none() || old.is_none_or(|old| old.phase != task.phase) {
                self.note(line(task, now, false).trim_end());
            }
        }
    }

    /// After a fault, says that the cloud answers again.
    pub fn answered(&mut self) {
        if self.trouble.take().is_some() {
            self.note("the cloud answers again");
        }
    }

    /// Says why a poll failed, once until the reason changes.
    pub fn trouble(&mut self, error: &PollError) {
        let steady = error.steady();
        if self.trouble.as_ref() != Some(&steady) {
            self.note(&format!("the poll failed and is tried again: {error}"));
        }
        self.trouble = Some(steady);
    }

    /// Removes the bar from the terminal.
    pub fn end(&mut self) {
        self.bar = None;
    }

    /// Writes a part of the results, until one cannot be written: what is watched goes on, and the last one counts.
    fn print(&mut self, text: &str) {
        if self.lost.is_none() {
            self.lost = self.aside(|| output::write(text)).err();
        }
    }

    /// Why results could not be written, once.
    pub fn lost(&mut self) -> Option<io::Error> {
        self.lost.take()
    }

    /// Writes a message to standard error.
    pub fn note(&self, text: &str) {
        self.aside(|| note(text));
    }

    /// Hides the bar while `write` writes.
    fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.aside(write),
            None => write(),
        }
    }
}

/// The tasks whose phase or progress is new, newest first. Of the first answer, these are the newest backup and
/// everything unfinished.
fn changed<'a>(before: Option<&Report>, report: &'a Report) -> Vec<&'a TaskStatus> {
    let is_new = |task: &&TaskStatus| match before {
        None => !is_finished(task) || report.newest_backup().is_some_and(|newest| newest.uid == task.uid),
        Some(before) => before
            .task(&task.uid)
            .is_none_or(|old| (&old.phase, old.progress) != (&task.phase, task.progress)),
    };
    report.tasks().iter().filter(is_new).collect()
}

/// The backups that were running and are no longer listed. Finished ones are not among them: the cloud may drop those
/// at any time.
fn vanished<'a>(before: Option<&'a Report>, report: &Report) -> Vec<&'a TaskStatus> {
    let before = before.map(Report::tasks).unwrap_or_default();
    before
        .iter()
        .filter(|old| is_backup(old) && !is_finished(old) && report.task(&old.uid).is_none())
        .collect()
}

/// One change: when it was seen, and what.
fn line(task: &TaskStatus, now: Timestamp, colour: bool) -> String {
    let phase = painted(task.phase.as_deref(), colour);
    let progress = task.progress.map(|progress| format!(" {progress}%")).unwrap_or_default();
    let message = message(task).map(|message| format!(": {message}")).unwrap_or_default();
    inert(&format!("{} {} {phase}{progress}{message}\n", seconds(now), task.uid))
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::{builder, report, task};
    use super::*;

    fn uids(tasks: Vec<&TaskStatus>) -> Vec<&str> {
        tasks.into_iter().map(|task| task.uid.as_str()).collect()
    }

    #[test]
    fn the_first_answer_shows_the_newest_backup_and_what_runs() {
        let tasks = [
            task("old", "Success", 1),
            task("stuck", "Running", 2),
            task("bad", "Failed", 3),
            task("new", "Success", 4),
        ];
        assert_eq!(uids(changed(None, &report(&mut builder(), &tasks))), ["new", "stuck"]);
    }

    #[test]
    fn a_change_is_a_new_task_phase_or_progress() {
        let mut builder = builder();
        let before = report(&mut builder, &[task("a", "Running", 1), task("b", "Queuing", 2)]);
        let same = report(&mut builder, &[task("b", "Queuing", 2), task("a", "Running", 1)]);
        assert!(before == same && changed(Some(&before), &same).is_empty());
        let mut further = task("a", "Running", 1);
        further.progress = Some(51);
        let after = report(&mut builder, &[further, task("b", "Running", 2), task("c", "Init", 3)]);
        assert_eq!(uids(changed(Some(&before), &after)), ["c", "b", "a"]);
    }

    #[test]
    fn only_a_running_backup_that_is_gone_is_news() {
        let mut builder = builder();
        let before = report(&mut builder, &[task("done", "Success", 1), task("runs", "Running", 2)]);
        let after = report(&mut builder, &[]);
        assert_eq!(uids(vanished(Some(&before), &after)), ["runs"]);
        assert_eq!(after.newest_backup().map(|task| task.uid.as_str()), Some("done"));
    }

    #[test]
    fn a_line_says_when_what_and_how_far() {
        let mut builder = builder();
        let report = report(&mut builder, &[task("a", "Running", 1)]);
        let now = "2023-11-25T09:03:46.7Z".parse().unwrap();
        assert_eq!(line(&report.tasks()[0], now, false), "2023-11-25T09:03:46Z a Running 50%\n");
    }
}
