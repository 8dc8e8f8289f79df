//! What is written, and what is not: an unchanged poll costs the API server nothing.

use super::*;
use crate::controller::plan::echo;

#[test]
fn an_unchanged_poll_writes_nothing_and_tells_nothing() {
    let mut watch = Watch::with(|spec| spec.max_age = Some(hours(999).into()));
    let tasks = [running("r", 9, 67), task("s", "Success", 5), failed("f", 1)];
    watch.at(20).answer(&tasks);
    for minutes in 21..60 {
        let plan = watch.at(minutes).answer(&tasks);
        assert_eq!((plan.status, plan.events), (None, vec![]));
    }
    watch.faults(FaultKind::SecretNotFound, 1);
    for minutes in 61..99 {
        let plan = watch.at(minutes).fault(FaultKind::SecretNotFound);
        assert_eq!((plan.status, plan.events), (None, vec![]));
    }
}

#[test]
fn a_fault_that_may_pass_writes_nothing_the_first_two_times() {
    let mut watch = Watch::new();
    watch.answer(&[]);
    for _ in 0..2 {
        let plan = watch.fault(FaultKind::CloudUnavailable);
        assert_eq!((plan.status, plan.events), (None, vec![]));
    }
}

#[test]
fn the_order_of_the_answer_does_not_matter() {
    let mut tasks = [running("r", 9, 67), task("s", "Success", 5), failed("f", 5), timeless(failed("x", 0))];
    let mut watch = Watch::new();
    watch.answer(&tasks);
    tasks.reverse();
    assert_eq!(watch.answer(&tasks).status, None);
}

#[test]
fn conditions_of_other_owners_are_no_reason_to_write() {
    let mut watch = Watch::new();
    watch.answer(&[]);
    let mut other = watch.status.conditions[0].clone();
    other.type_ = "example.com/Audited".into();
    watch.status.conditions.insert(0, other);
    assert_eq!(watch.answer(&[]).status, None);
    let written = watch.answer(&[failed("f", 1)]).status.unwrap();
    assert!(written.conditions.iter().all(|c| c.type_ != "example.com/Audited"), "and none of ours to write");
}

#[test]
fn a_request_is_echoed_when_a_poll_has_answered_it_or_failed() {
    let handled = |w: &Watch| w.status.last_handled_reconcile_at.clone();
    let mut watch = Watch::new();
    watch.request = Some("1".into());
    watch.nothing();
    assert_eq!(handled(&watch), None, "a look without a poll answers no request");
    watch.answer(&[]);
    assert_eq!(handled(&watch), Some("1".into()));
    watch.request = Some("2".into());
    watch.fault(FaultKind::Throttled);
    assert_eq!(handled(&watch), Some("2".into()), "a failed poll is echoed too");
    watch.request = Some("3".into());
    watch.change(|spec| spec.suspend = true);
    watch.nothing();
    watch.answer(&[]);
    assert_eq!(handled(&watch), Some("2".into()), "while suspended a request waits");
    watch.change(|spec| spec.suspend = false);
    watch.answer(&[]);
    assert_eq!(handled(&watch), Some("3".into()));
    watch.request = None;
    watch.answer(&[]);
    assert_eq!(handled(&watch), Some("3".into()), "the last one stays");
}

#[test]
fn a_request_longer_than_the_status_takes_is_echoed_as_far_as_it_fits() {
    let long = "é".repeat(250_000);
    let mut watch = Watch::new();
    watch.request = Some(long.clone());
    watch.answer(&[]);
    let handled = watch.status.last_handled_reconcile_at.unwrap();
    assert_eq!(handled.chars().count(), 1024);
    assert_eq!(handled, echo(&long), "so that a watch can tell that it was handled");
}

#[test]
fn the_latest_backup_time_is_shown_as_the_api_states_it() {
    let mut watch = Watch::new();
    let latest_backup_time = Some("2023-11-25T09:03:47.980844Z".parse().unwrap());
    watch.look(Some(&answered(Answer { latest_backup_time, ..Default::default() })));
    assert_eq!(watch.status.latest_backup_time, latest_backup_time);
    let json = serde_json::to_value(&watch.status).unwrap();
    assert_eq!(json["latestBackupTime"], "2023-11-25T09:03:47.980844Z");
}
