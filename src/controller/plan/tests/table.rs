//! The table of the two verdicts, line by line, and the rules beneath it.

use std::time::Duration;

use super::*;
use FaultKind::{
    AuthenticationFailed, ClockSkew, CloudUnavailable, ClusterNotFound, CredentialsNotAllowed,
    InvalidResponse, PermissionDenied, RequestRejected, SecretInvalid, SecretNotFound, Throttled,
};

/// The situation, how it came about, then `Ready`, `BackupHealthy`, and the condition that is also set.
type Row = (&'static str, fn(&mut Watch), &'static str, &'static str, &'static str);

fn good(w: &mut Watch) {
    w.at(10).answer(&[task("s", "Success", 5)]);
}

fn max_age(w: &mut Watch) {
    w.spec.max_age = Some(hours(26).into());
}

#[rustfmt::skip]
const TABLE: &[Row] = &[
    ("never polled", |w| w.faults(Throttled, 2), "Unknown NotYetPolled", "Unknown NotYetPolled", "Reconciling"),
    ("newest finished is a Success, no maxAge", |w| { w.at(99_999).answer(&[task("s", "Success", 5)]); }, "True Polled", "True BackupSucceeded", ""),
    ("newest finished is a Success within maxAge", |w| { max_age(w); good(w); }, "True Polled", "True BackupSucceeded", ""),
    ("a Success, and the next backup runs", |w| { w.at(10).answer(&[task("s", "Success", 5), running("r", 8, 1)]); }, "True Polled", "True BackupSucceeded", ""),
    ("newest finished Failed", |w| { w.at(10).answer(&[failed("f", 5), task("s", "Success", 1)]); }, "True Polled", "False BackupFailed", ""),
    ("a Failed, and the next backup runs", |w| { w.at(10).answer(&[failed("f", 5), running("r", 8, 1)]); }, "True Polled", "False BackupFailed", ""),
    ("Failed, then healed", |w| { w.at(10).answer(&[failed("f", 5)]); w.answer(&[failed("f", 5), task("s", "Success", 7)]); }, "True Polled", "True BackupSucceeded", ""),
    ("last success older than maxAge", |w| { max_age(w); w.at(8 + 26 * 60).answer(&[task("s", "Success", 5)]); }, "True Polled", "False BackupStale", ""),
    ("last success grows old though nothing else changes", |w| { max_age(w); good(w); w.at(8 + 26 * 60).again(); }, "True Polled", "False BackupStale", ""),
    ("last success stale, the next backup runs", |w| { max_age(w); w.at(8 + 26 * 60).answer(&[task("s", "Success", 5), running("r", 26 * 60, 5)]); }, "True Polled", "False BackupStale", ""),
    ("running without progress for stuckAfter", |w| { w.answer(&[running("r", 0, 5)]); w.at(120).answer(&[running("r", 0, 5)]); }, "True Polled", "False BackupStuck", ""),
    ("gets stuck though nothing else changes", |w| { w.answer(&[running("r", 0, 5)]); w.at(120).again(); }, "True Polled", "False BackupStuck", ""),
    ("first seen when it has stood still for stuckAfter", |w| { w.at(180).answer(&[running("r", 0, 5)]); }, "True Polled", "False BackupStuck", ""),
    ("first seen long after it began, and it moved just now", |w| { w.at(180).answer(&[Task { update_time: Some(minute(179)), ..running("r", 0, 5) }]); }, "True Polled", "Unknown BackupRunning", ""),
    ("first seen with an update in the future", |w| { w.answer(&[Task { update_time: Some(minute(99)), ..running("r", 0, 5) }]); w.at(120).again(); }, "True Polled", "False BackupStuck", ""),
    ("a success of the future does not meet maxAge", |w| { max_age(w); w.at(10).answer(&[task("s", "Success", 16)]); }, "True Polled", "False BackupStale", ""),
    ("a success of the future, and its time comes", |w| { max_age(w); w.at(10).answer(&[task("s", "Success", 16)]); w.at(11).again(); }, "True Polled", "True BackupSucceeded", ""),
    ("a failure, and a success of the future", |w| { w.at(10).answer(&[failed("f", 5), task("s", "Success", 16)]); }, "True Polled", "False BackupFailed", ""),
    ("a failure, a success of the future, and its time comes", |w| { w.at(10).answer(&[failed("f", 5), task("s", "Success", 16)]); w.at(11).again(); }, "True Polled", "True BackupSucceeded", ""),
    ("no phase at all counts as running", |w| { w.at(1).answer(&[Task { phase: None, ..running("r", 0, 5) }]); }, "True Polled", "Unknown BackupRunning", ""),
    ("none finished, one running", |w| { w.at(1).answer(&[running("r", 0, 5)]); }, "True Polled", "Unknown BackupRunning", ""),
    ("none finished, maxAge passed, one running", |w| { max_age(w); w.at(9999).answer(&[running("r", 9998, 5)]); }, "True Polled", "Unknown BackupRunning", ""),
    ("no task at all", |w| { w.answer(&[]); }, "True Polled", "Unknown NoBackup", ""),
    ("no task at all for long, but no maxAge", |w| { w.at(99_999).answer(&[]); }, "True Polled", "Unknown NoBackup", ""),
    ("no task at all, maxAge not yet passed", |w| { max_age(w); w.at(26 * 60).answer(&[]); }, "True Polled", "Unknown NoBackup", ""),
    ("no task at all, maxAge passed since creation", |w| { max_age(w); w.at(26 * 60 + 1).answer(&[]); }, "True Polled", "False NoBackup", ""),
    ("no task at all, and then maxAge passes", |w| { max_age(w); w.answer(&[]); w.at(26 * 60 + 1).again(); }, "True Polled", "False NoBackup", ""),
    ("only a rollback, whatever its phase", |w| { w.at(9).answer(&[rollback(task("b", "Failed", 5))]); }, "True Polled", "Unknown NoBackup", ""),
    ("a rollback fails after a Success", |w| { w.at(9).answer(&[rollback(task("b", "Failed", 5)), task("s", "Success", 1)]); }, "True Polled", "True BackupSucceeded", ""),
    ("a rollback succeeds after a failure", |w| { w.at(9).answer(&[rollback(task("b", "Success", 5)), failed("f", 1)]); }, "True Polled", "False BackupFailed", ""),
    ("a rollback stands still", |w| { w.answer(&[rollback(running("b", 0, 1))]); w.at(999).again(); }, "True Polled", "Unknown NoBackup", ""),
    ("one failure before the first answer", |w| w.faults(Throttled, 1), "Unknown NotYetPolled", "Unknown NotYetPolled", "Reconciling"),
    ("two failures after an answer", |w| { good(w); w.faults(CloudUnavailable, 2); }, "True Polled", "True BackupSucceeded", ""),
    ("old and stale on record, and nothing new", |w| { max_age(w); good(w); w.at(9999).nothing(); }, "True Polled", "True BackupSucceeded", ""),
    ("staleness waits while polls fail", |w| { max_age(w); good(w); w.faults(CloudUnavailable, 2); w.at(9999).nothing(); }, "True Polled", "True BackupSucceeded", ""),
    ("an answer between failures", |w| { w.faults(Throttled, 2); good(w); w.faults(Throttled, 2); }, "True Polled", "True BackupSucceeded", ""),
    ("3 x Throttled", |w| { good(w); w.faults(Throttled, 3); }, "False Throttled", "Unknown PollFailing", "Reconciling"),
    ("3 x CloudUnavailable", |w| w.faults(CloudUnavailable, 3), "False CloudUnavailable", "Unknown PollFailing", "Reconciling"),
    ("3 x InvalidResponse", |w| { good(w); w.faults(InvalidResponse, 3); }, "False InvalidResponse", "Unknown PollFailing", "Reconciling"),
    ("3 failures of mixed kinds", |w| { w.faults(Throttled, 2); w.fault(CloudUnavailable); }, "False CloudUnavailable", "Unknown PollFailing", "Reconciling"),
    ("3 failures, then a look without a poll", |w| { good(w); w.faults(Throttled, 3); w.at(99).nothing(); }, "False Throttled", "Unknown PollFailing", "Reconciling"),
    ("blind, and a restart forgot how many failed", |w| { good(w); w.faults(Throttled, 3); w.failures = 0; w.fault(CloudUnavailable); }, "False Throttled", "Unknown PollFailing", "Reconciling"),
    ("AuthenticationFailed at once", |w| { good(w); w.fault(AuthenticationFailed); }, "False AuthenticationFailed", "Unknown PollFailing", "Stalled"),
    ("PermissionDenied at once", |w| { good(w); w.fault(PermissionDenied); }, "False PermissionDenied", "Unknown PollFailing", "Stalled"),
    ("ClusterNotFound at once", |w| { w.fault(ClusterNotFound); }, "False ClusterNotFound", "Unknown PollFailing", "Stalled"),
    ("RequestRejected at once", |w| { w.fault(RequestRejected); }, "False RequestRejected", "Unknown PollFailing", "Stalled"),
    ("SecretNotFound at once", |w| { w.fault(SecretNotFound); }, "False SecretNotFound", "Unknown PollFailing", "Stalled"),
    ("SecretInvalid at once", |w| { w.fault(SecretInvalid); }, "False SecretInvalid", "Unknown PollFailing", "Stalled"),
    ("CredentialsNotAllowed at once", |w| { w.fault(CredentialsNotAllowed); }, "False CredentialsNotAllowed", "Unknown PollFailing", "Stalled"),
    ("ClockSkew at once", |w| { w.fault(ClockSkew); }, "False ClockSkew", "Unknown PollFailing", "Stalled"),
    ("stalled, then throttled once", |w| { w.fault(SecretNotFound); w.failures = 0; w.fault(Throttled); }, "False SecretNotFound", "Unknown PollFailing", "Stalled"),
    ("stalled, then throttled for long", |w| { w.fault(SecretNotFound); w.faults(Throttled, 2); }, "False Throttled", "Unknown PollFailing", "Reconciling"),
    ("stalled, then answered", |w| { w.fault(SecretNotFound); good(w); }, "True Polled", "True BackupSucceeded", ""),
    ("suspended before the first poll", |w| { w.spec.suspend = true; w.nothing(); }, "True Suspended", "Unknown NotYetPolled", ""),
    ("suspended while good", |w| { good(w); w.spec.suspend = true; w.nothing(); }, "True Suspended", "True BackupSucceeded", ""),
    ("suspended, and time passes", |w| { max_age(w); good(w); w.spec.suspend = true; w.at(9999).nothing(); }, "True Suspended", "True BackupSucceeded", ""),
    ("suspended while stalled", |w| { w.fault(SecretNotFound); w.spec.suspend = true; w.nothing(); }, "True Suspended", "Unknown PollFailing", ""),
    ("suspended with an answer still under way", |w| { good(w); w.spec.suspend = true; w.answer(&[failed("f", 9)]); }, "True Suspended", "True BackupSucceeded", ""),
    ("resumed", |w| { good(w); w.spec.suspend = true; w.nothing(); w.spec.suspend = false; w.nothing(); }, "Unknown NotYetPolled", "True BackupSucceeded", "Reconciling"),
    ("resumed, and the first poll fails", |w| { good(w); w.spec.suspend = true; w.nothing(); w.spec.suspend = false; w.fault(Throttled); }, "Unknown NotYetPolled", "True BackupSucceeded", "Reconciling"),
    ("resumed and answered", |w| { w.spec.suspend = true; w.nothing(); w.spec.suspend = false; good(w); }, "True Polled", "True BackupSucceeded", ""),
    ("Failed comes before Stuck", |w| { w.answer(&[running("r", 0, 1)]); w.at(120).answer(&[running("r", 0, 1), failed("f", -9)]); }, "True Polled", "False BackupFailed", ""),
    ("Failed comes before Stale", |w| { max_age(w); w.at(9999).answer(&[failed("f", 9), task("s", "Success", 1)]); }, "True Polled", "False BackupFailed", ""),
    ("Stuck comes before Stale", |w| { max_age(w); w.answer(&[running("r", 0, 1)]); w.at(9999).answer(&[running("r", 0, 1), task("s", "Success", -9)]); }, "True Polled", "False BackupStuck", ""),
    ("Stuck comes before Succeeded", |w| { w.answer(&[running("r", 0, 1)]); w.at(120).answer(&[running("r", 0, 1), task("s", "Success", -9)]); }, "True Polled", "False BackupStuck", ""),
    ("Stuck comes before Running", |w| { w.answer(&[running("r", 0, 1)]); w.at(120).answer(&[running("q", 110, 1), running("r", 0, 1)]); }, "True Polled", "False BackupStuck", ""),
    ("an old task never ended, and a newer one succeeded", |w| { w.answer(&[running("r", 0, 1)]); w.at(120).answer(&[task("s", "Success", 9), running("r", 0, 1)]); }, "True Polled", "True BackupSucceeded", ""),
    ("an old task never ended, and a newer one is stale", |w| { max_age(w); w.answer(&[running("r", 0, 1)]); w.at(9999).answer(&[task("s", "Success", 9), running("r", 0, 1)]); }, "True Polled", "False BackupStale", ""),
    ("an old task never ended, and the list came short", |w| { w.answer(&[task("s", "Success", 9), running("r", 0, 1)]); w.at(120).answer(&[running("r", 0, 1)]); }, "True Polled", "True BackupSucceeded", ""),
    ("an old task never ended, a newer one succeeded, the newest is stuck", |w| { let all = [running("q", 10, 1), task("s", "Success", 9), running("r", 0, 1)]; w.answer(&all); w.at(120).answer(&all); }, "True Polled", "False BackupStuck", ""),
    ("an old task ended in a phase that nobody documents", |w| { let all = [task("s", "Success", 9), task("r", "Cancelled", 0)]; w.answer(&all); w.at(120).answer(&all); }, "True Polled", "True BackupSucceeded", ""),
    ("a newer rollback finished, and a backup is stuck", |w| { let all = [rollback(task("b", "Success", 9)), running("r", 0, 1)]; w.answer(&all); w.at(120).answer(&all); }, "True Polled", "False BackupStuck", ""),
    ("the list came empty after a failure", |w| { w.at(9).answer(&[failed("f", 5)]); w.answer(&[]); }, "True Polled", "False BackupFailed", ""),
    ("the list came empty after a success", |w| { good(w); w.answer(&[]); }, "True Polled", "True BackupSucceeded", ""),
];

#[test]
fn every_line_of_the_table_of_verdicts_holds() {
    for (situation, happen, ready, healthy, also) in TABLE {
        let mut watch = Watch::new();
        happen(&mut watch);
        assert_eq!(watch.says("Ready"), *ready, "Ready: {situation}");
        assert_eq!(watch.says("BackupHealthy"), *healthy, "BackupHealthy: {situation}");
        for type_ in ["Reconciling", "Stalled"] {
            let expected = if type_ == *also { ready.split_once(' ').unwrap().1 } else { "" };
            let expected = if expected.is_empty() { String::new() } else { format!("True {expected}") };
            assert_eq!(watch.says(type_), expected, "{type_}: {situation}");
        }
        let generation = watch.status.observed_generation;
        assert_eq!(generation, Some(1), "observedGeneration: {situation}");
        for condition in &watch.status.conditions {
            assert_eq!(condition.observed_generation, generation, "{}: {situation}", condition.type_);
        }
    }
}

#[test]
fn a_request_whose_poll_failed_is_reconciling_until_an_answer_comes() {
    type Row = (&'static str, fn(&mut Watch), &'static str);
    let rows: [Row; 6] = [
        ("nothing new", |w| drop(w.nothing()), "True CloudUnavailable"),
        ("the next poll fails too", |w| w.faults(Throttled, 1), "True CloudUnavailable"),
        ("three in a row failed", |w| w.faults(Throttled, 2), "True Throttled"),
        ("only a person can help", |w| w.faults(SecretNotFound, 1), ""),
        ("an answer", good, ""),
        (
            "suspended",
            |w| {
                w.spec.suspend = true;
                w.nothing();
            },
            "",
        ),
    ];
    for (what, happen, reconciling) in rows {
        let mut watch = Watch::new();
        good(&mut watch);
        watch.request = Some("now".into());
        assert!(watch.fault(CloudUnavailable).events.is_empty(), "Ready is unchanged, so nothing is told");
        watch.request = None;
        assert_eq!(watch.status.last_handled_reconcile_at.as_deref(), Some("now"));
        assert_eq!(watch.says("Ready"), "True Polled");
        assert_eq!(watch.says("BackupHealthy"), "True BackupSucceeded");
        assert_eq!(watch.says("Reconciling"), "True CloudUnavailable");
        happen(&mut watch);
        assert_eq!(watch.says("Reconciling"), reconciling, "{what}");
    }
    let mut watch = Watch::new();
    good(&mut watch);
    watch.faults(CloudUnavailable, 2);
    assert_eq!(watch.says("Reconciling"), "", "nobody asked");
}

#[test]
fn a_new_generation_counts_as_observed_only_with_a_verdict_on_it() {
    type Row = (&'static str, fn(&mut Watch), bool);
    let rows: [Row; 9] = [
        ("a look without a poll", |w| drop(w.nothing()), false),
        ("one fault that may pass", |w| w.faults(Throttled, 1), false),
        ("two faults that may pass", |w| w.faults(Throttled, 2), false),
        ("three faults that may pass", |w| w.faults(Throttled, 3), true),
        ("a fault that will not pass", |w| w.faults(SecretNotFound, 1), true),
        ("an answer", |w| drop(w.answer(&[])), true),
        (
            "suspended",
            |w| {
                w.spec.suspend = true;
                w.nothing();
            },
            true,
        ),
        (
            "suspended and resumed",
            |w| {
                w.spec.suspend = true;
                w.nothing();
                w.spec.suspend = false;
                w.nothing();
            },
            true,
        ),
        (
            "suspended, and the last poll fails",
            |w| {
                w.spec.suspend = true;
                w.fault(Throttled);
            },
            true,
        ),
    ];
    for (what, happen, observed) in rows {
        let mut watch = Watch::new();
        good(&mut watch);
        watch.change(|spec| spec.interval = Duration::from_mins(1).into());
        happen(&mut watch);
        let expected = Some(if observed { 2 } else { 1 });
        assert_eq!(watch.status.observed_generation, expected, "{what}");
        assert!(watch.status.conditions.iter().all(|c| c.observed_generation == expected), "{what}");
    }
}

#[test]
fn only_the_exact_words_success_and_failed_are_final() {
    for phase in
        ["success", "SUCCESS", " Success", "Success ", "Succeeded", "Succ\u{fffd}ess", "failed", "Failure"]
    {
        let mut watch = Watch::new();
        watch.at(10).answer(&[task("t", phase, 5)]);
        assert_eq!(watch.says("BackupHealthy"), "Unknown BackupRunning", "{phase:?}");
        assert_eq!(watch.status.phase.as_deref(), Some(phase), "a phase is shown as it was reported");
        assert_eq!((&watch.status.last_success, &watch.status.last_failure), (&None, &None), "{phase:?}");
    }
}

#[test]
fn a_transition_time_moves_only_when_the_status_of_the_condition_does() {
    let mut watch = Watch::new();
    let times =
        |w: &Watch| -> Vec<_> { w.status.conditions.iter().map(|c| c.last_transition_time.0).collect() };
    watch.at(10).answer(&[failed("f", 5)]);
    assert_eq!(times(&watch), [minute(10), minute(10)]);
    watch.spec.max_age = Some(hours(1).into());
    watch.at(999).answer(&[failed("f", 5), task("s", "Success", 6)]);
    assert_eq!(watch.says("BackupHealthy"), "False BackupStale");
    assert_eq!(times(&watch), [minute(10), minute(10)], "False stays False, whatever its reason");
    watch.at(1000).answer(&[task("s2", "Success", 990)]);
    assert_eq!(times(&watch), [minute(10), minute(1000)]);
}
