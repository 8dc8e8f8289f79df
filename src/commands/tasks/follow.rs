//! The loop: poll, show what changed, and go on until the newest backup is finished, the time is up, or a signal comes.
//!
//! After a fault that may pass it shows the fault and polls again; any other fault ends the loop. [`super::gate`]
//! decides when the wait is over.

use std::io::ErrorKind;
use std::time::Duration;

use super::{
    gate::{Gate, GateResult},
    poll::Poll,
    report::Report,
    show::{self, Show},
};
use crate::cli::{Output, tasks::Mode};
use crate::commands::{error::Error, moment::written, run::interruptible};
use crate::task::is_finished;

/// A series of polls.
pub struct Follow {
    poll: Poll,
    show: Show,
    interval: Duration,
    /// The last good answer.
    report: Option<Report>,
    /// Why the last poll failed, if it did.
    trouble: Option<String>,
    /// Whether it was said that the clocks differ.
    clock_noted: bool,
}

impl Follow {
    /// Polls once per interval, or later where the cloud asks for more time.
    pub fn new(poll: Poll, show: Show, interval: Duration) -> Self {
        Self { poll, show, interval, report: None, trouble: None, clock_noted: false }
    }

    /// Follows until the gate opens, the time is up, or an error ends the command; then writes the result.
    pub async fn run(mut self, mut gate: Gate, mode: Mode, output: Output) -> Result<GateResult, Error> {
        let timeout = timeout(mode);
        let outcome = bounded(self.until(&mut gate, timeout.is_some()), timeout).await;
        self.end(outcome, mode, output, &gate)
    }

    /// Polls and shows what changes; with `until_finished`, until the gate opens.
    pub async fn until(&mut self, gate: &mut Gate, until_finished: bool) -> Result<GateResult, Error> {
        loop {
            let report = self.answer().await?;
            self.show.report(&report, gate.subject(&report))?;
            let verdict = gate.look(&report, report.clock().now);
            self.report = Some(report);
            if let Some(verdict) = verdict.filter(|_| until_finished) {
                return Ok(verdict);
            }
            // A wait goes on for its exit code. Without one nobody is left to follow for.
            if !until_finished && let Some(lost) = self.show.lost() {
                return Err(lost.into());
            }
            tokio::time::sleep(self.interval).await;
        }
    }

    /// Polls until there is an answer, or a fault that will not pass by itself.
    pub async fn answer(&mut self) -> Result<Report, Error> {
        loop {
            match self.poll.once().await {
                Ok(report) => {
                    self.trouble = None;
                    self.show.answered();
                    if let Some(note) = report.clock().note().filter(|_| !self.clock_noted) {
                        self.clock_noted = true;
                        self.show.note(&note);
                    }
                    return Ok(report);
                }
                Err(error) if error.is_definite() => return Err(error.into()),
                Err(error) => {
                    self.show.trouble(&error);
                    self.trouble = Some(error.to_string());
                    let pause = self.interval.max(error.retry_after().unwrap_or_default());
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// Shows an answer that [`Self::until`] has not seen.
    pub fn show(&mut self, report: Report) -> Result<(), Error> {
        self.show.report(&report, report.newest_backup())?;
        self.report = Some(report);
        Ok(())
    }

    /// Writes a message to standard error.
    pub fn note(&self, text: &str) {
        self.show.note(text);
    }

    /// The [`Poll`], for another call with its client and credential.
    pub fn poll(&mut self) -> &mut Poll {
        &mut self.poll
    }

    /// Removes the bar from the terminal.
    pub fn quiet(&mut self) {
        self.show.end();
    }

    /// Writes the result, unless each change was written as one. An outcome of `None` means that the time was up.
    pub fn end(
        mut self,
        outcome: Result<Option<GateResult>, Error>,
        mode: Mode,
        output: Output,
        gate: &Gate,
    ) -> Result<GateResult, Error> {
        self.show.end();
        let outcome = outcome?;
        // The last state is written after a time-out too.
        let result = match (mode, &self.report) {
            (Mode::Wait { watch: false, .. }, Some(report)) => show::result(report, output),
            _ => match self.show.lost() {
                Some(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
                _ => Ok(()),
            },
        };
        let verdict = outcome.ok_or_else(|| Error::TimedOut {
            after: written(timeout(mode).unwrap_or_default()),
            state: self.state(gate),
        })?;
        // A bad verdict says more than that it could not be written; a good one that nobody can read is none.
        match result {
            Err(error) if verdict.exit_code() == 0 => Err(error),
            _ => Ok(verdict),
        }
    }

    /// The state at the time-out, for the error message.
    fn state(&self, gate: &Gate) -> String {
        if let Some(trouble) = &self.trouble {
            return format!("the last poll failed: {trouble}");
        }
        let Some(report) = &self.report else { return "the cloud gave no answer".to_owned() };
        if let Some(uid) = gate.vanished(report) {
            return format!(
                "the backup {uid} was running and is no longer listed, and no newer one is finished"
            );
        }
        let Some(task) = gate.subject(report) else { return gate.missing() };
        let phase = task.phase.as_deref().unwrap_or("without a phase");
        if is_finished(task) {
            return format!("the newest backup {} is {phase} and ended too long ago", task.uid);
        }
        let progress = task.progress.map(|progress| format!(", {progress}%")).unwrap_or_default();
        format!("the backup {} is still {phase}{progress}", task.uid)
    }
}

fn timeout(mode: Mode) -> Option<Duration> {
    match mode {
        Mode::Wait { timeout, .. } => Some(timeout),
        Mode::Once | Mode::Watch => None,
    }
}

/// Runs a future until it ends, a signal comes, or the time is up, which gives `None`.
pub async fn bounded<T>(
    work: impl Future<Output = Result<T, Error>>,
    timeout: Option<Duration>,
) -> Result<Option<T>, Error> {
    // Boxed, or each layer would hold the whole of it.
    let work = Box::pin(work);
    interruptible(async {
        match timeout {
            // Dropping `work` cancels a request that is under way.
            Some(timeout) => tokio::time::timeout(timeout, work).await.ok().transpose(),
            None => work.await.map(Some),
        }
    })
    .await
}
