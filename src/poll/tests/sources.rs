//! Credentials: when they are read, and what follows when they change, are missing, or cannot be read.

use std::cell::RefCell;
use std::rc::Rc;

use super::*;

/// A lab with one watch whose Secret the test changes.
fn lab(period: Duration) -> (Lab, Rc<RefCell<&'static str>>) {
    let mut lab = Lab::new();
    let state = Rc::new(RefCell::new("good"));
    let seen = state.clone();
    lab.secrets(move |_, _| {
        let resolution = match *seen.borrow() {
            "missing" => Resolution::Missing(fault(FaultKind::SecretNotFound, None)),
            "forbidden" => Resolution::Doubtful(fault(FaultKind::SecretNotFound, None)),
            "unknown" => Resolution::Missing(fault(FaultKind::CloudUnavailable, None)),
            key => credential(key),
        };
        (Duration::from_millis(5), resolution)
    });
    lab.cloud(|request, _| {
        let is_good = request.credential.id.0 == "good";
        (Duration::from_millis(50), if is_good { answer(1) } else { refused() })
    });
    lab.watch_with("prod/0", target("r", 1, 0), secret("prod"), |demand| demand.cadence.period = period);
    (lab, state)
}

#[test]
fn a_secret_is_kept_for_five_minutes() {
    let (mut lab, _) = lab(seconds(10));
    lab.run(minutes(30));
    assert!((6..=7).contains(&lab.reads.len()), "{}", lab.reads.len());
}

#[test]
fn a_changed_secret_is_used_within_five_minutes_and_at_once_when_asked_for() {
    let (mut lab, state) = lab(minutes(1));
    lab.run(seconds(30));
    state.replace("bad");
    lab.run(minutes(4));
    assert!(lab.is_answered("prod/0"));
    lab.run(minutes(2));
    assert_eq!(lab.blind("prod/0"), Some(FaultKind::AuthenticationFailed));
    state.replace("good");
    lab.request("prod/0", "now");
    lab.run(seconds(1));
    assert!(lab.is_answered("prod/0"));
}

#[test]
fn the_secret_of_a_stalled_watch_is_read_after_half_a_minute_then_more_rarely_and_a_changed_one_tried_at_once()
 {
    for trouble in ["missing", "bad"] {
        let (mut lab, state) = lab(minutes(60));
        state.replace(trouble);
        lab.run(seconds(25));
        assert!(lab.blind("prod/0").is_some(), "{trouble}");
        let begun = lab.now;
        lab.run(minutes(20));
        let reads = lab.reads.iter().filter(|(_, at)| *at >= begun).count();
        assert!((5..=9).contains(&reads), "{trouble}: {reads} reads in 20 minutes");
        assert_eq!(lab.watches["prod/0"].wakes, 1, "{trouble}: the same again is no news");
        state.replace("good");
        lab.run(seconds(331));
        assert!(lab.is_answered("prod/0"), "{trouble}");
    }
}

#[test]
fn a_changed_secret_with_the_same_key_is_the_same_key() {
    let (mut lab, state) = lab(minutes(60));
    state.replace("bad");
    lab.run(minutes(5));
    let refused = lab.sent.len();
    assert!(refused <= 3, "{refused} refusals in five minutes");
}

#[test]
fn a_refusal_by_an_api_server_is_believed_when_it_repeats_it() {
    let (mut lab, state) = lab(seconds(10));
    state.replace("forbidden");
    lab.run(seconds(3));
    assert_eq!(lab.blind("prod/0"), None);
    lab.run(seconds(5));
    assert_eq!(lab.blind("prod/0"), Some(FaultKind::SecretNotFound));
}

#[test]
fn a_watch_that_joins_one_whose_secret_is_missing_is_told_at_once() {
    let (mut lab, state) = lab(seconds(10));
    state.replace("missing");
    lab.run(minutes(20));
    lab.watch("prod/new", target("r", 1, 0), secret("prod"));
    lab.run(seconds(2));
    assert_eq!(lab.blind("prod/new"), Some(FaultKind::SecretNotFound));
}

#[test]
fn an_api_server_that_gives_no_answer_blinds_a_watch_a_minute_after_its_first_poll_without_a_credential() {
    let (mut lab, state) = lab(seconds(10));
    lab.run(minutes(4));
    state.replace("unknown");
    lab.run(seconds(110));
    assert_eq!(lab.blind("prod/0"), None, "the credential is kept for five minutes");
    lab.run(minutes(1));
    assert_eq!(lab.blind("prod/0"), Some(FaultKind::CloudUnavailable));
    state.replace("good");
    lab.run(seconds(18));
    assert!(lab.is_answered("prod/0"));
}

#[test]
fn a_secret_that_could_not_be_read_is_read_soon_after_the_api_servers_return_however_long_it_was_away() {
    for away in (30..=240).step_by(15).map(seconds) {
        let (mut lab, state) = lab(seconds(10));
        state.replace("unknown");
        lab.run(away);
        assert!(!lab.is_answered("prod/0"));
        state.replace("good");
        lab.run(seconds(18));
        assert!(lab.is_answered("prod/0"), "after {away:?}");
    }
}

#[test]
fn a_passing_fault_of_the_operators_identity_counts_like_any_other() {
    let mut lab = Lab::new();
    lab.secrets(|_, _| {
        (Duration::from_millis(5), Resolution::Missing(fault(FaultKind::CloudUnavailable, None)))
    });
    lab.watch("own/0", target("r", 1, 0), own());
    lab.run(seconds(59));
    assert_eq!(lab.blind("own/0"), None);
    lab.run(seconds(20));
    assert_eq!(lab.blind("own/0"), Some(FaultKind::CloudUnavailable));
}
