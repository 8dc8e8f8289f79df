use std::cell::Cell;

use super::*;

const START: Timestamp = Timestamp::constant(1_700_000_000, 0);

fn at(minutes: i64) -> Timestamp {
    later(START, SignedDuration::from_mins(minutes))
}

fn credential(key: &str) -> Credential {
    Credential::new(key, "secret", None).unwrap()
}

type Source = Result<(&'static str, Option<i64>), ()>;

const DOWN: Source = Err(());

/// What is handed out when the source would answer like this, and whether it was asked at all.
async fn get(renewing: &Renewing, minutes: i64, source: Source) -> (Result<String, FaultKind>, bool) {
    let asked = Cell::new(false);
    let fetch = async {
        asked.set(true);
        source
            .map(|(key, end)| Fetched { credential: credential(key), expires: end.map(at) })
            .map_err(|()| Fault::new(FaultKind::CloudUnavailable, "down"))
    };
    let got = renewing.get(at(minutes), fetch).await;
    let shown = |read: ResolvedCredential| format!("{} {}", read.credential.access_key(), read.id.0);
    (got.map(shown).map_err(|fault| fault.kind), asked.get())
}

fn handed(pair: &str, asked: bool) -> (Result<String, FaultKind>, bool) {
    (Ok(pair.to_owned()), asked)
}

#[tokio::test]
async fn a_credential_without_an_end_is_fetched_once() {
    let renewing = Renewing::default();
    assert_eq!(get(&renewing, 0, Ok(("a", None))).await, handed("a operator#1", true));
    assert_eq!(get(&renewing, 1_000_000, Ok(("b", None))).await, handed("a operator#1", false));
}

#[tokio::test]
async fn a_temporary_one_is_renewed_well_before_its_end() {
    let renewing = Renewing::default();
    assert_eq!(get(&renewing, 0, Ok(("a", Some(360)))).await, handed("a operator#1", true));
    assert_eq!(get(&renewing, 319, Ok(("b", Some(720)))).await, handed("a operator#1", false));
    assert_eq!(get(&renewing, 320, Ok(("b", Some(720)))).await, handed("b operator#2", true));
    // A short life is renewed at its half; the same credential again keeps its identity.
    let renewing = Renewing::default();
    assert_eq!(get(&renewing, 0, Ok(("a", Some(20)))).await, handed("a operator#1", true));
    assert_eq!(get(&renewing, 9, Ok(("a", Some(30)))).await, handed("a operator#1", false));
    assert_eq!(get(&renewing, 10, Ok(("a", Some(30)))).await, handed("a operator#1", true));
}

#[tokio::test]
async fn a_failing_renewal_keeps_the_old_one_until_its_end_and_is_not_tried_in_a_loop() {
    let renewing = Renewing::default();
    assert_eq!(get(&renewing, 0, Ok(("a", Some(100)))).await, handed("a operator#1", true));
    assert_eq!(get(&renewing, 60, DOWN).await, handed("a operator#1", true));
    assert_eq!(get(&renewing, 60, DOWN).await, handed("a operator#1", false));
    let expired = Ok(("late", Some(61)));
    assert_eq!(get(&renewing, 61, expired).await, handed("a operator#1", true));
    assert_eq!(get(&renewing, 99, DOWN).await, handed("a operator#1", true));
    assert_eq!(get(&renewing, 100, DOWN).await, (Err(FaultKind::CloudUnavailable), true));
    assert_eq!(get(&renewing, 100, Ok(("b", Some(200)))).await, (Err(FaultKind::CloudUnavailable), false));
    assert_eq!(get(&renewing, 101, Ok(("b", Some(200)))).await, handed("b operator#2", true));
}

#[tokio::test]
async fn a_refused_one_is_fetched_anew_but_not_again_and_again() {
    let renewing = Renewing::default();
    assert_eq!(get(&renewing, 0, Ok(("a", Some(1_000)))).await, handed("a operator#1", true));
    let (old, other) = (CredentialId("operator#1".into()), CredentialId("uid/7".into()));
    renewing.refused(&other, at(5));
    assert_eq!(get(&renewing, 5, DOWN).await, handed("a operator#1", false));
    renewing.refused(&old, at(6));
    assert_eq!(get(&renewing, 6, Ok(("a", Some(1_000)))).await, handed("a operator#1", true));
    // Refused as soon as it was fetched: it is kept for a minute, and then fetched anew without another refusal.
    renewing.refused(&old, at(6));
    assert_eq!(get(&renewing, 6, DOWN).await, handed("a operator#1", false));
    assert_eq!(get(&renewing, 7, Ok(("b", Some(1_000)))).await, handed("b operator#2", true));
}

#[tokio::test]
async fn a_clock_that_is_set_back_holds_up_no_fetch() {
    let renewing = Renewing::default();
    assert_eq!(get(&renewing, 480, DOWN).await, (Err(FaultKind::CloudUnavailable), true));
    assert_eq!(get(&renewing, 0, Ok(("a", Some(360)))).await, handed("a operator#1", true));

    let renewing = Renewing::default();
    assert_eq!(get(&renewing, 480, Ok(("a", Some(1_000)))).await, handed("a operator#1", true));
    renewing.refused(&CredentialId("operator#1".into()), at(0));
    assert_eq!(get(&renewing, 1, Ok(("b", Some(1_000)))).await, handed("b operator#2", true));
}

#[tokio::test]
async fn many_who_wait_cost_one_fetch_and_nobody_waits_while_the_old_one_works() {
    let renewing = Renewing::default();
    let fetches = Cell::new(0);
    let slow = async |key: &str, end| {
        fetches.set(fetches.get() + 1);
        tokio::task::yield_now().await;
        Ok(Fetched { credential: credential(key), expires: Some(at(end)) })
    };
    let all = futures::future::join_all((0..50).map(|_| renewing.get(START, slow("a", 100)))).await;
    assert!(all.iter().all(|got| got.as_ref().is_ok_and(|read| read.credential.access_key() == "a")));
    assert_eq!(fetches.get(), 1);

    let mut first = Box::pin(renewing.get(at(90), slow("b", 200)));
    assert!(futures::poll!(&mut first).is_pending());
    let old = renewing.get(at(90), slow("c", 200)).await.unwrap();
    assert_eq!((old.credential.access_key(), fetches.get()), ("a", 2));
    assert_eq!(first.await.unwrap().credential.access_key(), "b");
    // A caller that is dropped while it fetches releases the turn to the next one.
    let mut dropped = Box::pin(renewing.get(at(300), slow("d", 400)));
    assert!(futures::poll!(&mut dropped).is_pending());
    drop(dropped);
    assert_eq!(renewing.get(at(300), slow("e", 400)).await.unwrap().credential.access_key(), "e");
}
