//! `cce-backup-watch backup`: starts one backup and follows it to its end. The only command that changes anything in
//! the cloud.
//!
//! ```text
//! args → look      the tasks before the request, with the poll of `tasks`
//!      → decide    start one, follow one that runs, or do nothing           (pure)
//!      → start     the POST; after a lost answer, the search for the backup
//!      → follow    the loop of `tasks --wait`, for this one backup
//! ```
//!
//! After a lost answer the request is never sent again, since a second one could start a second backup: this process
//! only reads then. After a refusal that passes it is sent again until the time is up.

mod decide;
mod start;

use self::decide::{Decision, decide};
use crate::cli::{backup::BackupArgs, tasks::Mode};
use crate::cloud::{fault::Fault, target::Target};
use crate::commands::tasks::{
    follow::{Follow, bounded},
    gate::{Gate, GateResult, verdict_of},
    poll::Poll,
    report::Report,
    show::Show,
};
use crate::commands::{
    error::Error,
    moment::{seconds, written},
    which::which,
};

/// Runs the command, and returns its exit code.
pub async fn run(args: &BackupArgs) -> Result<u8, Error> {
    let (target, credential) = which(&args.cluster, &args.credential).await?;
    let poll = Poll::new(target.clone(), &credential, &args.cloud).await?;
    let show = Show::new(args.follow.output, args.follow.watch, true);
    let mut backup = Backup {
        args,
        target,
        follow: Follow::new(poll, show, args.follow.interval),
        gate: Gate::newest(None),
        request: Request::NotSent,
    };
    let outcome = bounded(backup.steps(), Some(args.timeout)).await;
    backup.end(outcome).map(GateResult::exit_code)
}

/// One backup, from the first look to its end.
struct Backup<'a> {
    args: &'a BackupArgs,
    target: Target,
    follow: Follow,
    gate: Gate,
    request: Request,
}

/// How far this process has come with its request.
enum Request {
    /// Nothing was sent.
    NotSent,
    /// The cloud refused the last one, and so nothing was started.
    Refused(Fault),
    /// It was sent, and what came of it is not known; the fault is why, once the answer is lost.
    Sent(Option<Fault>),
    /// This backup is followed.
    Following(String),
}

impl Backup<'_> {
    /// Everything up to the verdict. A time-out or a signal may drop this future at any point; `request` then says how
    /// far it came.
    async fn steps(&mut self) -> Result<GateResult, Error> {
        let before = self.follow.answer().await?;
        let decision = decide(&before, self.args.if_older_than, before.clock().now);
        self.tell(&decision, &before);
        if self.args.dry_run {
            return Ok(GateResult::Open);
        }
        let uid = match decision {
            Decision::Enough(..) => {
                self.follow.show(before)?;
                return Ok(GateResult::Succeeded);
            }
            Decision::Follow(uid) => uid,
            Decision::Start => self.start(before).await?,
        };
        self.request = Request::Following(uid.clone());
        self.gate = Gate::task(&uid);
        if self.args.no_wait {
            return self.listed(&uid).await;
        }
        self.follow.until(&mut self.gate, true).await
    }

    /// Waits until the backup is listed.
    async fn listed(&mut self, uid: &str) -> Result<GateResult, Error> {
        loop {
            let report = self.follow.answer().await?;
            let verdict = report.task(uid).map(verdict_of);
            self.follow.show(report)?;
            if let Some(verdict) = verdict {
                return Ok(verdict);
            }
            tokio::time::sleep(self.args.follow.interval).await;
        }
    }

    /// Says what is about to be done.
    fn tell(&self, decision: &Decision, before: &Report) {
        let Target { region, project_id, cluster_id, cluster_type } = &self.target;
        let cluster =
            format!("the {cluster_type:?} cluster {cluster_id} (project {project_id}, region {region})");
        let would = if self.args.dry_run { "would be " } else { "" };
        self.follow.note(&match decision {
            Decision::Start => {
                let running = before.newest_backup().filter(|task| verdict_of(task) == GateResult::Open);
                let besides = running.map(|task| format!(", besides {}, which is not finished", task.uid));
                format!(
                    "a full backup of the control plane of {cluster} {would}{}{}",
                    if self.args.dry_run { "started" } else { "is requested" },
                    besides.unwrap_or_default()
                )
            }
            Decision::Follow(uid) => {
                let verb = if self.args.dry_run { "followed" } else { "is followed" };
                format!("none is started: the backup {uid} of {cluster} is not finished; it {would}{verb}")
            }
            Decision::Enough(uid, time) => {
                let limit = self.args.if_older_than.map(written).unwrap_or_default();
                let time = seconds(*time);
                format!("none is started: the backup {uid} of {cluster} succeeded at {time}, within the last {limit}")
            }
        });
    }

    /// Writes the result, says what goes on without this process, and returns the verdict.
    fn end(mut self, outcome: Result<Option<GateResult>, Error>) -> Result<GateResult, Error> {
        let mode = Mode::Wait { timeout: self.args.timeout, watch: self.args.follow.watch };
        let is_signalled = matches!(outcome, Err(Error::Signalled(_))) && !self.args.dry_run;
        let is_late = matches!((&outcome, &self.request), (Ok(None), Request::Following(_)));
        if is_signalled || is_late {
            self.follow.note(&self.left_behind());
        }
        let outcome = match (outcome, &mut self.request) {
            // Not a plain time-out: whether a backup was started is not known.
            (Ok(None), Request::Sent(lost)) => {
                let lost = lost.take().unwrap_or_else(|| start::unanswered(&self.target));
                Err(Error::Unknown { lost, found: "the time is up".to_owned() })
            }
            (Ok(None), Request::Refused(fault)) => Err(Error::TimedOut {
                after: written(self.args.timeout),
                state: Error::Refused(fault.clone()).to_string(),
            }),
            (outcome, _) => outcome,
        };
        match outcome {
            Ok(outcome) => Ok(self.follow.end(Ok(outcome), mode, self.args.follow.output, &self.gate)?),
            Err(error) => {
                self.follow.quiet();
                Err(error)
            }
        }
    }

    /// The message on what goes on after this process has ended.
    fn left_behind(&self) -> String {
        match &self.request {
            Request::NotSent | Request::Refused(_) => "ended before a backup was started".to_owned(),
            Request::Sent(_) => {
                "the request for a backup was sent, and whether one was started is not known: look with \
                                 the command tasks before you start another"
                    .to_owned()
            }
            Request::Following(uid) => {
                format!(
                    "the backup {uid} goes on without this command; `cce-backup-watch tasks --wait` follows it"
                )
            }
        }
    }
}
