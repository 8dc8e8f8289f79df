//! The request that starts a backup: what follows from a refusal, and the search for the backup after a lost answer.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Backup, Request,
    decide::{Decision, NewBackups, decide, find},
};
use crate::cloud::{
    fault::{Fault, FaultKind},
    start_backup::StartError,
    target::Target,
};
use crate::commands::error::{Error, told};
use crate::commands::{moment::written, tasks::report::Report};
use crate::task::is_finished;

/// How many polls look for a backup whose answer was lost: the cloud may list it a moment later.
const LOOKS: u32 = 5;

/// The pause after a refusal without a Retry-After: the cloud counts the writes of a minute, refused ones included.
const PAUSE: Duration = Duration::from_mins(1);

impl Backup<'_> {
    /// Starts a backup and returns its uid, or that of one which serves as well. `before` is the report before the
    /// request.
    ///
    /// A refusal proves that nothing was started, so after one that passes the request is sent again, until the time is
    /// up; after a lost answer it never is.
    pub(super) async fn start(&mut self, mut before: Report) -> Result<String, Error> {
        loop {
            let (client, target, credential) = self.follow.poll().ready().await?;
            self.request = Request::Sent(None);
            let fault = match client.start_backup(target, &credential, Timestamp::now()).await {
                Ok(uid) => {
                    self.follow.note(&format!("the backup {uid} is started"));
                    return Ok(uid);
                }
                Err(StartError::Refused(fault)) => fault,
                Err(StartError::Unknown(fault)) => {
                    self.request = Request::Sent(Some(fault.clone()));
                    let why = told(&fault);
                    self.follow
                        .note(&format!("the answer is lost ({why}): looking for the backup among the tasks"));
                    return self.search(&before, fault).await;
                }
            };
            self.request = Request::Refused(fault.clone());
            let (is_busy, is_throttled) = (fault.is_of_busy_cluster(), fault.kind == FaultKind::Throttled);
            let retry_after = fault.retry_after;
            let may_serve = is_busy || fault.kind == FaultKind::RequestRejected;
            let refused = Error::Refused(fault);
            if may_serve {
                before = self.follow.answer().await?;
                if let Some(uid) = self.serves(&before, is_busy) {
                    self.follow.note(&format!("{refused}; the backup {uid} is followed"));
                    return Ok(uid);
                }
            }
            if !is_busy && !is_throttled {
                return Err(refused);
            }
            let pause = retry_after.unwrap_or(PAUSE);
            self.follow.note(&format!("{refused}; the request is sent again in {}", written(pause)));
            tokio::time::sleep(pause).await;
            // Another process may have started one in the meantime.
            before = self.follow.answer().await?;
            if let Some(uid) = self.serves(&before, is_busy) {
                self.follow.note(&format!("the backup {uid} is followed"));
                return Ok(uid);
            }
        }
    }

    /// The backup that serves as well as a new one: what `--if-older-than` says, and one that runs where the cloud refuses
    /// a second one.
    fn serves(&self, report: &Report, is_busy: bool) -> Option<String> {
        match decide(report, self.args.if_older_than, report.clock().now) {
            Decision::Follow(uid) | Decision::Enough(uid, _) => Some(uid),
            Decision::Start => report
                .newest_backup()
                .filter(|task| is_busy && !is_finished(task))
                .map(|task| task.uid.clone()),
        }
    }

    /// The uid of the backup that the request has started, if exactly one can be it.
    async fn search(&mut self, before: &Report, lost: Fault) -> Result<String, Error> {
        for look in 1..=LOOKS {
            let report = match self.follow.answer().await {
                Ok(report) => report,
                Err(error) => return Err(Error::Unknown { lost, found: error.to_string() }),
            };
            match find(before, &report) {
                NewBackups::One(uid) => {
                    self.follow.note(&format!("the backup {uid} is new since the request and is followed"));
                    return Ok(uid);
                }
                NewBackups::Several(uids) => {
                    let found = format!("more than one is new since the request ({})", uids.join(", "));
                    return Err(Error::Unknown { lost, found });
                }
                NewBackups::None if look < LOOKS => tokio::time::sleep(self.args.follow.interval).await,
                NewBackups::None => {}
            }
        }
        Err(Error::Unknown { lost, found: "no new one is listed".to_owned() })
    }
}

/// The fault of a request whose answer was still awaited when the time was up.
pub(super) fn unanswered(target: &Target) -> Fault {
    let message = format!("the endpoint of region {} did not answer in time", target.region);
    Fault::new(FaultKind::CloudUnavailable, message)
}
