//! Isolation: what a fault may cost the watches that it does not concern, and how many requests it may make.

use super::*;

const REGION: &str = "cn-north-4";

#[test]
fn accounts_that_hang_delay_a_healthy_one_by_one_time_out_at_most() {
    const TIMEOUT: Duration = seconds(15);
    let mut lab = Lab::new();
    for account in 0..8 {
        for cluster in 0..30 {
            lab.watch(&format!("hung/{account}-{cluster}"), target(REGION, account, cluster), secret("hung"));
        }
    }
    for cluster in 0..3 {
        lab.watch(&format!("well/{cluster}"), target(REGION, 8, cluster), secret("well"));
    }
    lab.run(minutes(2));
    assert!(lab.watches.keys().all(|name| lab.is_answered(name)));
    lab.cloud(|request, _| match account_of(&request.target) {
        8 => (Duration::from_millis(50), answer(1)),
        _ => (TIMEOUT, no_answer()),
    });
    let since = lab.now;
    lab.run(minutes(5));
    for sent in lab.sent.iter().filter(|sent| sent.at >= since && account_of(&sent.target) == 8) {
        assert!(sent.delay <= TIMEOUT + seconds(1), "late by {:?}", sent.delay);
    }
    for cluster in 0..3 {
        let mut polls: Vec<_> = lab
            .sent
            .iter()
            .filter(|s| s.target == target(REGION, 8, cluster) && s.at >= since)
            .map(|s| s.at)
            .collect();
        polls.insert(0, since);
        polls.push(lab.now);
        let gap = polls.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
        assert!(gap <= seconds(11) + TIMEOUT + seconds(3), "not polled for {gap:?}");
    }
    for name in lab.watches.keys().filter(|name| name.starts_with("hung")) {
        assert_eq!(lab.blind(name), Some(FaultKind::CloudUnavailable), "{name}");
    }
    assert!((0..3).all(|cluster| lab.is_answered(&format!("well/{cluster}"))));
}

#[test]
fn accounts_that_were_never_answered_hold_up_no_other() {
    let mut lab = Lab::new();
    for account in 0..8 {
        for cluster in 0..30 {
            lab.watch(&format!("hung/{account}-{cluster}"), target(REGION, account, cluster), secret("hung"));
        }
    }
    lab.cloud(|request, _| match account_of(&request.target) {
        8 => (Duration::from_millis(50), answer(1)),
        _ => (seconds(15), no_answer()),
    });
    lab.run(seconds(40));
    lab.watch("well/0", target(REGION, 8, 0), secret("well"));
    lab.run(seconds(20));
    assert!(lab.is_answered("well/0"));
}

#[test]
fn refused_watches_that_are_left_alone_cost_next_to_nothing() {
    let mut lab = Lab::new();
    for n in 0..60 {
        lab.watch(&format!("wrong/{n}"), target(REGION, 1, n), secret("wrong"));
    }
    lab.watch("forbidden/0", target(REGION, 2, 0), secret("forbidden"));
    lab.cloud(|request, _| match account_of(&request.target) {
        1 => (Duration::from_millis(50), refused()),
        _ => (Duration::from_millis(50), Err(fault(FaultKind::PermissionDenied, Some(403)))),
    });
    lab.run(minutes(1));
    let (turns, wakes) = (lab.turns, lab.wakes());
    lab.run(minutes(30));
    assert_eq!(lab.wakes(), wakes, "nobody is told what they know");
    assert!(lab.turns - turns < 61 * 30 * 2, "{} turns in half an hour", lab.turns - turns);
}

#[test]
fn one_wrong_key_in_the_secrets_of_many_namespaces_is_tried_as_one() {
    let mut lab = Lab::new();
    lab.secrets(|_, _| (Duration::from_millis(5), credential("the-same-wrong-key")));
    lab.cloud(|_, _| (Duration::from_millis(50), refused()));
    for n in 0..12 {
        lab.watch(&format!("ns-{n}/prod"), target(REGION, n, 0), secret(&format!("ns-{n}")));
    }
    lab.run(seconds(50));
    assert!(lab.sent.len() <= 3, "{} refusals", lab.sent.len());
    assert!(lab.watches.keys().all(|name| lab.blind(name) == Some(FaultKind::AuthenticationFailed)));
    let before = lab.sent.len();
    for n in 0..12 {
        lab.request(&format!("ns-{n}/prod"), "now");
    }
    lab.run(seconds(5));
    assert!(lab.sent.len() - before <= 3, "{} more", lab.sent.len() - before);
    assert!(lab.watches.values().all(|story| story.handled.len() == 1), "all requests are echoed");
}

#[test]
fn a_restart_without_egress_is_seen_by_all_watches_within_a_minute_and_a_half() {
    for (timeout, retry) in [(3, 2), (3, 10), (15, 2), (15, 10)] {
        for count in [40, 200] {
            let mut lab = Lab::new();
            lab.cloud(move |_, _| (seconds(timeout), no_answer()));
            for n in 0..count {
                lab.watch_with(&format!("prod/{n}"), target(REGION, 1, n), secret("prod"), |demand| {
                    demand.spread = Some(demand.cadence.period);
                    demand.cadence.retry = seconds(retry);
                });
            }
            lab.run(seconds(retry + 90));
            let blind = lab.watches.keys().filter(|name| lab.blind(name).is_some()).count();
            assert_eq!(blind, count, "time-out {timeout} s, retry {retry} s");
            // Once the cloud answers again, all watches are polled soon, but not all at once.
            lab.cloud(|_, _| (Duration::from_millis(50), answer(1)));
            let back = lab.now;
            lab.run(seconds(75));
            assert!(lab.watches.keys().all(|name| lab.is_answered(name)), "{count} watches, {timeout} s");
            let first = lab.sent.iter().find(|sent| sent.at >= back).unwrap().at;
            assert!(
                lab.requests(first, |_| true) - lab.requests(first + seconds(1), |_| true) <= count / 4 + 16
            );
        }
    }
}

#[test]
fn an_identity_that_hangs_holds_up_nobody_else() {
    let mut lab = Lab::new();
    lab.secrets(|source, _| match source {
        Source::Operator(_) => (seconds(30), Resolution::Missing(fault(FaultKind::CloudUnavailable, None))),
        Source::Secret { .. } => (Duration::from_millis(5), credential("AK")),
    });
    for n in 0..16 {
        lab.watch(&format!("own/{n}"), target(REGION, 1, n), own());
    }
    lab.watch("prod/0", target(REGION, 1, 99), secret("prod"));
    lab.run(seconds(60));
    assert!(lab.sent.iter().all(|sent| sent.delay < seconds(1)));
    assert!(lab.sent.len() >= 6);
    lab.run(minutes(4));
    assert_eq!(lab.blind("own/0"), Some(FaultKind::CloudUnavailable), "its own watches say so");
}

#[test]
fn a_watch_never_polled_goes_before_idle_ones_of_a_saturated_account() {
    let mut lab = Lab::with(|config| config.limit = Limit { rate: 1.0, burst: 1 });
    for n in 0..40 {
        lab.watch(&format!("idle/{n}"), target(REGION, 1, n), secret("prod"));
    }
    lab.run(minutes(2));
    lab.watch("new/0", target(REGION, 1, 99), secret("prod"));
    let since = lab.now;
    lab.run(seconds(4));
    assert!(lab.requests(since, |cluster| *cluster == target(REGION, 1, 99)) == 1);
    // The idle watches do not starve nevertheless.
    let since = lab.now;
    lab.run(minutes(4));
    assert!((0..40).all(|n| lab.requests(since, |cluster| *cluster == target(REGION, 1, n)) > 0));
}

#[test]
fn a_watch_that_waits_for_the_rate_of_its_account_is_late_and_not_blind_after_a_pause_of_the_machine() {
    let mut lab = Lab::with(|config| config.limit = Limit { rate: 1.0, burst: 1 });
    for n in 0..200 {
        lab.watch(&format!("prod/{n}"), target(REGION, 1, n), secret("prod"));
    }
    lab.run(minutes(2));
    for _ in 0..20 {
        // Meanwhile a token has come, and a minute of several watches is over.
        lab.now += seconds(3);
        lab.run(seconds(1));
        let blind: Vec<_> = lab.watches.keys().filter(|name| lab.blind(name).is_some()).collect();
        assert!(blind.is_empty(), "{blind:?}");
    }
}

#[test]
fn a_watch_whose_poll_has_failed_is_blind_though_the_next_one_waits_for_the_rate_of_its_account() {
    let mut lab = Lab::with(|config| config.limit = Limit { rate: 0.5, burst: 1 });
    lab.cloud(|_, _| (Duration::from_millis(50), Err(fault(FaultKind::CloudUnavailable, Some(503)))));
    for n in 0..25 {
        lab.watch_with(&format!("prod/{n}"), target(REGION, 1, n), secret("prod"), |demand| {
            let retry = seconds(3);
            demand.cadence = Cadence { period: retry, retry, running: false, upgrades: None };
        });
    }
    // The last of them is polled after 50 s.
    lab.run(seconds(60 + 15 + 1));
    let unaware: Vec<_> = lab.watches.keys().filter(|name| lab.blind(name).is_none()).collect();
    assert!(unaware.is_empty(), "{unaware:?}");
}

#[test]
fn no_endpoint_gets_more_than_a_quarter_of_the_requests_in_flight_and_no_account_more_than_an_eighth() {
    let mut lab = Lab::with(|config| config.concurrency = 32);
    // The keys are proven first, so that only the shares bound the requests in flight.
    for (n, region) in ["a", "b", "c", "d", "e"].into_iter().enumerate() {
        for cluster in 0..30 {
            lab.watch(
                &format!("{region}/{cluster}"),
                target(region, 2 * n + cluster % 2, cluster),
                secret(region),
            );
        }
    }
    lab.run(seconds(30));
    lab.cloud(|_, _| (minutes(10), no_answer()));
    lab.run(seconds(30));
    let snapshot = lab.engine.snapshot(lab.now);
    let polls: Vec<_> = snapshot.endpoints.iter().map(|(_, polls, _)| *polls).collect();
    assert!(polls.iter().sum::<usize>() == 32 && polls.iter().all(|polls| *polls <= 8), "{polls:?}");
    let of_account =
        |account| lab.sent.iter().rev().take(32).filter(|s| account_of(&s.target) == account).count();
    assert!((0..10).all(|account| of_account(account) <= 4));
}

#[test]
fn a_fault_that_blocks_a_cluster_counts_though_another_one_has_just_ended() {
    let mut lab = Lab::new();
    for name in ["prod/hangs", "prod/well"] {
        lab.watch(name, target("r", 1, 0), secret("prod"));
    }
    lab.run(seconds(5));
    let broken = || Err(fault(FaultKind::CloudUnavailable, Some(500)));
    lab.cloud(move |_, _| (Duration::from_millis(50), broken()));
    lab.run(minutes(20));
    lab.cloud(|_, _| (Duration::from_millis(50), answer(1)));
    lab.request("prod/well", "now");
    lab.run(seconds(5));
    assert!(lab.is_answered("prod/well"));
    // The reconcile of the one hangs.
    lab.watches.remove("prod/hangs");
    lab.cloud(|_, _| {
        let throttled = Fault { retry_after: Some(minutes(2)), ..fault(FaultKind::Throttled, Some(429)) };
        (Duration::from_millis(50), Err(throttled))
    });
    lab.watch("prod/other", target("r", 1, 1), secret("prod"));
    let wakes = lab.watches["prod/well"].wakes;
    lab.run(minutes(1));
    let wakes = lab.watches["prod/well"].wakes - wakes;
    assert!(
        (1..=4).contains(&wakes),
        "{wakes}: it is told of the fault, no more often than it would be polled"
    );
}

#[test]
fn three_limited_accounts_of_an_endpoint_that_hangs_make_the_engine_wait() {
    let mut lab = Lab::with(|config| config.limit = Limit { rate: 5.0, burst: 10 });
    for account in 0..3 {
        for cluster in 0..60 {
            lab.watch(&format!("{account}/{cluster}"), target(REGION, account, cluster), secret("shared"));
        }
    }
    lab.run(seconds(4));
    lab.cloud(|_, _| (seconds(15), no_answer()));
    let turns = lab.turns;
    lab.run(seconds(10));
    assert!(lab.turns - turns < 1000, "{} turns in ten seconds", lab.turns - turns);
}
