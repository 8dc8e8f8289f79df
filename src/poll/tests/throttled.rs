//! An account that is throttled: how rarely it is asked, what its watches say, and how it comes back.

use super::*;

const REGION: &str = "cn-north-4";

#[test]
fn a_throttled_account_makes_next_to_no_requests_until_it_may_again() {
    let mut lab = Lab::with(|config| config.limit = Limit { rate: 5.0, burst: 10 });
    for n in 0..40 {
        lab.watch(&format!("prod/{n}"), target(REGION, 1, n), secret("prod"));
    }
    lab.watch("other/0", target(REGION, 2, 0), secret("other"));
    lab.run(minutes(1));
    let throttled_from = lab.now;
    lab.cloud(move |request, now| {
        let is_over = now >= throttled_from + seconds(30);
        let throttled = Fault { retry_after: Some(seconds(30)), ..fault(FaultKind::Throttled, Some(429)) };
        let is_throttled = account_of(&request.target) == 1 && !is_over;
        (Duration::from_millis(50), if is_throttled { Err(throttled) } else { answer(1) })
    });
    lab.run(seconds(30));
    let of_account = |target: &Target| account_of(target) == 1;
    assert!(lab.requests(throttled_from, of_account) <= 3, "{}", lab.requests(throttled_from, of_account));
    assert!(lab.requests(throttled_from, |target| account_of(target) == 2) >= 2, "nobody else is concerned");
    lab.run(seconds(30));
    assert!(lab.watches.keys().all(|name| lab.is_answered(name)));
}

#[test]
fn after_a_throttling_an_account_with_more_to_do_than_its_rate_serves_every_cluster() {
    let mut lab = Lab::with(|config| config.limit = Limit { rate: 5.0, burst: 10 });
    for n in 0..40 {
        lab.watch_with(&format!("prod/{n}"), target(REGION, 1, n), secret("prod"), |demand| {
            demand.cadence = Cadence { period: seconds(2), retry: seconds(2), running: true, upgrades: None };
        });
    }
    lab.run(minutes(1));
    let throttled_from = lab.now;
    lab.cloud(move |_, now| {
        let throttled = Fault { retry_after: Some(seconds(30)), ..fault(FaultKind::Throttled, Some(429)) };
        let is_over = now >= throttled_from + seconds(29);
        (Duration::from_millis(5), if is_over { answer(1) } else { Err(throttled) })
    });
    lab.run(seconds(30));
    let since = lab.now;
    lab.run(seconds(15));
    for n in 0..40 {
        assert!(lab.requests(since, |cluster| *cluster == target(REGION, 1, n)) > 0, "cluster {n}");
    }
}

#[test]
fn an_account_throttled_from_the_start_is_tried_ever_more_rarely() {
    let mut lab = Lab::with(|config| config.limit = Limit { rate: 5.0, burst: 10 });
    lab.cloud(|_, _| (Duration::from_millis(50), Err(fault(FaultKind::Throttled, Some(429)))));
    for n in 0..40 {
        lab.watch(&format!("prod/{n}"), target(REGION, 1, n), secret("prod"));
    }
    lab.run(minutes(10));
    // 10, 20, 40, 80, 160 and 320 seconds, twice at the first.
    assert!(lab.sent.len() <= 8, "{} requests", lab.sent.len());
    assert!(lab.watches.keys().all(|name| lab.blind(name) == Some(FaultKind::Throttled)));
}

#[test]
fn a_watch_of_a_throttled_account_says_that_it_is_blind_while_nothing_may_be_sent() {
    let mut lab = Lab::new();
    for n in 0..3 {
        lab.watch(&format!("throttled/{n}"), target(REGION, 1, n), secret("throttled"));
    }
    lab.run(seconds(5));
    lab.cloud(|_, _| {
        let throttled = Fault { retry_after: Some(minutes(60)), ..fault(FaultKind::Throttled, Some(429)) };
        (Duration::from_millis(50), Err(throttled))
    });
    let since = lab.now;
    lab.run(seconds(59));
    assert!(
        lab.watches.keys().all(|name| lab.blind(name).is_none()),
        "one refusal is one failure for a while"
    );
    lab.run(minutes(2));
    assert!(lab.requests(since, |_| true) <= 3, "Retry-After is kept");
    for name in lab.watches.keys() {
        assert_eq!(lab.blind(name), Some(FaultKind::Throttled), "{name}");
    }
    let wakes = lab.wakes();
    lab.run(minutes(50));
    assert_eq!(lab.wakes(), wakes, "nobody is told what they know");
}
