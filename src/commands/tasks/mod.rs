//! `cce-backup-watch tasks`: polls one cluster as the operator does, without a resource in Kubernetes: to try
//! credentials, to look at a backup, or as a gate in CI.
//!
//! ```text
//! args → poll      credential, then the tasks of the cluster           (the only I/O besides the output)
//!      → report    what the answer says, in the fields of the resource's status
//!      → gate      whether the newest backup is finished                (pure)
//!      → follow    the loop of these, until the gate opens, a signal, or the time-out
//!      → show      the output: table, json, yaml, lines, bar
//! ```
//!
//! A report is made by [`crate::task::record`], so that this command and the operator never disagree.

mod bar;
pub mod credentials;
pub mod error;
pub(crate) mod follow;
pub(crate) mod gate;
pub(crate) mod poll;
pub(crate) mod report;
pub(crate) mod show;
pub(crate) mod table;

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
use crate::serve::logs::{self, LogFormat};

/// Runs the command, and says on standard error why it failed.
pub fn main(args: &TasksArgs) -> ExitCode {
    let result = on_runtime(&args.log_filter, run(args), |error| error);
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

/// Starts the log and runs a command to its end.
pub(crate) fn on_runtime<T, E>(
    log_filter: &str,
    command: impl Future<Output = Result<T, E>>,
    failed: impl FnOnce(Error) -> E,
) -> Result<T, E> {
    logs::start(LogFormat::Text, log_filter);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return Err(failed(Error::Runtime(error))),
    };
    let result = runtime.block_on(command);
    // Dropping the runtime would wait for blocking tasks, such as a DNS lookup, and delay the end of the process.
    runtime.shutdown_background();
    result
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
        Mode::Watch => {
            let show = Show::new(args.output, true, true);
            Follow::new(poll, show, args.interval).run(Gate::newest(args.newer_than), mode, args.output).await
        }
        Mode::Wait { watch, .. } => {
            let show = Show::new(args.output, watch, watch);
            Follow::new(poll, show, args.interval).run(Gate::newest(args.newer_than), mode, args.output).await
        }
    }
}
