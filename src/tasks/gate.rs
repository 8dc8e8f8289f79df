//! When a wait is over, and what the newest backup means for whoever waits. Pure: one look at a time.

use jiff::Timestamp;

use super::report::Report;
use crate::api::TaskStatus;
use crate::controller::plan::record::{FAILED, SUCCESS, born};

/// How the newest backup stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It succeeded.
    Succeeded,
    /// It failed.
    Failed,
    /// It is under way, or there is none.
    Open,
}

impl Verdict {
    /// The exit code of the contract.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Succeeded | Self::Open => 0,
            Self::Failed => 1,
        }
    }
}

/// How the newest backup stands.
pub fn verdict(report: &Report) -> Verdict {
    match report.newest_backup().and_then(|task| task.phase.as_deref()) {
        Some(SUCCESS) => Verdict::Succeeded,
        Some(FAILED) => Verdict::Failed,
        _ => Verdict::Open,
    }
}

/// Waits for the newest backup to be finished.
#[derive(Debug, Default)]
pub struct Gate {
    /// The newest backup that was seen unfinished.
    awaited: Option<(String, Option<Timestamp>)>,
}

impl Gate {
    /// The verdict, once the wait is over.
    ///
    /// Who waited for a running backup must not be let through because it vanished from the list and an older one is
    /// now the newest: then only the same or a newer one ends the wait.
    pub fn look(&mut self, report: &Report) -> Option<Verdict> {
        let newest = report.newest_backup()?;
        if !self.may_follow(report, newest) {
            return None;
        }
        match verdict(report) {
            Verdict::Open => {
                self.awaited = Some((newest.uid.clone(), born(newest)));
                None
            }
            verdict => Some(verdict),
        }
    }

    fn may_follow(&self, report: &Report, newest: &TaskStatus) -> bool {
        self.awaited.as_ref().is_none_or(|(uid, time)| report.task(uid).is_some() || born(newest) > *time)
    }

    /// The backup that is waited for and no longer listed.
    pub fn vanished(&self, report: &Report) -> Option<&str> {
        self.awaited.as_ref().map(|(uid, _)| uid.as_str()).filter(|uid| report.task(uid).is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::{builder, report, rollback, task};
    use super::*;

    #[test]
    fn only_a_failed_backup_fails_a_single_look() {
        for (tasks, verdict, code) in [
            (vec![], Verdict::Open, 0),
            (vec![task("a", "Running", 1)], Verdict::Open, 0),
            (vec![task("a", "Success", 1)], Verdict::Succeeded, 0),
            (vec![task("a", "Failed", 1)], Verdict::Failed, 1),
            (vec![task("a", "failed", 1)], Verdict::Open, 0),
            (vec![task("a", "Failed", 1), task("b", "Success", 2)], Verdict::Succeeded, 0),
            (vec![task("a", "Failed", 1), task("b", "Running", 2)], Verdict::Open, 0),
            (vec![task("a", "Success", 1), task("b", "Failed", 2)], Verdict::Failed, 1),
            (vec![task("a", "Success", 1), rollback(task("b", "Failed", 2))], Verdict::Succeeded, 0),
            (vec![rollback(task("b", "Failed", 2))], Verdict::Open, 0),
        ] {
            let report = report(&mut builder(), &tasks);
            assert_eq!((super::verdict(&report), super::verdict(&report).exit_code()), (verdict, code));
        }
    }

    #[test]
    fn a_wait_ends_when_the_newest_backup_is_finished_and_not_before() {
        let old = || task("old", "Success", 1);
        let looks = [
            (vec![rollback(task("r", "Success", 9))], None),
            (vec![old(), task("new", "Running", 2)], None),
            (vec![old(), task("new", "Pause", 2)], None),
            (vec![old(), task("new", "Success", 2)], Some(Verdict::Succeeded)),
        ];
        let (mut builder, mut gate) = (builder(), Gate::default());
        for (tasks, verdict) in looks {
            assert_eq!(gate.look(&report(&mut builder, &tasks)), verdict);
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
            (vec![old(), task("next", "Failed", 6)], Some(Verdict::Failed)),
        ];
        let (mut builder, mut gate) = (builder(), Gate::default());
        for (tasks, verdict) in looks {
            assert_eq!(gate.look(&report(&mut builder, &tasks)), verdict);
        }
    }

    #[test]
    fn two_backups_of_one_moment_do_not_block_each_other() {
        let (mut builder, mut gate) = (builder(), Gate::default());
        assert_eq!(
            gate.look(&report(&mut builder, &[task("b", "Running", 1), task("a", "Success", 1)])),
            None
        );
        let both = [task("b", "Success", 1), task("a", "Success", 1)];
        assert_eq!(gate.look(&report(&mut builder, &both)), Some(Verdict::Succeeded));
    }
}
