//! `cce-backup-watch tasks`: the same poll as the operator's, without Kubernetes; for trying credentials, for a look at
//! a backup, and as a gate in CI.
//!
//! ```text
//! args → poll      credential, then the tasks of the cluster           (the only I/O besides the output)
//!      → report    what the answer says, in the fields of the resource's status
//!      → gate      whether the newest backup is finished                (pure)
//!      → follow    the loop of these, until the gate opens, a signal, or the time-out
//!      → show      the output: table, json, yaml, lines, bar
//! ```
//!
//! A report is made by [`crate::controller::plan::record`], so that this command and the operator never disagree.

mod bar;
pub mod credentials;
pub mod error;
mod follow;
mod gate;
mod poll;
mod report;
mod show;
mod table;

use std::process::ExitCode;

use jiff::Timestamp;

use self::{
    error::Error,
    follow::Follow,
    gate::{Gate, Verdict},
    poll::Poll,
    show::Show,
};
use crate::cli::tasks::{Mode, TasksArgs};
use crate::serve::telemetry::{self, LogFormat};

/// Runs the command, and says on standard error why it failed.
pub fn main(args: &TasksArgs) -> ExitCode {
    telemetry::start(LogFormat::Text, &args.log_filter);
    let result = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(Error::Runtime);
    let result = result.and_then(|runtime| {
        let result = runtime.block_on(run(args));
        // What is still under way must not keep the process from ending.
        runtime.shutdown_background();
        result
    });
    match result {
        Ok(verdict) => ExitCode::from(verdict.exit_code()),
        Err(error) => {
            if !error.is_silent() {
                eprintln!("error: {error}");
            }
            ExitCode::from(error.exit_code())
        }
    }
}

async fn run(args: &TasksArgs) -> Result<Verdict, Error> {
    let (target, mode) = (args.cluster.target()?, args.mode()?);
    let mut poll = Poll::new(target, &args.credential, &args.cloud).await?;
    match mode {
        Mode::Once => {
            let report = poll.once().await?;
            show::result(&report, args.output)?;
            let verdict = gate::verdict(&report, args.newer_than, Timestamp::now());
            if let (Verdict::NotRecent, Some(limit)) = (verdict, args.newer_than) {
                eprintln!("the newest backup is no success of the last {}", show::written(limit));
            }
            Ok(verdict)
        }
        Mode::Watch | Mode::Wait { .. } => {
            let show = Show::new(args.output, mode);
            let gate = Gate::newest(args.newer_than);
            Follow::new(poll, show, args.interval, gate).run(mode, args.output).await
        }
    }
}
