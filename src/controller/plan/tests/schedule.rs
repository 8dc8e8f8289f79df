//! When the next poll and the next look are due.

use super::*;
use crate::controller::plan::schedule::spread;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_watch_is_polled_every_interval_and_faster_while_a_task_runs() {
    let mut watch = Watch::new();
    assert_eq!(watch.answer(&[]).cadence.period, (300 * SECOND));
    assert_eq!(watch.answer(&[running("r", 0, 1)]).cadence.period, (10 * SECOND));
    assert_eq!(watch.answer(&[task("p", "Pause", 0)]).cadence.period, (10 * SECOND));
    assert_eq!(watch.answer(&[rollback(running("r", 0, 1))]).cadence.period, (10 * SECOND));
    assert_eq!(watch.answer(&[task("r", "Success", 0)]).cadence.period, (300 * SECOND));
    assert_eq!(watch.answer(&[failed("f", 1)]).cadence.period, (300 * SECOND));
}

#[test]
fn a_task_is_polled_fast_only_while_it_may_still_end() {
    type Row = (&'static str, Vec<Task>, u64);
    let success = || task("s", "Success", 5);
    let rows: [Row; 7] = [
        ("newer than the newest success", vec![running("r", 9, 1), success()], 10),
        ("older than the newest success", vec![success(), running("r", 0, 1)], 300),
        ("older than the newest failure", vec![failed("f", 5), running("r", 0, 1)], 300),
        ("a rollback older than the newest success", vec![success(), rollback(running("r", 0, 1))], 300),
        ("older than a rollback only", vec![rollback(success()), running("r", 0, 1)], 10),
        ("one older and one newer", vec![running("q", 9, 1), success(), running("r", 0, 1)], 10),
        ("without a time, and a success has one", vec![success(), timeless(running("r", 0, 1))], 300),
    ];
    for (what, tasks, seconds) in rows {
        let mut watch = Watch::new();
        let plan = watch.at(10).answer(&tasks);
        assert_eq!(plan.cadence.period, (u32::try_from(seconds).unwrap() * SECOND), "{what}");
    }
}

#[test]
fn a_stuck_task_is_polled_at_the_interval_until_it_moves() {
    for kind in [|task| task, rollback] {
        let mut watch = Watch::new();
        let polled = |watch: &mut Watch, at, progress| {
            watch.at(at).answer(&[kind(running("r", 0, progress))]).cadence.period
        };
        assert_eq!(polled(&mut watch, 0, 1), 10 * SECOND);
        assert_eq!(polled(&mut watch, 119, 1), 10 * SECOND);
        assert_eq!(polled(&mut watch, 120, 1), 300 * SECOND);
        assert_eq!(polled(&mut watch, 121, 2), 10 * SECOND, "it moves again");
    }
    let mut watch = Watch::new();
    watch.answer(&[running("r", 0, 1)]);
    let plan = watch.at(120).answer(&[running("q", 110, 1), running("r", 0, 1)]);
    assert_eq!(plan.cadence.period, (10 * SECOND), "a newer backup moves beside a stuck one");
}

#[test]
fn no_look_is_due_for_a_task_that_counts_for_nothing() {
    let mut watch = Watch::new();
    let plan = watch.at(10).answer(&[task("s", "Success", 5), running("r", 0, 1)]);
    assert_eq!(plan.judge_after, None);
}

#[test]
fn nothing_is_due_while_suspended() {
    let mut watch = Watch::with(|spec| spec.max_age = Some(hours(26).into()));
    watch.answer(&[running("r", 0, 1), task("s", "Success", 0)]);
    watch.change(|spec| spec.suspend = true);
    assert_eq!(watch.nothing().judge_after, None);
}

#[test]
fn a_look_is_due_just_after_time_alone_changes_the_verdict() {
    type Row = (&'static str, fn(&mut ClusterBackupWatchSpec), Vec<Task>, Option<u64>, &'static str);
    let old: fn(&mut ClusterBackupWatchSpec) = |spec| spec.max_age = Some(hours(1).into());
    let rows: [Row; 8] = [
        ("stale", old, vec![task("s", "Success", 0)], Some(62), "False BackupStale"),
        ("overdue", old, vec![], Some(60), "False NoBackup"),
        ("stuck", |_| (), vec![running("r", 0, 1)], Some(121), "False BackupStuck"),
        ("a success of the future", old, vec![task("s", "Success", 16)], Some(11), "True BackupSucceeded"),
        (
            "a failure, and a success of the future",
            |_| (),
            vec![task("s", "Success", 16), failed("f", 5)],
            Some(11),
            "True BackupSucceeded",
        ),
        (
            "stale before stuck",
            old,
            vec![running("r", 5, 1), task("s", "Success", 0)],
            Some(62),
            "False BackupStale",
        ),
        ("nothing grows old without maxAge", |_| (), vec![task("s", "Success", 0)], None, ""),
        ("a success without a time is stale already", old, vec![timeless(task("s", "Success", 0))], None, ""),
    ];
    for (what, change, tasks, due, then) in rows {
        let mut watch = Watch::with(change);
        let after = watch.at(10).answer(&tasks).judge_after;
        let Some(due) = due else {
            assert_eq!(after, None, "{what}");
            continue;
        };
        let before = watch.says("BackupHealthy");
        let after = after.unwrap_or_else(|| panic!("{what}: no look is due"));
        let wanted = Duration::from_mins(due - 10);
        assert!(after > wanted && after < wanted + SECOND, "{what}: {after:?} is not just after {wanted:?}");

        let due = minute(i64::try_from(due).unwrap());
        watch.now = due - SignedDuration::from_secs(1);
        watch.again();
        assert_eq!(watch.says("BackupHealthy"), before, "{what}: nothing changes before its time");
        watch.at(10).wait(after);
        assert_eq!(watch.nothing().judge_after, Some(Duration::ZERO), "{what}: the cloud is asked at once");
        assert_eq!(watch.says("BackupHealthy"), before, "{what}: nothing changes unasked");
        let plan = watch.again();
        assert_eq!(watch.says("BackupHealthy"), then, "{what}");
        assert_ne!(
            plan.judge_after.map(|next| next < SECOND),
            Some(true),
            "{what}: a look that rang does not ring again"
        );
    }
}

/// A watch that is polled once a day, as an earlier process left it.
fn left(reason: &str, status: &str, observed: i64) -> ClusterBackupWatchStatus {
    serde_json::from_value(serde_json::json!({
        "observedGeneration": observed,
        "conditions": [{
            "type": "Ready", "status": status, "reason": reason, "message": "",
            "lastTransitionTime": "2023-11-25T09:03:46Z"
        }],
    }))
    .unwrap()
}

#[test]
fn after_a_restart_a_watch_waits_no_longer_than_what_it_is_about() {
    const DAY: u64 = 24 * 3600;
    for (reason, status, observed, longest) in [
        ("Polled", "True", 2, Some(DAY)),
        ("Polled", "True", 1, None),
        ("NotYetPolled", "Unknown", 2, None),
        ("Suspended", "True", 2, None),
        ("InvalidResource", "False", 2, None),
        ("AuthenticationFailed", "False", 2, Some(30)),
        ("SecretNotFound", "False", 2, Some(30)),
        ("CloudUnavailable", "False", 2, Some(600)),
    ] {
        let within = spread(&left(reason, status, observed), Some(2), Duration::from_secs(DAY));
        assert_eq!(within, longest.map(Duration::from_secs), "{reason} {observed}");
    }
    let mut status = left("Polled", "True", 2);
    let mut reconciling = status.conditions[0].clone();
    reconciling.type_ = condition::types::RECONCILING.to_owned();
    status.conditions.push(reconciling);
    let within = spread(&status, Some(2), Duration::from_secs(DAY));
    assert_eq!(within, Some(Duration::from_mins(10)), "a requested poll that got no answer");
}
