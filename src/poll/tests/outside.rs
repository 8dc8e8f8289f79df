//! Troubles that were found by going outside of what the histories generated then, each as it was seen, with what must be.

use super::*;

/// What the cloud does, with the `Retry-After` that it may send.
type Cause = fn(Option<Duration>) -> (Duration, Fetched);

/// A fault with a code and a `Retry-After`.
fn coded(kind: FaultKind, status: u16, code: &str, retry_after: Option<Duration>) -> Fetched {
    Err(Fault { code: Some(code.into()), retry_after, ..fault(kind, Some(status)) })
}

/// A watch that is polled every ten seconds and answered; from the next moment on, `cloud` answers.
fn healthy(cloud: impl FnMut(&Request, Instant) -> (Duration, Fetched) + 'static) -> Lab {
    let mut lab = Lab::with(|config| config.limit = Limit { rate: 5.0, burst: 10 });
    lab.watch("prod/0", target("r", 1, 0), secret("prod"));
    lab.run(minutes(1));
    assert!(lab.is_answered("prod/0"));
    lab.cloud(cloud);
    lab
}

#[test]
fn one_429_of_a_daily_watch_is_its_own_keys_and_lasts_a_minute() {
    let is_daily = |request: &Request| request.target == target("r", 1, 1);
    let mut lab = healthy(|_, _| (Duration::from_millis(50), answer(1)));
    let mut throttled = false;
    lab.cloud(move |request, _| {
        let first = is_daily(request) && !std::mem::replace(&mut throttled, true);
        let fetched = if first { coded(FaultKind::Throttled, 429, "APIGW.0308", None) } else { answer(1) };
        (Duration::from_millis(50), fetched)
    });
    lab.watch_with("stranger/daily", target("r", 1, 1), secret("stranger"), |demand| {
        demand.cadence =
            Cadence { period: minutes(24 * 60), retry: seconds(10), running: false, upgrades: None };
    });
    let since = lab.now;
    lab.run(minutes(5));
    let polls = lab.requests(since, |polled| *polled == target("r", 1, 0));
    assert!(polls >= 25, "the other key is polled every ten seconds: {polls} polls");
    let faults = |name: &str| {
        let outcomes = lab.watches[name].outcomes.iter();
        outcomes.filter(|(_, outcome)| matches!(outcome, Outcome::Fault { .. })).count()
    };
    assert_eq!(faults("prod/0"), 0, "and told of nothing");
    let of_daily = lab.sent.iter().filter(|sent| sent.target == target("r", 1, 1));
    let waits: Vec<_> = of_daily.map(|sent| (sent.at - since).as_secs()).collect();
    assert_eq!(waits.len(), 2, "tried again after the wait, then answered: {waits:?}");
    assert!((54..=67).contains(&waits[1]), "a minute, whatever its interval: {waits:?}");
}

#[test]
fn whatever_keeps_the_answer_away_a_watch_is_blind_a_minute_after_its_first_poll_that_was_due() {
    let hour = Some(minutes(60));
    let causes: [(&str, Cause, Option<Duration>); 9] = [
        ("503, one hour", |wait| (seconds(0), coded(FaultKind::CloudUnavailable, 503, "", wait)), hour),
        ("500", |wait| (seconds(0), coded(FaultKind::CloudUnavailable, 500, "", wait)), None),
        ("429 of the key, one hour", |wait| (seconds(0), coded(FaultKind::Throttled, 429, "", wait)), hour),
        ("429 of the key", |wait| (seconds(0), coded(FaultKind::Throttled, 429, "", wait)), None),
        (
            "429 of a busy cluster, one hour",
            |wait| (seconds(0), coded(FaultKind::CloudUnavailable, 429, "CCE.01429002", wait)),
            hour,
        ),
        (
            "429 of a busy cluster",
            |wait| (seconds(0), coded(FaultKind::CloudUnavailable, 429, "CCE.01429003", wait)),
            None,
        ),
        ("nonsense", |wait| (seconds(0), coded(FaultKind::InvalidResponse, 200, "", wait)), None),
        ("a time-out", |_| (seconds(15), no_answer()), None),
        ("no connection", |_| (seconds(0), no_answer()), None),
    ];
    for (cause, answer_of, wait) in causes {
        let mut lab = healthy(move |_, _| answer_of(wait));
        let mut due = None;
        let mut blind = None;
        let since = lab.now;
        while blind.is_none() && lab.now < since + minutes(5) {
            lab.run(seconds(1));
            let first = lab.sent.iter().find(|sent| sent.at >= since);
            due = due.or(first.map(|sent| sent.at.checked_sub(sent.delay).unwrap()));
            blind = lab.blind("prod/0").map(|_| lab.now);
        }
        let took = blind.unwrap_or_else(|| panic!("{cause}: never blind")) - due.unwrap();
        // A request that is under way is awaited, for one time-out.
        assert!((seconds(60)..=seconds(91 + 15)).contains(&took), "{cause}: blind after {took:?}");
    }
}

#[test]
fn a_person_passes_a_retry_after_of_one_cluster_and_not_of_the_key() {
    for (status, code, passes) in [(503, "", true), (429, "CCE.01429002", true), (429, "APIGW.0308", false)] {
        let kind = if passes { FaultKind::CloudUnavailable } else { FaultKind::Throttled };
        let mut lab = healthy(move |_, _| (seconds(0), coded(kind, status, code, Some(minutes(60)))));
        lab.run(minutes(6));
        let since = lab.now;
        lab.request("prod/0", "now");
        lab.run(seconds(5));
        assert_eq!(lab.requests(since, |_| true), usize::from(passes), "{status} {code}");
        assert_eq!(lab.watches["prod/0"].handled.len(), 1, "{status} {code}: it is answered either way");
    }
}

#[test]
fn a_retry_after_is_kept_though_a_person_met_it_in_the_middle_of_a_backoff() {
    let mut lab = healthy(|_, _| (seconds(0), coded(FaultKind::CloudUnavailable, 500, "", None)));
    lab.run(minutes(6));
    lab.cloud(|_, _| (seconds(0), coded(FaultKind::CloudUnavailable, 503, "", Some(minutes(60)))));
    lab.request("prod/0", "now");
    lab.run(seconds(5));
    let since = lab.now;
    lab.run(minutes(50));
    assert_eq!(lab.requests(since, |_| true), 0);
    lab.run(minutes(12));
    assert_eq!(lab.requests(since, |_| true), 1);
}

#[test]
fn a_watch_whose_gate_somebody_else_closed_is_blind_by_the_same_clock() {
    let mut lab = healthy(|_, _| (Duration::from_millis(50), answer(1)));
    lab.watch_with("prod/other", target("r", 1, 1), secret("prod"), |demand| {
        demand.cadence = Cadence { period: minutes(10), retry: seconds(10), running: false, upgrades: None };
    });
    lab.run(minutes(1));
    lab.cloud(|_, _| (seconds(0), coded(FaultKind::Throttled, 429, "", Some(minutes(60)))));
    let since = lab.now;
    lab.run(minutes(2));
    assert_eq!(lab.blind("prod/0"), Some(FaultKind::Throttled), "its poll was due at once");
    assert_eq!(lab.blind("prod/other"), None, "no poll of it was due yet, so nothing is missing");
    lab.run(minutes(12));
    assert_eq!(lab.blind("prod/other"), Some(FaultKind::Throttled));
    assert!(lab.requests(since, |polled| *polled == target("r", 1, 1)) == 0, "and nothing of it was sent");
}

#[test]
fn endpoints_are_served_in_turn_while_every_slot_is_taken() {
    // Four slots, so one for each endpoint; six endpoints always have more to do than that.
    let mut lab = Lab::with(|config| config.concurrency = 4);
    let regions = ["a", "b", "c", "d", "e", "f"];
    for (account, region) in regions.into_iter().enumerate() {
        for cluster in 0..20 {
            lab.watch(&format!("{region}/{cluster}"), target(region, account, cluster), secret(region));
        }
    }
    lab.run(minutes(1));
    lab.cloud(|_, _| (seconds(5), answer(1)));
    let since = lab.now;
    lab.run(minutes(5));
    let served = regions.map(|name| lab.requests(since, |polled| polled.region.as_str() == name));
    let (least, most) = (served.iter().min().unwrap(), served.iter().max().unwrap());
    assert!(*least >= 35 && most - least <= 2, "{served:?}");
}

#[test]
fn three_thousand_secrets_are_read_sixteen_at_a_time_and_polls_of_others_go_on() {
    let mut lab = healthy(|_, _| (Duration::from_millis(50), answer(1)));
    lab.secrets(|source, _| {
        (seconds(3), credential(&format!("{source:?}").replace(|c: char| !c.is_ascii_alphanumeric(), "")))
    });
    for n in 0..3000 {
        let name = format!("new{n}");
        lab.watch(&format!("{name}/0"), target("r", 2 + n, 0), secret(&name));
    }
    let since = lab.now;
    lab.run(minutes(2));
    let under_way = |moment: Instant| {
        lab.reads.iter().filter(|(_, at)| *at <= moment && moment < *at + seconds(3)).count()
    };
    let most = lab.reads.iter().map(|(_, at)| under_way(*at)).max().unwrap();
    assert_eq!(most, 16, "reads at a time");
    let read = lab.reads.iter().filter(|(_, at)| *at >= since).count();
    assert!((16 * 38..=16 * 41).contains(&read), "the slots are used: {read} reads in two minutes");
    let polls = lab.requests(since, |polled| *polled == target("r", 1, 0));
    assert!(polls >= 10, "a watch whose Secret is known is polled as ever: {polls} polls");
}
