//! What is kept of the tasks, the newest success and the newest failure.

use super::*;

fn last_success(w: &Watch) -> Option<(&str, Option<Timestamp>)> {
    w.status.last_success.as_ref().map(|last| (last.uid.as_str(), last.time))
}

fn last_failure(w: &Watch) -> Option<(&str, Option<Timestamp>)> {
    w.status.last_failure.as_ref().map(|last| (last.uid.as_str(), last.time))
}

#[test]
fn tasks_stand_newest_first_by_creation_within_the_limit() {
    let mut watch = Watch::with(|spec| spec.history_limit = 2);
    watch.at(90).answer(&[task("b", "Success", 20), task("c", "Success", 10), failed("a", 30)]);
    assert_eq!(watch.tasks(), ["a", "b"]);
    watch.spec.history_limit = 3;
    watch.answer(&[task("b", "Success", 20), task("c", "Success", 10), failed("a", 30)]);
    assert_eq!(watch.tasks(), ["a", "b", "c"]);
    watch.spec.history_limit = 1;
    watch.answer(&[]);
    assert_eq!(watch.tasks(), ["a"]);
}

#[test]
fn phase_and_progress_are_those_of_the_newest_backup() {
    let phase = |w: &Watch| (w.status.phase.clone(), w.status.progress);
    let mut watch = Watch::new();
    watch.at(50).answer(&[task("s", "Success", 1), running("r", 9, 67), rollback(running("b", 20, 5))]);
    assert_eq!(phase(&watch), (Some("Running".into()), Some(67)), "a rollback is no backup");
    watch.answer(&[task("s", "Success", 1), Task { progress: None, ..running("r", 9, 0) }]);
    assert_eq!(phase(&watch), (Some("Running".into()), None), "progress is absent when the API gives none");
    watch.answer(&[task("s", "Success", 1)]);
    assert_eq!(phase(&watch), (Some("Success".into()), None));
    let mut watch = Watch::new();
    watch.answer(&[running("r", 0, 67)]);
    watch.answer(&[]);
    assert_eq!(phase(&watch), (None, None), "absent when there is none");
    assert_eq!(watch.status.tasks, Some(vec![]));
}

#[test]
fn a_failed_poll_and_a_suspension_erase_nothing() {
    let mut watch = Watch::new();
    watch.at(20).answer(&[running("r", 9, 67), task("s", "Success", 5), failed("f", 1)]);
    let seen = watch.status.clone();
    let record = |status: &ClusterBackupWatchStatus| ClusterBackupWatchStatus {
        conditions: vec![],
        observed_generation: None,
        ..status.clone()
    };
    watch.faults(FaultKind::InvalidResponse, 4);
    assert_eq!(record(&watch.status), record(&seen));
    watch.fault(FaultKind::SecretNotFound);
    assert_eq!(record(&watch.status), record(&seen));
    watch.change(|spec| spec.suspend = true);
    watch.at(9999).nothing();
    assert_eq!(record(&watch.status), record(&seen));
}

#[test]
fn a_shorter_answer_keeps_finished_tasks_and_drops_unfinished_ones() {
    let mut watch = Watch::with(|spec| spec.history_limit = 3);
    watch.at(20).answer(&[running("r", 9, 67), task("s", "Success", 5), failed("f", 1)]);
    watch.answer(&[]);
    assert_eq!(watch.tasks(), ["s", "f"]);
    watch.answer(&[running("r2", 15, 1), task("s2", "Success", 12)]);
    assert_eq!(watch.tasks(), ["r2", "s2", "s"], "a kept task stays until the limit pushes it out");
    watch.answer(&[]);
    assert_eq!(watch.tasks(), ["s2", "s"], "what was pushed out does not come back");
}

#[test]
fn the_record_outlives_a_shorter_or_empty_answer() {
    let mut watch = Watch::with(|spec| spec.history_limit = 1);
    watch.at(20).answer(&[task("s", "Success", 5), failed("f", 1)]);
    for tasks in [vec![], vec![running("r", 18, 1)], vec![task("s0", "Success", 0), failed("f0", -5)]] {
        watch.answer(&tasks);
        assert_eq!(last_success(&watch), Some(("s", Some(minute(7)))));
        assert_eq!(last_failure(&watch), Some(("f", Some(minute(3)))));
    }
    watch.answer(&[running("r", 18, 1), Task { items: vec![], ..failed("f", 1) }]);
    let message = watch.status.last_failure.unwrap().message;
    assert_eq!(message.as_deref(), Some("master-backup: etcd is down"), "also when the API lists it without");
}

#[test]
fn a_task_beyond_the_limit_still_counts_for_the_record() {
    let mut watch = Watch::with(|spec| spec.history_limit = 1);
    watch.at(20).answer(&[running("r", 18, 1), task("s", "Success", 5), failed("f", 1)]);
    assert_eq!(watch.tasks(), ["r"]);
    assert_eq!(last_success(&watch), Some(("s", Some(minute(7)))));
    assert_eq!(last_failure(&watch), Some(("f", Some(minute(3)))));
    assert_eq!(watch.says("BackupHealthy"), "True BackupSucceeded");
}

#[test]
fn the_newest_finished_backup_is_judged_wherever_it_is_on_record() {
    type Row = (&'static str, Vec<Vec<Task>>, &'static str);
    let (s, f, r) = (|at| task("s", "Success", at), |at| failed("f", at), || running("r", 18, 1));
    let rows: [Row; 10] = [
        ("a success, then a running one", vec![vec![s(5), f(1)], vec![r()]], "True BackupSucceeded"),
        ("a failure, then a running one", vec![vec![f(5), s(1)], vec![r()]], "False BackupFailed"),
        (
            "the failure came in an earlier answer",
            vec![vec![s(1)], vec![f(5)], vec![r()]],
            "False BackupFailed",
        ),
        ("the running one vanished", vec![vec![f(5), s(1)], vec![r()], vec![]], "False BackupFailed"),
        ("only older ones are listed again", vec![vec![f(5)], vec![r()], vec![s(1)]], "False BackupFailed"),
        ("both ended at once", vec![vec![s(5), f(5)], vec![r()]], "False BackupFailed"),
        ("a newer success is listed", vec![vec![f(1)], vec![r()], vec![s(5)]], "True BackupSucceeded"),
        (
            "a newer success pushes such a failure out",
            vec![vec![timeless(f(0))], vec![s(25)]],
            "True BackupSucceeded",
        ),
        (
            "a success without a time proves nothing against a failure",
            vec![vec![f(1)], vec![timeless(s(0))]],
            "False BackupFailed",
        ),
        ("nor does one in the future", vec![vec![f(1)], vec![s(9999)]], "False BackupFailed"),
    ];
    for (what, answers, healthy) in rows {
        for limit in [1, 10] {
            let mut watch = Watch::with(|spec| spec.history_limit = limit);
            for tasks in &answers {
                watch.at(20).answer(tasks);
            }
            assert_eq!(watch.says("BackupHealthy"), healthy, "{what}, historyLimit {limit}");
        }
    }
}

#[test]
fn a_success_is_of_its_completion_else_its_update_else_its_creation() {
    let s = || task("s", "Success", 5); // created 5, updated 6, completed 7
    let none = Timestamp::MAX; // stands for "none" below: far in the future, so it never counts
    let rows = [
        ("completion", s(), Some(7)),
        ("update", Task { completion_time: None, ..s() }, Some(6)),
        ("creation", Task { completion_time: None, update_time: None, ..s() }, Some(5)),
        ("no readable time", timeless(s()), None),
        ("completion 5 minutes ahead", Task { completion_time: Some(minute(25)), ..s() }, Some(25)),
        ("completion further ahead", Task { completion_time: Some(none), ..s() }, Some(6)),
        ("update ahead too", Task { completion_time: Some(none), update_time: Some(none), ..s() }, Some(5)),
        ("everything is ahead", task("s", "Success", 999), None),
    ];
    for (what, task, time) in rows {
        let mut watch = Watch::with(|spec| spec.max_age = Some(hours(9999).into()));
        watch.at(20).answer(&[task]);
        assert_eq!(last_success(&watch), Some(("s", time.map(minute))), "{what}");
        let healthy = if time.is_some() { "True BackupSucceeded" } else { "False BackupStale" };
        assert_eq!(watch.says("BackupHealthy"), healthy, "{what}: without a time, maxAge is never satisfied");
    }
    let mut watch = Watch::new();
    let ahead = minute(25) + SignedDuration::from_nanos(1);
    watch.at(20).answer(&[Task { completion_time: Some(ahead), ..s() }]);
    assert_eq!(last_success(&watch), Some(("s", Some(minute(6)))), "a hair more than 5 minutes is too far");
}

#[test]
fn a_success_of_the_future_counts_by_itself_once_its_time_is_believable() {
    // Created, updated and completed 6, 7 and 8 minutes ahead: this host's clock is slow, or the cloud's is fast.
    let mut watch = Watch::new();
    let plan = watch.at(10).answer(&[task("s", "Success", 16)]);
    assert_eq!(last_success(&watch), Some(("s", None)));
    assert!(plan.judge_after.is_some_and(|after| after <= Duration::from_secs(61)), "{:?}", plan.judge_after);
    for (at, time) in [(11, 16), (12, 17), (13, 18), (99, 18)] {
        let mut restarted = Watch { now: minute(at), status: watch.status.clone(), ..Watch::new() };
        restarted.nothing();
        assert_eq!(last_success(&restarted), Some(("s", Some(minute(time)))), "on record, at {at}");
        watch.at(at).again();
        assert_eq!(last_success(&watch), Some(("s", Some(minute(time)))), "answered, at {at}");
    }
    assert_eq!(watch.again().judge_after, None);
}

#[test]
fn no_record_moves_backwards() {
    for record in [last_success, last_failure] {
        let mut watch = Watch::new();
        let both = |uid: &str, at| [task(uid, "Success", at), failed(&format!("f{uid}"), at)];
        watch.at(20).answer(&both("b", 10));
        let newest = record(&watch).map(|(uid, time)| (uid.to_owned(), time));
        let unmoved = |w: &Watch| record(w).map(|(uid, time)| (uid.to_owned(), time)) == newest;
        watch.answer(&both("a", 1));
        assert!(unmoved(&watch), "an older one is listed alone");
        watch.answer(&both("b", 3));
        assert!(unmoved(&watch), "the same one claims an earlier time");
        watch.answer(&both("b", 10).map(timeless));
        assert!(unmoved(&watch), "the same one has lost its times");
        watch.answer(&both("z", 10).map(timeless));
        assert!(unmoved(&watch), "another one has no time");
        watch.answer(&both("b", 11));
        assert_eq!(record(&watch).unwrap().1, Some(minute(13)), "the same one was completed later");
        watch.answer(&both("c", 12));
        assert_eq!(record(&watch).unwrap().1, Some(minute(14)), "a newer one takes its place");
    }
}

#[test]
fn a_rollback_counts_for_no_record() {
    let mut watch = Watch::new();
    watch.at(20).answer(&[rollback(task("b", "Success", 5)), rollback(failed("c", 6))]);
    assert_eq!(watch.tasks(), ["c", "b"], "it is listed");
    assert_eq!((last_success(&watch), last_failure(&watch)), (None, None));
    assert_eq!((watch.status.phase.as_deref(), watch.status.progress), (None, None));
    watch.answer(&[Task { items: vec![], ..task("b", "Success", 5) }]);
    assert_eq!(last_success(&watch), None, "it stays one when the API no longer lists items");
}

#[test]
fn progress_time_is_when_phase_or_progress_last_moved() {
    let moved = |w: &Watch| w.task("r").progress_time;
    let mut watch = Watch::new();
    watch.at(1).answer(&[running("r", 0, 5)]);
    assert_eq!(moved(&watch), Some(minute(1)));
    watch.at(2).answer(&[Task { update_time: Some(minute(2)), ..running("r", 0, 5) }]);
    assert_eq!(moved(&watch), Some(minute(1)), "an update without progress is none");
    watch.at(3).answer(&[running("r", 0, 6)]);
    assert_eq!(moved(&watch), Some(minute(3)));
    watch.at(4).answer(&[Task { progress: Some(6), ..task("r", "Pause", 0) }]);
    assert_eq!(moved(&watch), Some(minute(4)));
    watch.at(130).answer(&[running("r", 0, 6)]);
    assert_eq!(watch.says("BackupHealthy"), "Unknown BackupRunning", "what moved is not stuck");
}

#[test]
fn a_task_that_stood_still_when_it_was_first_seen_moved_no_later_than_it_says() {
    let first_seen = |at, task: Task| {
        let mut watch = Watch::new();
        watch.at(at).answer(&[task]);
        watch.task("r").progress_time.map(|time| (time.as_second() - START) / 60)
    };
    let r = || running("r", 0, 5); // updated at minute 1
    assert_eq!(first_seen(90, r()), Some(1), "its own time, which is earlier");
    assert_eq!(first_seen(0, r()), Some(0), "not a time in the future");
    assert_eq!(first_seen(90, Task { update_time: None, ..r() }), Some(90));
    let mut watch = Watch::new();
    watch.at(90).answer(&[r()]);
    watch.at(91).answer(&[running("r", 0, 6)]);
    assert_eq!(watch.task("r").progress_time, Some(minute(91)), "from then on it is what this operator sees");
}

#[test]
fn a_failure_without_a_time_counts_until_a_success_ends_after_it_was_seen() {
    let (old, f) = (task("s", "Success", 5), timeless(failed("f", 0)));
    let mut watch = Watch::new();
    watch.at(20).answer(std::slice::from_ref(&old));
    watch.at(30).answer(&[old.clone(), f.clone()]);
    assert_eq!(watch.tasks(), ["s", "f"], "where it belongs cannot be told");
    assert_eq!(watch.says("BackupHealthy"), "False BackupFailed");
    watch.at(40).answer(&[]);
    assert_eq!(watch.says("BackupHealthy"), "False BackupFailed", "no longer listed by the API");
    watch.at(50).answer(&[task("t", "Success", 45), old, f]);
    assert_eq!(watch.says("BackupHealthy"), "True BackupSucceeded");
}
