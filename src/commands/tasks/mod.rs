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
pub(crate) mod follow;
pub(crate) mod gate;
pub(crate) mod poll;
pub(crate) mod report;
pub(crate) mod show;
pub(crate) mod table;

use self::{
    follow::Follow,
    gate::{Gate, GateResult},
    poll::Poll,
    show::Show,
};
use crate::cli::{
    FollowArgs,
    tasks::{Mode, TasksArgs},
};
use crate::commands::{error::Error, moment::written, output::note, recording::Recorder, which::which};

/// Runs the command, and returns its exit code.
pub async fn run(args: &TasksArgs) -> Result<u8, Error> {
    let mode = args.mode()?;
    let (target, credential) = which(&args.cluster, &args.credential).await?;
    // Not before the flags are known to be of use: the corrected command would find the file there.
    let recorder = args.record.as_deref().map(Recorder::create).transpose()?;
    let tap = recorder.as_ref().map(Recorder::tap);
    let poll = Poll::tapped(target, &credential, &args.cloud, tap).await?;
    let verdict = verdict(args, mode, poll).await;
    let told = recorder.map_or_else(|| Ok(Vec::new()), |recorder| recorder.told());
    match (verdict.map(GateResult::exit_code), told) {
        // Whoever records asked for a file; but no file is worth another verdict.
        (Ok(0), Err(broken)) => Err(broken),
        (verdict, told) => {
            told.unwrap_or_else(|broken| vec![broken.to_string()]).into_iter().for_each(note);
            verdict
        }
    }
}

async fn verdict(args: &TasksArgs, mode: Mode, mut poll: Poll) -> Result<GateResult, Error> {
    let FollowArgs { output, interval, .. } = args.follow;
    match mode {
        Mode::Once => {
            let report = poll.once().await?;
            if let Some(said) = report.clock().note() {
                note(format_args!("{said}"));
            }
            show::result(&report, output)?;
            let verdict = gate::verdict(&report, args.newer_than, report.clock().now);
            if let (GateResult::NotRecent, Some(limit)) = (verdict, args.newer_than) {
                note(format_args!("the newest backup is no success of the last {}", written(limit)));
            }
            Ok(verdict)
        }
        Mode::Watch => {
            let show = Show::new(output, true, true);
            Follow::new(poll, show, interval).run(Gate::newest(args.newer_than), mode, output).await
        }
        Mode::Wait { watch, .. } => {
            let show = Show::new(output, watch, watch);
            Follow::new(poll, show, interval).run(Gate::newest(args.newer_than), mode, output).await
        }
    }
}
