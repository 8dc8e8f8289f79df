//! The one request that starts a backup, and the search for the backup after a lost answer.

use jiff::Timestamp;

use super::{
    Backup, Request,
    decide::{Decision, Found, decide, find},
};
use crate::cloud::{
    fault::{Fault, FaultKind},
    start_backup::StartError,
    target::Target,
};
use crate::commands::error::{Error, told};
use crate::commands::tasks::report::Report;

/// How many polls look for a backup whose answer was lost: the cloud may list it a moment later.
const LOOKS: u32 = 5;

impl Backup<'_> {
    /// Starts a backup and returns its uid. `before` is the report before the request.
    pub(super) async fn start(&mut self, before: &Report) -> Result<String, Error> {
        let (client, target, credential) = self.follow.poll().ready().await?;
        self.request = Request::Sent(None);
        match client.start_backup(target, &credential, Timestamp::now()).await {
            Ok(uid) => {
                self.follow.note(&format!("the backup {uid} is started"));
                Ok(uid)
            }
            Err(StartError::Refused(fault)) => {
                self.request = Request::NotSent;
                self.instead(fault).await
            }
            Err(StartError::Unknown(fault)) => {
                self.request = Request::Sent(Some(fault.clone()));
                let why = told(&fault);
                self.follow
                    .note(&format!("the answer is lost ({why}): looking for the backup among the tasks"));
                self.search(before, fault).await
            }
        }
    }

    /// After a refusal with `--if-older-than`: the uid of a backup that another process started in the meantime, if
    /// there is one that serves as well.
    async fn instead(&mut self, fault: Fault) -> Result<String, Error> {
        if self.args.if_older_than.is_none()
            || !(fault.is_of_busy_cluster() || fault.kind == FaultKind::RequestRejected)
        {
            return Err(Error::Refused(fault));
        }
        let report = self.follow.answer().await?;
        match decide(&report, self.args.if_older_than, Timestamp::now()) {
            Decision::Follow(uid) | Decision::Enough(uid, _) => {
                self.follow.note(&format!("{}; the backup {uid} is followed", Error::Refused(fault)));
                Ok(uid)
            }
            Decision::Start => Err(Error::Refused(fault)),
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
                Found::One(uid) => {
                    self.follow.note(&format!("the backup {uid} is new since the request and is followed"));
                    return Ok(uid);
                }
                Found::Several(uids) => {
                    let found = format!("more than one is new since the request ({})", uids.join(", "));
                    return Err(Error::Unknown { lost, found });
                }
                Found::None if look < LOOKS => tokio::time::sleep(self.args.follow.interval).await,
                Found::None => {}
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
