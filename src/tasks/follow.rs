//! The loop: poll, show what changed, and go on until the newest backup is finished, the time is up, or a signal comes.
//!
//! A fault that may pass is shown and asked past; one that will not ends the loop. When a wait is over is left to
//! [`super::gate`].

use std::time::Duration;

use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};

use super::{
    error::Error,
    gate::{Gate, Verdict},
    poll::Poll,
    report::Report,
    show::{self, Show},
};
use crate::cli::tasks::{Mode, Output};
use crate::controller::plan::record::is_finished;

/// A series of polls.
pub struct Follow {
    poll: Poll,
    show: Show,
    interval: Duration,
    gate: Gate,
    /// The last good answer.
    report: Option<Report>,
    /// Why the last poll failed, if it did.
    trouble: Option<String>,
}

impl Follow {
    /// Polls that often, unless the cloud asks for more time, until the gate opens.
    pub fn new(poll: Poll, show: Show, interval: Duration, gate: Gate) -> Self {
        Self { poll, show, interval, gate, report: None, trouble: None }
    }

    /// Follows until the verdict, or the error that ends the command.
    pub async fn run(mut self, mode: Mode, output: Output) -> Result<Verdict, Error> {
        let timeout = match mode {
            Mode::Wait { timeout, .. } => Some(timeout),
            Mode::Once | Mode::Watch => None,
        };
        let ended = signalled()?;
        let outcome = tokio::select! {
            outcome = self.looks(timeout.is_some()) => outcome.map(Some),
            signal = ended => Err(Error::Signalled(signal)),
            // The time is up even while an answer is awaited.
            () = elapsed(timeout) => Ok(None),
        };
        self.show.end();
        let outcome = outcome?;
        // Whoever waited wants to see what for, even if it did not come.
        if let (Mode::Wait { watch: false, .. }, Some(report)) = (mode, &self.report) {
            show::result(report, output)?;
        }
        outcome.ok_or_else(|| Error::TimedOut {
            after: show::written(timeout.unwrap_or_default()),
            state: self.state(),
        })
    }

    async fn looks(&mut self, until_finished: bool) -> Result<Verdict, Error> {
        loop {
            let mut pause = self.interval;
            match self.poll.once().await {
                Ok(report) => {
                    self.trouble = None;
                    self.show.report(&report, self.gate.subject(&report))?;
                    let verdict = self.gate.look(&report, Timestamp::now());
                    self.report = Some(report);
                    if let Some(verdict) = verdict.filter(|_| until_finished) {
                        return Ok(verdict);
                    }
                }
                Err(error) if error.is_definite() => return Err(error.into()),
                Err(error) => {
                    self.show.trouble(&error);
                    self.trouble = Some(error.to_string());
                    pause = pause.max(error.retry_after().unwrap_or_default());
                }
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// How things stand, for whoever waited in vain.
    fn state(&self) -> String {
        if let Some(trouble) = &self.trouble {
            return format!("the last poll failed: {trouble}");
        }
        let Some(report) = &self.report else { return "the cloud gave no answer".to_owned() };
        if let Some(uid) = self.gate.vanished(report) {
            return format!(
                "the backup {uid} was running and is no longer listed, and no newer one is finished"
            );
        }
        let Some(task) = self.gate.subject(report) else { return self.gate.missing() };
        let phase = task.phase.as_deref().unwrap_or("without a phase");
        if is_finished(task) {
            return format!("the newest backup {} is {phase} and ended too long ago", task.uid);
        }
        let progress = task.progress.map(|progress| format!(", {progress}%")).unwrap_or_default();
        format!("the backup {} is still {phase}{progress}", task.uid)
    }
}

/// The number of the signal that asks this process to end, once it comes.
fn signalled() -> Result<impl Future<Output = u8>, Error> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Runtime)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Runtime)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => 2,
            _ = terminate.recv() => 15,
        }
    })
}

async fn elapsed(timeout: Option<Duration>) {
    match timeout {
        Some(timeout) => tokio::time::sleep(timeout).await,
        None => std::future::pending().await,
    }
}
