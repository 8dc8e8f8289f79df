//! What watches share, when they are polled, and when they are told.

use super::*;

#[test]
fn thirty_watches_of_one_cluster_cost_one_request_an_interval() {
    let mut lab = Lab::new();
    for n in 0..30 {
        lab.watch(&format!("prod/{n}"), target("r", 1, 0), secret("prod"));
    }
    lab.run(seconds(5));
    assert_eq!((lab.sent.len(), lab.reads.len()), (1, 1));
    assert!(lab.watches.keys().all(|name| lab.is_answered(name)));
    lab.run(seconds(100));
    assert!((9..=13).contains(&lab.sent.len()), "{}", lab.sent.len());
    assert_eq!(lab.wakes(), 30, "one for the first answer, none for the others");
}

#[test]
fn a_watch_that_joins_a_cluster_already_polled_has_an_answer_at_once() {
    let mut lab = Lab::new();
    let hourly = |demand: &mut Demand| demand.cadence.period = minutes(60);
    lab.watch_with("prod/first", target("r", 1, 0), secret("prod"), hourly);
    lab.run(minutes(1));
    lab.watch_with("prod/same", target("r", 1, 0), secret("prod"), hourly);
    lab.run(seconds(1));
    assert!(lab.is_answered("prod/same"));
    assert_eq!(lab.sent.len(), 2);
}

/// Each poll takes 4 s and has another answer, by its number. The reconcile of a first watch hangs, so that the outcome
/// that it has not taken over is kept.
fn counted() -> Lab {
    let mut lab = Lab::new();
    let mut polls = 0;
    lab.cloud(move |_, _| {
        polls += 1;
        (seconds(4), answer(polls))
    });
    lab.watch("prod/hangs", target("r", 1, 0), secret("prod"));
    lab.watches.clear();
    lab.run(seconds(5));
    lab
}

/// The polls whose answers a watch has taken over, by number.
fn taken_over(lab: &Lab, name: &str) -> Vec<Option<i64>> {
    let number = |outcome: &Outcome| match outcome {
        Outcome::Answer(answer) => answer.latest_backup_time.map(Timestamp::as_second),
        Outcome::Fault { .. } => None,
    };
    lab.watches[name].outcomes.iter().map(|(_, outcome)| number(outcome)).collect()
}

#[test]
fn a_watch_that_joins_while_a_poll_is_under_way_has_its_answer_and_not_the_one_before() {
    let mut lab = counted();
    while lab.sent.len() < 2 {
        lab.run(seconds(1));
    }
    lab.watch("prod/same", target("r", 1, 0), secret("prod"));
    lab.run(seconds(5));
    assert_eq!(taken_over(&lab, "prod/same"), [Some(2)]);
}

#[test]
fn a_watch_with_a_record_takes_over_no_answer_that_may_be_older_than_the_record() {
    let mut lab = counted();
    assert_eq!(lab.sent.len(), 1);
    lab.watch_with("prod/record", target("r", 1, 0), secret("prod"), |demand| {
        demand.has_record = true;
        demand.spread = Some(seconds(10));
    });
    lab.run(seconds(14));
    assert_eq!(taken_over(&lab, "prod/record").first(), Some(&Some(2)));
}

#[test]
fn what_one_secret_fetched_is_never_another_s_even_with_the_same_key() {
    let mut lab = Lab::new();
    lab.secrets(|_, _| (Duration::from_millis(5), credential("the-same-key")));
    for namespace in ["one", "two"] {
        lab.watch(&format!("{namespace}/prod"), target("r", 1, 0), secret(namespace));
    }
    lab.run(seconds(5));
    assert_eq!(lab.sent.len(), 2);
}

#[test]
fn the_period_of_a_fetch_is_the_shortest_that_a_watch_asks_for() {
    let mut lab = Lab::new();
    let hourly = |demand: &mut Demand| demand.cadence.period = minutes(60);
    lab.watch_with("prod/slow", target("r", 1, 0), secret("prod"), hourly);
    lab.run(minutes(1));
    assert_eq!(lab.sent.len(), 1);
    lab.watch("prod/fast", target("r", 1, 0), secret("prod"));
    lab.run(minutes(1));
    assert!(lab.sent.len() >= 6);
    lab.engine.forget("prod/fast");
    lab.watches.remove("prod/fast");
    lab.run(seconds(11));
    let before = lab.sent.len();
    lab.run(minutes(30));
    assert!(lab.sent.len() <= before + 1);
}

#[test]
fn watches_that_restart_together_are_spread_over_their_interval() {
    let mut lab = Lab::new();
    for n in 0..1000 {
        lab.watch_with(&format!("prod/{n}"), target("r", n, 0), secret("prod"), |demand| {
            demand.cadence.period = minutes(1000);
            demand.spread = Some(minutes(1000));
        });
    }
    lab.run(minutes(1000));
    let polled: Vec<_> = lab.sent.iter().map(|sent| sent.at).collect();
    let gap = polled.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    assert!(polled.len() >= 1000 && gap < minutes(30), "{} polls, {gap:?}", polled.len());
}

#[test]
fn a_changed_spec_and_a_watch_created_anew_are_polled_at_once() {
    let mut lab = Lab::new();
    let hourly = |demand: &mut Demand| demand.cadence.period = minutes(60);
    lab.watch_with("prod/0", target("r", 1, 0), secret("prod"), hourly);
    lab.run(minutes(40));
    lab.change("prod/0", |demand| demand.generation = Some(2));
    lab.run(seconds(1));
    assert_eq!((lab.sent.len(), lab.watches["prod/0"].outcomes.len()), (2, 2));
    lab.run(minutes(1));
    lab.change("prod/0", |demand| {
        demand.uid = "another".into();
        demand.spread = None;
    });
    lab.run(seconds(2));
    assert_eq!((lab.sent.len(), lab.watches["prod/0"].outcomes.len()), (3, 3));
}

#[test]
fn when_time_alone_changes_a_verdict_the_cloud_is_asked_and_the_same_answer_told() {
    let mut lab = Lab::new();
    let hourly = |demand: &mut Demand| demand.cadence.period = minutes(60);
    lab.watch_with("prod/0", target("r", 1, 0), secret("prod"), hourly);
    lab.watches.get_mut("prod/0").unwrap().judge_after = Some(minutes(10));
    lab.run(minutes(1));
    lab.watches.get_mut("prod/0").unwrap().judge_after = None;
    lab.run(minutes(8));
    assert_eq!(lab.sent.len(), 1);
    lab.run(minutes(2));
    assert_eq!((lab.sent.len(), lab.watches["prod/0"].outcomes.len()), (2, 2));
}

#[test]
fn a_moment_of_judgement_that_moves_makes_no_request_at_its_old_time() {
    let mut lab = Lab::new();
    let hourly = |demand: &mut Demand| demand.cadence.period = minutes(60);
    lab.watch_with("prod/0", target("r", 1, 0), secret("prod"), hourly);
    lab.watches.get_mut("prod/0").unwrap().judge_after = Some(minutes(10));
    lab.run(seconds(1));
    let (key, number) = (WatchKey::from("prod/0"), Some(1));
    let story = &lab.watches["prod/0"];
    let settled =
        Settled { number, cadence: story.demand.cadence, judge_after: Some(minutes(11)), has_request: false };
    lab.engine.settle(&key, &settled, lab.now);
    lab.run(minutes(10) + seconds(30));
    assert_eq!(lab.sent.len(), 1);
    lab.watches.get_mut("prod/0").unwrap().judge_after = None;
    lab.run(minutes(1));
    assert_eq!((lab.sent.len(), lab.watches["prod/0"].outcomes.len()), (2, 2));
}

#[test]
fn a_verdict_that_is_due_waits_for_an_answer_and_makes_no_herd_of_requests() {
    let mut lab = Lab::new();
    lab.watch("prod/0", target("r", 1, 0), secret("prod"));
    lab.watches.get_mut("prod/0").unwrap().judge_after = Some(seconds(12));
    lab.run(seconds(5));
    lab.cloud(|_, _| (Duration::from_millis(50), no_answer()));
    lab.run(minutes(10));
    assert!(lab.sent.len() < 25, "{} requests", lab.sent.len());
}

#[test]
fn a_resource_that_somebody_else_wrote_is_told_of_an_answer_though_it_is_the_same() {
    for (rests, after) in [(false, seconds(2)), (true, seconds(11))] {
        let mut lab = Lab::new();
        lab.watch("prod/0", target("r", 1, 0), secret("prod"));
        lab.run(seconds(25));
        let sent = lab.sent.len();
        assert_eq!(lab.watches["prod/0"].wakes, 1);
        lab.engine.ask_anew("prod/0", rests, lab.now);
        lab.run(seconds(1));
        assert_eq!(lab.sent.len() == sent, rests, "the cloud is asked at once, or when it is due anyway");
        lab.run(after);
        assert_eq!(lab.watches["prod/0"].wakes, 2);
        lab.run(minutes(5));
        assert_eq!(lab.watches["prod/0"].wakes, 2, "once it is mended nothing happens again");
    }
}

#[test]
fn a_daily_watch_whose_status_somebody_wrote_twice_in_a_row_is_asked_for_anew_a_minute_later() {
    let mut lab = Lab::new();
    lab.watch_with("prod/0", target("r", 1, 0), secret("prod"), |demand| {
        demand.cadence.period = minutes(24 * 60);
    });
    lab.run(seconds(5));
    lab.engine.ask_anew("prod/0", true, lab.now);
    lab.run(seconds(59));
    assert_eq!(lab.sent.len(), 1);
    lab.run(seconds(2));
    assert_eq!((lab.sent.len(), lab.watches["prod/0"].wakes), (2, 2));
}

#[test]
fn a_request_of_a_person_outlives_the_outcome_that_is_discarded_meanwhile() {
    let mut lab = Lab::new();
    lab.cloud(|_, _| (seconds(4), answer(1)));
    lab.watch("prod/0", target("r", 1, 0), secret("prod"));
    lab.run(seconds(5));
    lab.request("prod/0", "now");
    lab.run(seconds(1));
    lab.engine.ask_anew("prod/0", false, lab.now);
    lab.run(seconds(8));
    let handled: Vec<_> = lab.watches["prod/0"].handled.iter().map(|(request, _)| request.as_str()).collect();
    assert_eq!(handled, ["now"]);
}

#[test]
fn a_request_of_the_very_moment_in_which_a_poll_is_sent_is_answered() {
    let mut lab = Lab::new();
    lab.watch("prod/0", target("r", 1, 0), secret("prod"));
    lab.run(seconds(5));
    // A poll is sent, which asks for what has changed, and only then is the request seen.
    lab.now = lab.engine.deadline(lab.now).unwrap();
    lab.turn();
    lab.request("prod/0", "now");
    assert_eq!((lab.sent.len(), lab.sent[1].at), (2, lab.now));
    lab.run(seconds(5));
    let handled: Vec<_> = lab.watches["prod/0"].handled.iter().map(|(request, _)| request.as_str()).collect();
    assert_eq!(handled, ["now"]);
}

#[test]
fn a_watch_whose_write_met_a_newer_resource_takes_over_only_what_is_fetched_from_then_on() {
    let mut lab = Lab::new();
    lab.watch("prod/0", target("r", 1, 0), secret("prod"));
    lab.run(seconds(5));
    let sent = lab.sent.len();
    lab.engine.ask_anew("prod/0", false, lab.now);
    let key = WatchKey::from("prod/0");
    let demand = lab.watches["prod/0"].demand.clone();
    assert!(lab.engine.demand(&key, &demand, lab.now).is_none());
    lab.run(seconds(2));
    assert_eq!((lab.sent.len(), lab.watches["prod/0"].outcomes.len()), (sent + 1, 2));
}

#[test]
fn what_is_not_written_yet_is_kept_and_what_is_written_is_dropped() {
    let mut lab = Lab::new();
    lab.watch("prod/0", target("r", 1, 0), secret("prod"));
    lab.run(seconds(5));
    let (key, demand) = (WatchKey::from("prod/0"), lab.watches["prod/0"].demand.clone());
    assert!(lab.engine.demand(&key, &demand, lab.now).is_none(), "taken over");
    // The next outcome cannot be written for a while.
    lab.watches.remove("prod/0");
    lab.cloud(|_, _| (Duration::from_millis(50), answer(2)));
    lab.run(seconds(40));
    for _ in 0..3 {
        let news = lab.engine.demand(&key, &demand, lab.now).expect("still to be taken over");
        assert!(
            matches!(news.outcome, Outcome::Answer(answer) if answer.latest_backup_time.unwrap().as_second() == 2)
        );
    }
}

#[test]
fn a_deleted_watch_leaves_nothing_behind() {
    let mut lab = Lab::new();
    for n in 0..50 {
        lab.watch(&format!("prod/{n}"), target("r", n, 0), secret(&format!("prod-{n}")));
    }
    lab.run(seconds(5));
    lab.watches.clear();
    lab.engine.retain(|_| false);
    lab.run(minutes(60));
    lab.turn();
    assert_eq!((lab.engine.deadline(lab.now), lab.sent.len()), (None, 50), "no timer is left");
    assert!(lab.engine.snapshot(lab.now).accounts.is_empty());
}

#[test]
fn a_resource_that_somebody_else_wrote_while_polls_fail_is_told_of_the_fault() {
    let mut lab = Lab::new();
    lab.cloud(|_, _| (Duration::from_millis(50), Err(fault(FaultKind::ClusterNotFound, Some(404)))));
    lab.watch("prod/0", target("r", 1, 0), secret("prod"));
    lab.run(seconds(65));
    let wakes = lab.watches["prod/0"].wakes;
    lab.engine.ask_anew("prod/0", false, lab.now);
    lab.run(seconds(5));
    assert_eq!(lab.watches["prod/0"].wakes, wakes + 1);
    assert_eq!(lab.blind("prod/0"), Some(FaultKind::ClusterNotFound));
    lab.run(seconds(20));
    assert_eq!(lab.watches["prod/0"].wakes, wakes + 1, "once it is mended nothing happens again");
}
