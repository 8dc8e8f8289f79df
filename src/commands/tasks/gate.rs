//! Decides from one report after another when a wait is over, and with which verdict. Pure: the caller polls, and
//! passes the time.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::report::Report;
use crate::api::TaskStatus;
use crate::task::{FAILED, SUCCESS, born, ended};

/// How a backup stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateResult {
    /// It succeeded.
    Succeeded,
    /// It failed.
    Failed,
    /// It is under way, or there is none.
    Open,
    /// A recent success is asked for, and there is none.
    NotRecent,
}

impl GateResult {
    /// The exit code that `--help` documents.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Succeeded | Self::Open => 0,
            Self::Failed | Self::NotRecent => 1,
        }
    }
}

/// The verdict on one task, whatever its age.
pub fn verdict_of(task: &TaskStatus) -> GateResult {
    match task.phase.as_deref() {
        Some(SUCCESS) => GateResult::Succeeded,
        Some(FAILED) => GateResult::Failed,
        _ => GateResult::Open,
    }
}

/// The verdict on the newest backup, for a command that polls once. With `newer_than`, only a backup that ended within
/// that time counts.
pub fn verdict(report: &Report, newer_than: Option<Duration>, now: Timestamp) -> GateResult {
    let verdict = report.newest_backup().map_or(GateResult::Open, |task| recent(task, newer_than, now));
    if newer_than.is_some() && verdict == GateResult::Open { GateResult::NotRecent } else { verdict }
}

/// The verdict on a task, or `Open` if it did not end within `newer_than`. Without a readable time a failure counts and
/// a success does not, so that the gate fails safe.
fn recent(task: &TaskStatus, newer_than: Option<Duration>, now: Timestamp) -> GateResult {
    let verdict = verdict_of(task);
    let Some(limit) = newer_than else { return verdict };
    let is_within = match ended(task, now) {
        Some(time) => is_within(time, limit, now),
        None => verdict == GateResult::Failed,
    };
    if is_within { verdict } else { GateResult::Open }
}

/// Whether `time` is at most `limit` before `now`.
pub fn is_within(time: Timestamp, limit: Duration, now: Timestamp) -> bool {
    now.duration_since(time) <= SignedDuration::try_from(limit).unwrap_or(SignedDuration::MAX)
}

/// Waits for a backup to be finished.
#[derive(Debug)]
pub struct Gate {
    wanted: Wanted,
    /// The newest backup that was seen unfinished.
    awaited: Option<(String, Option<Timestamp>)>,
}

/// The backup that ends the wait.
#[derive(Debug)]
enum Wanted {
    /// The newest one; with a limit, if it ended within that time.
    Newest(Option<Duration>),
    /// The one with this uid.
    Task(String),
}

impl Gate {
    /// Waits for the newest backup; with `newer_than`, for one that ended within that time.
    pub fn newest(newer_than: Option<Duration>) -> Self {
        Self { wanted: Wanted::Newest(newer_than), awaited: None }
    }

    /// Waits for this backup and no other.
    pub fn task(uid: impl Into<String>) -> Self {
        Self { wanted: Wanted::Task(uid.into()), awaited: None }
    }

    /// The backup that decides, if it is listed.
    pub fn subject<'a>(&self, report: &'a Report) -> Option<&'a TaskStatus> {
        match &self.wanted {
            Wanted::Newest(_) => report.newest_backup(),
            Wanted::Task(uid) => report.task(uid),
        }
    }

    /// The verdict, once the wait is over.
    ///
    /// A running backup may vanish from the list, and an older one is then the newest. That one must not end the wait:
    /// only the awaited backup or a newer one does.
    pub fn look(&mut self, report: &Report, now: Timestamp) -> Option<GateResult> {
        let subject = self.subject(report)?;
        if !self.may_follow(report, subject) {
            return None;
        }
        if verdict_of(subject) == GateResult::Open {
            self.awaited = Some((subject.uid.clone(), born(subject)));
        }
        let newer_than = match self.wanted {
            Wanted::Newest(limit) => limit,
            Wanted::Task(_) => None,
        };
        Some(recent(subject, newer_than, now)).filter(|verdict| *verdict != GateResult::Open)
    }

    fn may_follow(&self, report: &Report, subject: &TaskStatus) -> bool {
        self.awaited.as_ref().is_none_or(|(uid, time)| report.task(uid).is_some() || born(subject) > *time)
    }

    /// The backup that is waited for and no longer listed.
    pub fn vanished(&self, report: &Report) -> Option<&str> {
        self.awaited.as_ref().map(|(uid, _)| uid.as_str()).filter(|uid| report.task(uid).is_none())
    }

    /// What is waited for while no backup that could end the wait is listed.
    pub fn missing(&self) -> String {
        match &self.wanted {
            Wanted::Newest(_) => "no backup is listed".to_owned(),
            Wanted::Task(uid) => format!("the backup {uid} is not listed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::{builder, report, rollback, task};
    use super::*;
    use crate::cloud::Task;

    /// A hundred seconds after the epoch.
    fn now() -> Timestamp {
        Timestamp::from_second(100).unwrap()
    }

    fn untimed(phase: &str) -> Task {
        Task { creation_time: None, ..task("a", phase, 0) }
    }

    #[test]
    fn with_a_limit_only_what_ended_within_it_counts() {
        let within = Some(Duration::from_secs(10));
        let rows = [
            (vec![], GateResult::NotRecent, None),
            (vec![task("a", "Success", 90)], GateResult::Succeeded, Some(GateResult::Succeeded)),
            (vec![task("a", "Success", 89)], GateResult::NotRecent, None),
            (vec![task("a", "Success", 110)], GateResult::Succeeded, Some(GateResult::Succeeded)),
            (vec![task("a", "Success", 1_000)], GateResult::NotRecent, None),
            (vec![untimed("Success")], GateResult::NotRecent, None),
            (vec![task("a", "Failed", 90)], GateResult::Failed, Some(GateResult::Failed)),
            (vec![task("a", "Failed", 89)], GateResult::NotRecent, None),
            (vec![untimed("Failed")], GateResult::Failed, Some(GateResult::Failed)),
            (vec![task("a", "Running", 99)], GateResult::NotRecent, None),
            (vec![task("a", "Success", 95), task("b", "Running", 99)], GateResult::NotRecent, None),
            (
                vec![task("a", "Success", 95), task("b", "Failed", 99)],
                GateResult::Failed,
                Some(GateResult::Failed),
            ),
            (vec![rollback(task("a", "Success", 95))], GateResult::NotRecent, None),
        ];
        for (tasks, once, waited) in rows {
            let report = report(&mut builder(), &tasks);
            assert_eq!(super::verdict(&report, within, now()), once, "{tasks:?}");
            assert_eq!(Gate::newest(within).look(&report, now()), waited, "{tasks:?}");
        }
        assert_eq!(GateResult::NotRecent.exit_code(), 1);
    }

    #[test]
    fn a_wait_for_one_backup_is_for_no_other() {
        let (mut builder, mut gate) = (builder(), Gate::task("mine"));
        for (tasks, verdict) in [
            (vec![task("other", "Success", 9)], None),
            (vec![task("mine", "Running", 5), task("other", "Success", 9)], None),
            (vec![task("other", "Success", 9), task("newer", "Failed", 10)], None),
            (vec![task("mine", "Failed", 5), task("other", "Success", 9)], Some(GateResult::Failed)),
        ] {
            assert_eq!(gate.look(&report(&mut builder, &tasks), now()), verdict, "{tasks:?}");
        }
    }

    #[test]
    fn only_a_failed_backup_fails_a_single_look() {
        for (tasks, verdict, code) in [
            (vec![], GateResult::Open, 0),
            (vec![task("a", "Running", 1)], GateResult::Open, 0),
            (vec![task("a", "Success", 1)], GateResult::Succeeded, 0),
            (vec![task("a", "Failed", 1)], GateResult::Failed, 1),
            (vec![task("a", "failed", 1)], GateResult::Open, 0),
            (vec![task("a", "Failed", 1), task("b", "Success", 2)], GateResult::Succeeded, 0),
            (vec![task("a", "Failed", 1), task("b", "Running", 2)], GateResult::Open, 0),
            (vec![task("a", "Success", 1), task("b", "Failed", 2)], GateResult::Failed, 1),
            (vec![task("a", "Success", 1), rollback(task("b", "Failed", 2))], GateResult::Succeeded, 0),
            (vec![rollback(task("b", "Failed", 2))], GateResult::Open, 0),
        ] {
            let report = report(&mut builder(), &tasks);
            let found = super::verdict(&report, None, now());
            assert_eq!((found, found.exit_code()), (verdict, code));
        }
    }

    #[test]
    fn a_wait_ends_when_the_newest_backup_is_finished_and_not_before() {
        let old = || task("old", "Success", 1);
        let looks = [
            (vec![rollback(task("r", "Success", 9))], None),
            (vec![old(), task("new", "Running", 2)], None),
            (vec![old(), task("new", "Pause", 2)], None),
            (vec![old(), task("new", "Success", 2)], Some(GateResult::Succeeded)),
        ];
        let (mut builder, mut gate) = (builder(), Gate::newest(None));
        for (tasks, verdict) in looks {
            assert_eq!(gate.look(&report(&mut builder, &tasks), now()), verdict);
        }
    }

    #[test]
    fn an_older_backup_never_stands_in_for_a_vanished_one() {
        let old = || task("old", "Success", 1);
        let looks = [
            (vec![old(), task("new", "Running", 5)], None),
            (vec![old()], None),
            (vec![], None),
            (vec![old(), task("older-still-running", "Running", 2)], None),
            (vec![old()], None),
            (vec![old(), task("next", "Failed", 6)], Some(GateResult::Failed)),
        ];
        let (mut builder, mut gate) = (builder(), Gate::newest(None));
        for (tasks, verdict) in looks {
            assert_eq!(gate.look(&report(&mut builder, &tasks), now()), verdict);
        }
    }

    #[test]
    fn two_backups_of_one_moment_do_not_block_each_other() {
        let (mut builder, mut gate) = (builder(), Gate::newest(None));
        assert_eq!(
            gate.look(&report(&mut builder, &[task("b", "Running", 1), task("a", "Success", 1)]), now()),
            None
        );
        let both = [task("b", "Success", 1), task("a", "Success", 1)];
        assert_eq!(gate.look(&report(&mut builder, &both), now()), Some(GateResult::Succeeded));
    }
}
