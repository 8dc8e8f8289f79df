//! The request that starts a backup: what follows from a refusal, and the search for the backup after a lost answer.

use std::time::Duration;

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
use crate::commands::tasks::{report::Report, show::written};
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
            let refusal = Refusal::of(&fault);
            let refused = Error::Refused(fault.clone());
            if refusal == Refusal::Final {
                return Err(refused);
            }
            if refusal == Refusal::Busy {
                before = self.follow.answer().await?;
                if let Some(uid) = self.serves(&before, true) {
                    self.follow.note(&format!("{refused}; the backup {uid} is followed"));
                    return Ok(uid);
                }
            }
            let pause = fault.retry_after.unwrap_or(PAUSE);
            self.follow.note(&format!("{refused}; the request is sent again in {}", written(pause)));
            tokio::time::sleep(pause).await;
            before = self.follow.answer().await?;
            if let Some(uid) = self.serves(&before, refusal == Refusal::Busy) {
                self.follow.note(&format!("the backup {uid} is followed"));
                return Ok(uid);
            }
        }
    }

    /// The backup that serves as well as a new one: what `--if-older-than` says, and one that `runs` where the cloud
    /// refuses a second one.
    fn serves(&self, report: &Report, runs: bool) -> Option<String> {
        match decide(report, self.args.if_older_than, Timestamp::now()) {
            Decision::Follow(uid) | Decision::Enough(uid, _) => Some(uid),
            Decision::Start => {
                report.newest_backup().filter(|task| runs && !is_finished(task)).map(|task| task.uid.clone())
            }
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

/// What a refusal of the request means for the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// The account has used up its writes of this minute.
    Throttled,
    /// Something runs in this cluster, or it is in a state that passes.
    Busy,
    /// Somebody must act.
    Final,
}

impl Refusal {
    /// By the status and the code. A conflict is one whatever its code.
    fn of(fault: &Fault) -> Self {
        match (fault.http_status, fault.code.as_deref()) {
            (Some(429), Some("CCE.01429002" | "CCE.01429003")) | (Some(409), _) => Self::Busy,
            (Some(400), Some("CCE.01400023")) => Self::Busy,
            // 01403001 is a missing permission, 01403002 a restricted account.
            (Some(403), Some(code)) if ("CCE.01403003"..="CCE.01403009").contains(&code) => Self::Busy,
            (Some(429), _) => Self::Throttled,
            _ => Self::Final,
        }
    }
}

/// The fault of a request whose answer was still awaited when the time was up.
pub(super) fn unanswered(target: &Target) -> Fault {
    let message = format!("the endpoint of region {} did not answer in time", target.region);
    Fault::new(FaultKind::CloudUnavailable, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_whether_the_request_may_be_sent_again() {
        use Refusal::{Busy, Final, Throttled};
        for (status, code, refusal) in [
            (429, Some("APIGW.0308"), Throttled),
            (429, Some("CCE.02429001"), Throttled),
            (429, None, Throttled),
            (429, Some("CCE.01429002"), Busy),
            (429, Some("CCE.01429003"), Busy),
            (409, Some("CCE.01409001"), Busy),
            (409, None, Busy),
            (400, Some("CCE.01400023"), Busy),
            (400, Some("CCE.01400001"), Final),
            (403, Some("CCE.01403001"), Final),
            (403, Some("CCE.01403002"), Final),
            (403, Some("CCE.01403003"), Busy),
            (403, Some("CCE.01403009"), Busy),
            (403, Some("CCE.01403010"), Final),
            (403, Some("CCE.02403003"), Final),
            (403, None, Final),
            (401, None, Final),
            (404, Some("CCE.01404001"), Final),
        ] {
            let fault = Fault {
                http_status: Some(status),
                code: code.map(str::to_owned),
                ..Fault::new(FaultKind::RequestRejected, "no")
            };
            assert_eq!(Refusal::of(&fault), refusal, "{status} {code:?}");
        }
    }
}
