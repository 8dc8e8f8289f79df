//! What is left of watches that are gone.

use super::*;

const REGION: &str = "cn-north-4";
const MISTYPED: &str = "cn-noth-4";

/// Watches of a region that does not exist, beside one that is well and has proven their key.
fn mistyped() -> Lab {
    let mut lab = Lab::new();
    hang(&mut lab);
    lab.watch("prod/well", target(REGION, 1, 0), secret("prod"));
    lab.run(seconds(1));
    create(&mut lab);
    lab.run(minutes(2));
    lab
}

/// From now on the region that does not exist hangs, and the other one is well.
fn hang(lab: &mut Lab) {
    lab.cloud(|request, _| match request.target.region.as_str() {
        REGION => (Duration::from_millis(50), answer(1)),
        _ => (seconds(15), no_answer()),
    });
}

fn create(lab: &mut Lab) {
    for n in 0..5 {
        lab.watch(&format!("prod/{n}"), target(MISTYPED, 1, n), secret("prod"));
    }
}

fn delete(lab: &mut Lab) {
    for n in 0..5 {
        lab.forget(&format!("prod/{n}"));
    }
}

/// How many endpoints and accounts there are, and how many of them are blocked.
fn known(lab: &Lab) -> [(usize, usize); 2] {
    let snapshot = lab.engine.snapshot(lab.now);
    [
        (snapshot.endpoints.len(), snapshot.endpoints.iter().filter(|(.., blocked)| *blocked).count()),
        (snapshot.accounts.len(), snapshot.accounts.iter().filter(|(.., blocked)| *blocked).count()),
    ]
}

#[test]
fn an_endpoint_and_an_account_of_no_watch_are_told_of_no_more() {
    let mut lab = mistyped();
    assert_eq!(known(&lab), [(2, 1), (2, 1)]);
    delete(&mut lab);
    // A request may still be in flight.
    lab.run(seconds(15));
    assert_eq!(known(&lab), [(1, 0), (1, 0)], "an alert that says they are blocked has to end");
}

#[test]
fn what_is_known_of_a_dead_endpoint_outlasts_watches_that_are_created_anew_and_no_more() {
    let mut lab = mistyped();
    delete(&mut lab);
    create(&mut lab);
    let since = lab.now;
    lab.run(seconds(15));
    let polls = lab.requests(since, |target| target.region.as_str() == MISTYPED);
    assert!(polls <= 2, "{polls} requests, where one probe at a time is admitted");

    delete(&mut lab);
    lab.run(minutes(5));
    create(&mut lab);
    let since = lab.now;
    lab.run(seconds(1));
    let polls = lab.requests(since, |target| target.region.as_str() == MISTYPED);
    assert_eq!(polls, 5, "nothing is known any more of an endpoint that nobody has used for minutes");
}

#[test]
fn an_endpoint_that_nobody_asks_any_more_is_not_told_to_be_blocked() {
    let mut lab = mistyped();
    delete(&mut lab);
    // A watch of the same endpoint, as long as its next poll is not due.
    lab.cloud(|_, _| (Duration::from_millis(50), answer(1)));
    lab.watch_with("prod/daily", target(MISTYPED, 1, 9), secret("prod"), |demand| {
        demand.cadence.period = Duration::from_hours(24);
    });
    lab.run(minutes(2));
    assert!(lab.is_answered("prod/daily"));
    hang(&mut lab);
    create(&mut lab);
    lab.run(minutes(2));
    assert_eq!(known(&lab)[0], (2, 1));
    delete(&mut lab);
    lab.run(minutes(14));
    assert_eq!(known(&lab)[0], (2, 0), "whether it answers is not known");
}

#[test]
fn an_endpoint_whose_only_watch_is_tried_ever_more_rarely_is_told_to_be_blocked_all_the_time() {
    let mut lab = Lab::new();
    hang(&mut lab);
    lab.watch("prod/0", target(MISTYPED, 1, 0), secret("prod"));
    lab.run(minutes(20));
    for _ in 0..60 {
        assert_eq!(known(&lab), [(1, 1), (1, 1)]);
        lab.run(minutes(1));
    }
}
