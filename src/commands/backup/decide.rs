//! Decides from the listed tasks whether to start a backup, and finds one whose answer was lost. Pure: no I/O, and the
//! time is passed in.

use std::time::Duration;

use jiff::Timestamp;

use crate::api::TaskStatus;
use crate::commands::tasks::{gate::is_within, report::Report};
use crate::task::{SUCCESS, born, ended, is_backup, is_finished};

/// What to do before anything is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Start a backup.
    Start,
    /// Follow this one, which runs already.
    Follow(String),
    /// Do nothing: this one succeeded at that time.
    Enough(String, Timestamp),
}

/// Decides by what is listed. Without `if_older_than` a backup is started whatever there is.
pub fn decide(report: &Report, if_older_than: Option<Duration>, now: Timestamp) -> Decision {
    let Some(limit) = if_older_than else { return Decision::Start };
    // An unfinished backup counts only while it is the newest, as in the status: one that a newer backup has overtaken
    // may never finish.
    if let Some(running) = report.newest_backup().filter(|task| !is_finished(task)) {
        return Decision::Follow(running.uid.clone());
    }
    let successes = backups(report).filter(|task| task.phase.as_deref() == Some(SUCCESS));
    let newest = successes.filter_map(|task| Some((ended(task, now)?, task))).max_by_key(|(time, _)| *time);
    match newest {
        Some((time, task)) if is_within(time, limit, now) => Decision::Enough(task.uid.clone(), time),
        _ => Decision::Start,
    }
}

/// The result of [`find`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewBackups {
    /// None is listed that could be it.
    None,
    /// This one.
    One(String),
    /// More than one could be it.
    Several(Vec<String>),
}

/// Looks for the backup that a request started whose answer was lost: one that was not listed `before` the request and
/// is younger than all that were. Times are compared with each other and never with this host's clock, which may differ
/// from the cloud's by minutes.
pub fn find(before: &Report, after: &Report) -> NewBackups {
    let youngest = backups(before).filter_map(born).max();
    let is_new = |task: &&TaskStatus| {
        before.task(&task.uid).is_none()
            && born(task).is_none_or(|time| youngest.is_none_or(|known| time >= known))
    };
    let mut found: Vec<_> = backups(after).filter(is_new).map(|task| task.uid.clone()).collect();
    match found.len() {
        0 => NewBackups::None,
        1 => NewBackups::One(found.remove(0)),
        _ => NewBackups::Several(found),
    }
}

fn backups(report: &Report) -> impl Iterator<Item = &TaskStatus> {
    report.tasks().iter().filter(|task| is_backup(task))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::Task;
    use crate::commands::tasks::report::tests::{builder, report, rollback, task};

    const HOUR: Duration = Duration::from_hours(1);

    /// All times are seconds after the epoch. The report is built at second 100, the decision is made at second 10,000.
    fn decided(tasks: &[Task], if_older_than: Option<Duration>) -> Decision {
        decide(&report(&mut builder(), tasks), if_older_than, Timestamp::from_second(10_000).unwrap())
    }

    #[test]
    fn without_a_limit_a_backup_is_started_whatever_there_is() {
        for tasks in [vec![], vec![task("a", "Running", 9_999)], vec![task("a", "Success", 9_999)]] {
            assert_eq!(decided(&tasks, None), Decision::Start);
        }
    }

    #[test]
    fn with_a_limit_only_what_is_missing_is_started() {
        let second = |second| Timestamp::from_second(second).unwrap();
        let untimed = Task { creation_time: None, ..task("a", "Success", 0) };
        for (tasks, decision) in [
            (vec![], Decision::Start),
            (vec![task("a", "Success", 6_400)], Decision::Enough("a".into(), second(6_400))),
            (vec![task("a", "Success", 6_399)], Decision::Start),
            (vec![untimed], Decision::Start),
            (vec![task("a", "Success", 20_000)], Decision::Start),
            (vec![task("a", "Failed", 9_999)], Decision::Start),
            (
                vec![task("a", "Success", 9_000), task("b", "Failed", 9_999)],
                Decision::Enough("a".into(), second(9_000)),
            ),
            (vec![task("a", "Success", 9_000), task("b", "Init", 9_999)], Decision::Follow("b".into())),
            (vec![task("a", "Running", 1), task("b", "Failed", 9_000)], Decision::Start),
            (vec![rollback(task("a", "Running", 9_999))], Decision::Start),
            (vec![rollback(task("a", "Success", 9_999))], Decision::Start),
        ] {
            assert_eq!(decided(&tasks, Some(HOUR)), decision, "{tasks:?}");
        }
    }

    #[test]
    fn a_lost_backup_is_the_one_that_is_new_and_younger_than_the_rest() {
        let untimed = |uid: &str| Task { creation_time: None, ..task(uid, "Init", 0) };
        let old = || task("old", "Success", 50);
        for (after, found) in [
            (vec![old()], NewBackups::None),
            (vec![], NewBackups::None),
            (vec![old(), task("new", "Init", 60)], NewBackups::One("new".into())),
            (vec![task("new", "Failed", 60)], NewBackups::One("new".into())),
            (vec![old(), untimed("new")], NewBackups::One("new".into())),
            // Created before the listed one, so not by the request: an earlier answer may have left it out.
            (vec![old(), task("older", "Success", 40)], NewBackups::None),
            (vec![old(), rollback(task("new", "Running", 60))], NewBackups::None),
            (
                vec![old(), task("a", "Init", 60), task("b", "Init", 61)],
                NewBackups::Several(vec!["b".into(), "a".into()]),
            ),
        ] {
            let before = report(&mut builder(), &[old()]);
            assert_eq!(find(&before, &report(&mut builder(), &after)), found, "{after:?}");
        }
        let empty = report(&mut builder(), &[]);
        assert_eq!(find(&empty, &report(&mut builder(), &[old()])), NewBackups::One("old".into()));
    }
}
