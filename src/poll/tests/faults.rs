//! What a fault means for the fetch itself: how often it is tried again, and which watches are told.

use super::*;

fn lab(kind: FaultKind, status: Option<u16>) -> Lab {
    let mut lab = Lab::new();
    lab.cloud(move |_, _| (Duration::from_millis(50), Err(fault(kind, status))));
    lab.watch("prod/0", target("r", 1, 0), secret("prod"));
    lab
}

/// The seconds between one request and the next.
fn gaps(lab: &Lab) -> Vec<u64> {
    lab.sent.windows(2).map(|pair| (pair[1].at - pair[0].at).as_secs()).collect()
}

fn is_about(gap: u64, wanted: u64) -> bool {
    (wanted * 85 / 100..=wanted * 115 / 100 + 1).contains(&gap)
}

#[test]
fn a_failing_poll_backs_off_from_the_active_interval_to_ten_minutes() {
    let mut lab = lab(FaultKind::CloudUnavailable, Some(503));
    lab.run(minutes(60));
    for (gap, wanted) in gaps(&lab).into_iter().zip([10, 20, 40, 80, 160, 320, 600, 600]) {
        assert!(is_about(gap, wanted), "{gap} s instead of {wanted} s");
    }
    let told = lab.watches["prod/0"]
        .outcomes
        .iter()
        .map(|(_, outcome)| matches!(outcome, Outcome::Fault { is_blind: true, .. }));
    assert_eq!(
        told.collect::<Vec<_>>(),
        [false, true],
        "the same fault is no news, but that the watch is blind is"
    );
}

#[test]
fn a_cluster_that_denies_access_is_asked_ever_more_rarely() {
    let mut lab = lab(FaultKind::PermissionDenied, Some(403));
    lab.run(minutes(40));
    for (gap, wanted) in gaps(&lab).into_iter().zip([10, 20, 40, 80, 160, 320, 600]) {
        assert!(is_about(gap, wanted), "{gap} s instead of {wanted} s");
    }
    assert_eq!(lab.blind("prod/0"), Some(FaultKind::PermissionDenied));
}

#[test]
fn the_cloud_is_not_asked_before_the_time_that_it_named() {
    for status in [429, 503] {
        let kind = if status == 429 { FaultKind::Throttled } else { FaultKind::CloudUnavailable };
        let mut lab = lab(kind, Some(status));
        lab.cloud(move |_, _| {
            let fault = Fault { retry_after: Some(seconds(77)), ..fault(kind, Some(status)) };
            (Duration::from_millis(50), Err(fault))
        });
        lab.run(minutes(10));
        assert!(lab.sent.len() > 3);
        assert!(gaps(&lab).into_iter().all(|gap| (77..90).contains(&gap)), "{:?}", gaps(&lab));
    }
}

#[test]
fn a_definite_fault_is_told_at_once_and_an_answer_after_it_too() {
    for kind in [FaultKind::ClusterNotFound, FaultKind::RequestRejected, FaultKind::ClockSkew] {
        let mut lab = lab(kind, Some(400));
        lab.run(seconds(1));
        assert_eq!(lab.blind("prod/0"), Some(kind));
        lab.cloud(|_, _| (Duration::from_millis(50), answer(1)));
        lab.run(seconds(15));
        assert!(lab.is_answered("prod/0"));
    }
}

#[test]
fn an_answer_that_fails_once_between_the_same_answers_is_told_both_times() {
    let mut lab = Lab::new();
    lab.watch("prod/0", target("r", 1, 0), secret("prod"));
    lab.run(seconds(30));
    assert_eq!(lab.watches["prod/0"].wakes, 1, "the same answer again is no news");
    lab.cloud(|_, _| (Duration::from_millis(50), no_answer()));
    lab.run(seconds(11));
    lab.cloud(|_, _| (Duration::from_millis(50), answer(1)));
    lab.run(seconds(30));
    let outcomes = &lab.watches["prod/0"].outcomes;
    assert_eq!(outcomes.len(), 3);
    assert!(matches!(outcomes[1].1, Outcome::Fault { is_blind: false, .. }) && lab.is_answered("prod/0"));
}

#[test]
fn a_request_passes_every_backoff_but_what_protects_others() {
    // Its own backoff.
    let mut lab = lab(FaultKind::CloudUnavailable, Some(503));
    lab.run(minutes(20));
    let before = lab.sent.len();
    lab.request("prod/0", "a");
    lab.run(seconds(1));
    assert_eq!((lab.sent.len(), lab.watches["prod/0"].handled.len()), (before + 1, 1));

    // An endpoint that does not answer: the request is the next probe.
    lab.cloud(|_, _| (seconds(3), no_answer()));
    lab.run(minutes(90));
    lab.request("prod/0", "b");
    lab.run(seconds(7));
    assert_eq!(lab.watches["prod/0"].handled.len(), 2);

    // An account that is throttled: the request is echoed, and nothing is sent.
    lab.cloud(|_, _| {
        let fault = Fault { retry_after: Some(minutes(60)), ..fault(FaultKind::Throttled, Some(429)) };
        (Duration::from_millis(50), Err(fault))
    });
    lab.run(minutes(15));
    let before = lab.sent.len();
    lab.request("prod/0", "c");
    lab.run(seconds(5));
    assert_eq!((lab.sent.len(), lab.watches["prod/0"].handled.len()), (before, 3));
}

#[test]
fn a_hundred_requests_to_an_endpoint_that_does_not_answer_are_answered_by_few_probes() {
    let mut lab = Lab::new();
    lab.cloud(|_, _| (seconds(3), no_answer()));
    for n in 0..100 {
        lab.watch(&format!("prod/{n}"), target("r", n % 10, n), secret("prod"));
    }
    lab.run(minutes(5));
    let before = lab.sent.len();
    for n in 0..100 {
        lab.request(&format!("prod/{n}"), "now");
    }
    lab.run(seconds(60));
    assert!(lab.sent.len() - before <= 22, "{} probes", lab.sent.len() - before);
    assert!(lab.watches.values().all(|story| story.handled.len() == 1));
}

#[test]
fn a_cluster_that_is_not_found_is_looked_for_at_the_other_api_once_and_at_the_accounts_rate() {
    for (other, says) in [(200, "is of the type Autopilot"), (404, "no"), (503, "no")] {
        let mut lab = Lab::with(|config| config.limit = Limit { rate: 0.2, burst: 1 });
        lab.cloud(move |request, _| {
            let status = if request.target.cluster_type == ClusterType::Autopilot { other } else { 404 };
            let kind = if status == 404 { FaultKind::ClusterNotFound } else { FaultKind::CloudUnavailable };
            let fetched = if status == 200 { answer(1) } else { Err(fault(kind, Some(status))) };
            (Duration::from_millis(50), fetched)
        });
        lab.watch("prod/0", target("r", 1, 0), secret("prod"));
        lab.run(seconds(4));
        assert_eq!((lab.sent.len(), lab.blind("prod/0")), (1, Some(FaultKind::ClusterNotFound)), "{other}");
        lab.run(minutes(60));
        let Some(Outcome::Fault { fault, .. }) = lab.last("prod/0") else { panic!("{other}: no fault") };
        assert!(fault.message.contains(says), "{other}: {}", fault.message);
        let looks = lab.requests(lab.sent[0].at, |target| target.cluster_type == ClusterType::Autopilot);
        assert!(if other == 503 { looks > 1 } else { looks == 1 }, "{other}: {looks} looks");
        assert!(lab.sent.windows(2).all(|pair| pair[1].at - pair[0].at >= seconds(4)), "{other}");
    }
}
