//! When the upgrades of a cluster are listed, and that it costs the polls of tasks nothing.

use std::cell::Cell;
use std::rc::Rc;

use super::*;
use crate::cloud::{Task, upgrades::Workflow};
use crate::upgrade;

fn workflow(phase: &str) -> Workflow {
    Workflow { uid: "w".into(), phase: Some(phase.into()), ..Default::default() }
}

/// A watch that is polled every five minutes.
fn watching(upgrades: bool, listed: impl FnMut(Instant) -> Result<Vec<Workflow>, Fault> + 'static) -> Lab {
    let mut lab = Lab::new();
    lab.upgrades = Box::new(listed);
    let target = target("cn-north-4", 1, 1);
    lab.watch_with("a", target, secret("a"), |demand| {
        let upgrades = upgrades.then_some(minutes(5));
        demand.cadence = Cadence { period: minutes(5), retry: seconds(10), running: false, upgrades };
    });
    lab
}

#[test]
fn nobody_asks_for_upgrades_where_they_are_ignored() {
    let mut lab = watching(false, |_| Ok(vec![workflow("Running")]));
    lab.run(minutes(600));
    assert!(lab.listed.is_empty());
    assert!(lab.engine.upgrades("a", None).is_none());
}

#[test]
fn while_nothing_happens_they_are_listed_with_the_first_poll_and_then_once_an_hour() {
    let mut lab = watching(true, |_| Ok(vec![]));
    lab.run(seconds(10));
    assert_eq!(lab.listed.len(), 1);
    lab.run(minutes(40));
    assert_eq!(lab.listed.len(), 1);
    lab.run(minutes(600));
    assert!((8..=15).contains(&lab.listed.len()), "{} in eleven hours", lab.listed.len());
}

#[test]
fn while_an_upgrade_runs_they_are_listed_at_every_interval() {
    let mut lab = watching(true, |_| Ok(vec![workflow("Running")]));
    lab.run(minutes(60));
    assert!((10..=14).contains(&lab.listed.len()), "{}", lab.listed.len());
    assert_eq!(lab.watches["a"].wakes, 2, "the first answer, and the first list");
}

#[test]
fn a_watch_that_ignores_them_has_them_listed_no_sooner_for_its_neighbour() {
    let mut lab = watching(true, |_| Ok(vec![workflow("Running")]));
    lab.watch_with("b", target("cn-north-4", 1, 1), secret("a"), |demand| {
        demand.cadence = Cadence { period: seconds(10), retry: seconds(10), running: false, upgrades: None };
    });
    lab.run(minutes(60));
    assert!((10..=16).contains(&lab.listed.len()), "{}", lab.listed.len());
}

/// An answer that lists these tasks, all of which have ended.
fn tasks(uids: &[&str]) -> News {
    let ended = |uid: &&str| Task { uid: (*uid).into(), phase: Some("Success".into()), ..Default::default() };
    let answer = Answer { tasks: uids.iter().map(ended).collect(), ..Default::default() };
    News::Answer(answer, 100 + uids.len() as u64)
}

#[test]
fn a_task_that_appears_or_ends_has_them_listed_at_once() {
    let mut lab = watching(true, |_| Ok(vec![]));
    lab.run(minutes(1));
    for (body, phase, lists) in [(2, "Running", 2), (3, "Running", 2), (4, "Success", 3), (4, "Success", 3)] {
        lab.cloud(move |_, _| {
            let task = Task {
                uid: "t".into(),
                phase: Some(phase.into()),
                progress: Some(body),
                ..Default::default()
            };
            let answer = Answer { tasks: vec![task], ..Default::default() };
            (Duration::from_millis(50), Ok(News::Answer(answer, body.into())))
        });
        lab.run(minutes(6));
        assert_eq!(lab.listed.len(), lists, "{body} {phase}");
    }
}

#[test]
fn a_fault_of_the_list_touches_no_poll_and_is_tried_ever_more_rarely() {
    for kind in [FaultKind::PermissionDenied, FaultKind::AuthenticationFailed, FaultKind::Throttled] {
        let mut lab = watching(true, move |_| Err(fault(kind, Some(403))));
        lab.run(minutes(600));
        let polls = lab.sent.len();
        assert!((115..=130).contains(&polls), "{kind}: {polls} polls in ten hours");
        assert!(lab.is_answered("a"), "{kind}");
        assert!(lab.listed.len() < 20, "{kind}: {} tries", lab.listed.len());
        let Some((upgrade::Outcome::Fault(told), _)) = lab.engine.upgrades("a", None) else {
            panic!("{kind} is told")
        };
        assert_eq!(told.kind, kind);
    }
}

#[test]
fn without_a_token_to_spare_the_list_waits_for_the_next_poll() {
    let mut lab = Lab::with(|config| config.limit = Limit { rate: 0.01, burst: 1 });
    lab.watch_with("a", target("cn-north-4", 1, 1), secret("a"), |demand| {
        demand.cadence.upgrades = Some(minutes(5));
    });
    lab.run(seconds(60));
    assert!(lab.listed.is_empty(), "the one token went to the poll");
}

#[test]
fn the_answer_by_which_an_upgrade_is_judged_is_held_while_one_may_run() {
    let mut lab = Lab::new();
    let runs = Rc::new(Cell::new(false));
    let phase = runs.clone();
    lab.upgrades = Box::new(move |_| Ok(vec![workflow(if phase.get() { "Running" } else { "Success" })]));
    lab.watch_with("a", target("cn-north-4", 1, 1), secret("a"), |demand| {
        demand.cadence.upgrades = Some(minutes(5));
    });
    let held = |lab: &Lab| lab.engine.upgrades("a", None).expect("it was listed").1.is_some();
    lab.run(minutes(1));
    assert!(!held(&lab), "the last upgrade is over");
    runs.set(true);
    lab.cloud(|_, _| (Duration::from_millis(50), Ok(tasks(&["t"]))));
    lab.run(minutes(30));
    assert!(held(&lab), "the watch has taken it over long ago");
    lab.cloud(|_, _| (Duration::from_millis(50), no_answer()));
    lab.run(minutes(5));
    assert!(held(&lab), "a fault says nothing of tasks");
    runs.set(false);
    lab.cloud(|_, _| (Duration::from_millis(50), Ok(tasks(&["t", "u"]))));
    lab.run(minutes(5));
    assert!(!held(&lab));
}

#[test]
fn what_is_listed_is_judged_by_the_outcome_that_the_watch_has() {
    let mut lab = watching(true, |_| Ok(vec![workflow("Running")]));
    lab.run(minutes(1));
    assert!(lab.engine.upgrades("a", None).is_some());
    assert!(lab.engine.upgrades("a", Some(99)).is_none(), "there is another outcome by now");
    lab.cloud(|_, _| (Duration::from_hours(1), Ok(tasks(&["t"]))));
    lab.request("a", "now");
    assert!(lab.engine.upgrades("a", None).is_none(), "the watch waits for an outcome");
}

#[test]
fn a_list_that_comes_after_its_watch_is_gone_changes_nothing() {
    let mut lab = watching(true, |_| Ok(vec![workflow("Running")]));
    lab.run(Duration::from_millis(80));
    assert_eq!((lab.listed.len(), lab.wakes()), (1, 1), "it is under way");
    lab.forget("a");
    lab.watch("b", target("cn-north-4", 1, 2), secret("a"));
    lab.run(minutes(1));
    assert!(lab.is_answered("b") && lab.engine.upgrades("b", None).is_none());
}

#[test]
fn a_watch_that_joins_while_an_upgrade_runs_waits_for_no_longer_interval_than_its_own() {
    let mut lab = Lab::new();
    lab.upgrades = Box::new(|_| Ok(vec![workflow("Running")]));
    for (name, interval) in [("a", minutes(600)), ("b", minutes(5))] {
        lab.watch_with(name, target("cn-north-4", 1, 1), secret("a"), |demand| {
            let upgrades = Some(interval);
            demand.cadence = Cadence { period: interval, retry: seconds(10), running: false, upgrades };
        });
        lab.run(minutes(12));
    }
    assert!(lab.listed.len() >= 3, "{:?}", lab.listed);
}

#[test]
fn an_account_that_never_has_a_token_to_spare_lists_them_all_the_same() {
    let mut lab = Lab::with(|config| config.limit = Limit { rate: 1.0, burst: 1 });
    for n in 0..20 {
        lab.watch_with(&format!("w{n}"), target("cn-north-4", 1, n), secret("a"), |demand| {
            let (period, upgrades) = (seconds(10), Some(seconds(10)));
            demand.cadence = Cadence { period, retry: period, running: false, upgrades };
        });
    }
    lab.run(minutes(5));
    assert!(lab.listed.len() >= 20, "{} lists for 20 clusters", lab.listed.len());
    let (polls, lists) = (lab.sent.len(), lab.listed.len());
    assert!(polls + lists <= 302, "at the rate of the account: {polls} and {lists} in 300 s");
    assert!(polls > lists, "polls go first: {polls} and {lists}");
}
