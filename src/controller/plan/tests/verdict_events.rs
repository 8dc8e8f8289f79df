//! The table of Events, line by line: those of the verdicts, and how Events are named.

use std::collections::HashSet;

use super::*;
use FaultKind::{AuthenticationFailed, SecretNotFound, Throttled};

const NONE: [&str; 0] = [];

fn watch() -> Watch {
    let mut watch = Watch::with(|spec| spec.max_age = Some(hours(1).into()));
    watch.at(10).answer(&[task("s", "Success", 5)]);
    watch
}

#[test]
fn a_backup_turned_stale_is_told_once_each_time() {
    let mut watch = watch();
    assert_eq!(told(&watch.at(67).again()), NONE, "not yet");
    assert_eq!(told(&watch.at(68).again()), ["Warning BackupStale"], "by the clock alone");
    assert_eq!(told(&watch.at(69).again()), NONE, "once");
    assert_eq!(told(&watch.at(70).answer(&[task("s", "Success", 5)])), NONE, "once");
    watch.answer(&[task("t", "Success", 65)]);
    assert_eq!(told(&watch.at(200).answer(&[])), ["Warning BackupStale"], "and again");
}

#[test]
fn a_stuck_backup_is_told_once_each_time() {
    let mut watch = Watch::new();
    watch.answer(&[running("r", 0, 5)]);
    assert_eq!(told(&watch.at(119).again()), NONE);
    assert_eq!(told(&watch.at(120).again()), ["Warning BackupStuck"]);
    assert_eq!(told(&watch.at(121).answer(&[running("r", 0, 5)])), NONE);
    watch.at(122).answer(&[running("r", 0, 6)]);
    assert_eq!(told(&watch.at(999).again()), ["Warning BackupStuck"]);
}

#[test]
fn a_watch_gone_blind_and_seeing_again_is_told() {
    let mut watch = watch();
    assert_eq!(told(&watch.fault(Throttled)), NONE, "1st");
    assert_eq!(told(&watch.fault(Throttled)), NONE, "2nd");
    assert_eq!(told(&watch.fault(Throttled)), ["Warning PollFailed"], "3rd");
    assert_eq!(told(&watch.fault(Throttled)), NONE, "4th");
    assert_eq!(told(&watch.fault(AuthenticationFailed)), NONE, "False stays False, whatever its reason");
    assert_eq!(told(&watch.answer(&[])), ["Normal PollRecovered"]);
    assert_eq!(told(&watch.answer(&[])), NONE);
    assert_eq!(told(&watch.fault(SecretNotFound)), ["Warning PollFailed"], "at once");
    assert_eq!(told(&Watch::new().fault(SecretNotFound)), ["Warning PollFailed"], "also at the first look");
}

#[test]
fn only_going_straight_from_false_to_polled_is_a_recovery() {
    let mut watch = watch();
    watch.fault(SecretNotFound);
    watch.change(|spec| spec.suspend = true);
    assert_eq!(told(&watch.nothing()), NONE, "to Suspended");
    watch.change(|spec| spec.suspend = false);
    assert_eq!(told(&watch.nothing()), NONE, "resumed");
    assert_eq!(told(&watch.answer(&[])), NONE, "by way of Suspended");
    let mut fresh = Watch::new();
    fresh.nothing();
    assert_eq!(told(&fresh.answer(&[])), NONE, "from Unknown");
}

#[test]
fn verdicts_are_told_again_after_blindness() {
    let mut watch = watch();
    let stale = watch.at(100).again();
    watch.at(110).fault(SecretNotFound);
    let again = watch.at(120).answer(&[]);
    assert_eq!(told(&again), ["Normal PollRecovered", "Warning BackupStale"]);
    assert_ne!(again.events[1].name, stale.events[0].name, "it begins anew, so it is another Event");
}

#[test]
fn each_beginning_of_a_verdict_has_a_name_of_its_own() {
    let mut watch = Watch::with(|spec| spec.max_age = Some(hours(1).into()));
    let old = task("s", "Success", -1000);
    let mut seen = HashSet::new();
    // BackupHealthy stays False all the while, so that its lastTransitionTime never moves.
    for round in 0..5 {
        for task in ["a", "b"] {
            let mut events = Vec::new();
            let born = (watch.now.as_second() - START) / 60;
            for minutes in [0, 121] {
                watch.wait(Duration::from_secs(minutes * 60));
                events.extend(watch.answer(&[running(task, born, round), old.clone()]).events);
            }
            events.retain(|event| event.warning);
            assert_eq!(events.len(), 2, "stale, then stuck: {events:?}");
            for event in events {
                assert!(seen.insert(event.name.clone()), "{event:?} is taken for an earlier one");
            }
        }
    }
    let mut watch = Watch::new();
    for round in 0..5 {
        for plan in [watch.fault(SecretNotFound), watch.answer(&[])] {
            assert!(seen.insert(plan.events[0].name.clone()), "round {round}");
            watch.wait(Duration::from_secs(1));
        }
    }
}

#[test]
fn a_verdict_told_before_a_crash_is_the_same_event_after_it() {
    type Row = (&'static str, fn(&mut Watch), fn(&Watch) -> Plan, fn(&mut Watch) -> Plan);
    let rows: [Row; 4] = [
        (
            "BackupStale",
            |w| w.now = minute(70),
            |w| w.peek(Some(&answered(Answer { tasks: w.answered.clone(), ..Answer::default() }))),
            |w| w.at(71).answer(&[running("n", 69, 1), task("s", "Success", 5)]),
        ),
        (
            "BackupStuck",
            |w| {
                w.answer(&[running("r", 9, 1)]);
                w.at(190);
            },
            |w| w.peek(Some(&answered(Answer { tasks: w.answered.clone(), ..Answer::default() }))),
            |w| w.at(191).answer(&[running("n", 180, 1), running("r", 9, 1)]),
        ),
        (
            "PollFailed",
            |w| w.now = minute(20),
            |w| w.peek(Some(&w.failed(fault(SecretNotFound)))),
            |w| w.at(21).fault(AuthenticationFailed),
        ),
        (
            "PollRecovered",
            |w| drop(w.at(20).fault(SecretNotFound)),
            |w| w.peek(Some(&answered(Answer::default()))),
            |w| w.at(21).answer(&[running("n", 20, 1)]),
        ),
    ];
    for (reason, before, dies, tries_again) in rows {
        let mut watch = watch();
        before(&mut watch);
        let name =
            |plan: Plan| plan.events.into_iter().find(|event| event.reason == reason).map(|event| event.name);
        let first = name(dies(&watch));
        assert!(first.is_some(), "{reason}");
        assert_eq!(
            first,
            name(tries_again(&mut watch)),
            "{reason}: a task that appeared in between changes nothing"
        );
    }
}

#[test]
fn a_verdicts_name_comes_from_the_last_transition_of_the_condition_that_it_leaves() {
    let mut watch = watch();
    let told_at = |w: &Watch, minutes| {
        let mut later =
            Watch { now: minute(minutes), spec: w.spec.clone(), status: w.status.clone(), ..Watch::new() };
        later.again().events[0].name.clone()
    };
    let name = told_at(&watch, 100);
    assert_eq!(name, told_at(&watch, 200), "not from the time at which it is told");
    watch.status.conditions[1].last_transition_time.0 = minute(11);
    assert_ne!(name, told_at(&watch, 100));
}

#[test]
fn a_note_holds_neither_a_request_id_nor_a_duration() {
    let mut watch = Watch::with(|spec| {
        spec.max_age = Some(Duration::from_secs(4_321).into());
        spec.stuck_after = Duration::from_secs(4_322).into();
    });
    let mut notes = watch.answer(&[task("s", "Success", -2), running("r", 0, 1)]).events;
    notes.extend(watch.wait(Duration::from_secs(4_321)).again().events);
    notes.extend(watch.wait(Duration::from_secs(1)).again().events);
    let fault = Fault {
        request_id: Some("5f3c-request".into()),
        retry_after: Some(Duration::from_secs(4_323)),
        ..fault(SecretNotFound)
    };
    notes.extend(watch.look(Some(&watch.failed(fault))).events);
    notes.extend(watch.answer(&[]).events);
    let reasons: HashSet<_> = notes.iter().map(|event| event.reason).collect();
    assert_eq!(reasons.len(), 5, "{reasons:?}");
    for event in notes {
        for part in ["request", "4321", "4322", "4323", "1h", "72m", "1 h", "72 m"] {
            assert!(!event.note.contains(part), "{part}: {}", event.note);
        }
    }
}

#[test]
fn a_note_of_a_verdict_does_not_read_as_news_of_the_backup_on_record() {
    let mut watch = Watch { display_name: Some("测试集群".into()), ..watch() };
    let note = |plan: Plan| plan.events.into_iter().next().unwrap().note;
    assert_eq!(
        note(watch.fault(SecretNotFound)),
        "测试集群: poll failed (SecretNotFound): the cloud said SecretNotFound; on record is task s (Success, no progress given)"
    );
    assert_eq!(
        note(watch.again()),
        "测试集群: polls are answered again; on record is task s (Success, no progress given)"
    );
    assert_eq!(
        note(watch.at(100).again()),
        "测试集群: maxAge is not met: the newest success, s, is of 2026-01-01T00:07:00Z; on record is task s (Success, no \
         progress given)"
    );
    let fault = Fault { message: "🦀".repeat(9999), ..fault(SecretNotFound) };
    let long = note(watch.look(Some(&watch.failed(fault))));
    assert!(
        long.len() < 1024 && long.ends_with("…; on record is task s (Success, no progress given)"),
        "{long}"
    );
}

#[test]
fn a_name_is_a_dns_subdomain_for_any_name_of_a_watch() {
    let named = |name: &str| {
        let (spec, status) = (spec(), ClusterBackupWatchStatus::default());
        let answer = Answer { tasks: vec![running("r", 0, 1)], ..Default::default() };
        let outcome = answered(answer);
        let (outcome, created, now) = (Some(&outcome), None, minute(0));
        let (uid, generation, upgrades, request) = ("u", Some(1), None, None);
        let (spec, status, display_name) = (&spec, &status, None);
        let input = Input {
            name,
            uid,
            display_name,
            generation,
            created,
            spec,
            status,
            outcome,
            upgrades,
            listed: None,
            request,
            now,
        };
        plan(&input).events[0].name.clone()
    };
    assert!(named("prod").starts_with("prod."), "a reader sees whose it is");
    for name in [
        "a".repeat(253),
        format!("{}.{}", "a".repeat(231), "b".repeat(21)),
        format!("{}--a", "a".repeat(230)),
    ] {
        let name = named(&name);
        assert!(properties::is_dns_subdomain(&name), "{name}");
    }
}
