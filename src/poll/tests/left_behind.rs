//! What is left of watches that are gone.

use super::*;

const REGION: &str = "cn-north-4";
const MISTYPED: &str = "cn-noth-4";

/// Watches of a region that does not exist, beside one that is well and has proven their key.
fn mistyped() -> Lab {
    let mut lab = Lab::new();
    lab.cloud(|request, _| match request.target.region.as_str() {
        REGION => (Duration::from_millis(50), answer(1)),
        _ => (seconds(15), no_answer()),
    });
    lab.watch("prod/well", target(REGION, 1, 0), secret("prod"));
    lab.run(seconds(1));
    create(&mut lab);
    lab.run(minutes(2));
    lab
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
fn a_breaker_outlasts_watches_that_are_created_anew_and_no_more() {
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
