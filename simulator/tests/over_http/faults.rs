//! Each fault, as a client meets it.

use std::{
    io::ErrorKind,
    time::{Duration, Instant},
};

use cce_simulator::{ANY_CLUSTER, Counts, Credential, Fault, FaultKind, Simulator, Task};
use jiff::SignedDuration;
use serde_json::json;

use crate::client::{CLUSTER, Client, path, simulator};

async fn faulty(fault: impl Into<Fault>) -> (Simulator, Client) {
    let simulator = simulator().await;
    simulator.set_tasks(CLUSTER, [Task::new("a", "Running").progress(67)]);
    simulator.set_fault(CLUSTER, fault).unwrap();
    let client = Client::new(&simulator);
    (simulator, client)
}

#[tokio::test]
async fn an_error_has_the_shape_that_belongs_to_its_code() {
    let throttled = Fault::error(429, "APIGW.0308", "The throttling threshold has been reached");
    let (simulator, client) = faulty(throttled.header("Retry-After", "7")).await;
    let answer = client.tasks(CLUSTER).await;
    assert_eq!((answer.status, answer.headers["retry-after"].as_str()), (429, "7"));
    let expected = json!({
        "error_code": "APIGW.0308",
        "error_msg": "The throttling threshold has been reached",
        "request_id": answer.headers["x-request-id"],
    });
    assert_eq!(answer.json(), expected);

    simulator.set_fault(CLUSTER, Fault::error(403, "CCE.01403001", "Forbidden")).unwrap();
    let answer = client.tasks(CLUSTER).await;
    let expected = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 403,
        "errorCode": "CCE.01403001", "errorMessage": "Forbidden.",
        "error_code": "CCE_CM.0001", "error_msg": "Request is forbidden",
        "message": "Forbidden", "reason": "Forbidden",
    });
    assert_eq!(answer.json(), expected, "both families at once, and the cause in `message`");

    simulator.set_fault(CLUSTER, Fault::status(502)).unwrap();
    let answer = client.tasks(CLUSTER).await;
    assert_eq!((answer.status, answer.body.len()), (502, 0));

    simulator.set_fault(CLUSTER, Fault::body(200, "<html>").header("Content-Type", "text/html")).unwrap();
    let answer = client.tasks(CLUSTER).await;
    assert_eq!(
        (answer.body.as_slice(), answer.headers["content-type"].as_str()),
        (&b"<html>"[..], "text/html")
    );
}

#[tokio::test]
async fn a_fault_ends_after_its_count_and_strikes_signed_requests_only() {
    let (simulator, client) = faulty(Fault::status(503).times(2)).await;
    let wrong = client.with(Credential::new("AK", "WRONG"));
    assert_eq!(wrong.tasks(CLUSTER).await.status, 401, "not used up by this one");
    for expected in [503, 503, 200] {
        assert_eq!(client.tasks(CLUSTER).await.status, expected);
    }
    assert_eq!(simulator.counts(CLUSTER), Counts { accepted: 3, refused: 1, faulted: 2 });
}

#[tokio::test]
async fn a_fault_may_strike_every_cluster_and_can_be_ended() {
    let simulator = simulator().await;
    let client = Client::new(&simulator);
    simulator.set_fault(ANY_CLUSTER, Fault::status(500)).unwrap();
    assert_eq!(client.tasks("unknown").await.status, 500);
    simulator.clear_fault(ANY_CLUSTER);
    assert_eq!(client.tasks("unknown").await.status, 404);
}

#[tokio::test]
async fn a_connection_is_reset_before_or_in_the_middle_of_an_answer() {
    for kind in [FaultKind::Reset {}, FaultKind::ResetMidBody {}] {
        let (_simulator, client) = faulty(kind.clone()).await;
        let error = client.get(&path(CLUSTER)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{kind:?}");
    }
}

#[tokio::test]
async fn an_answer_is_cut_short() {
    let (_simulator, client) = faulty(FaultKind::Truncate {}).await;
    assert_eq!(client.get(&path(CLUSTER)).await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_hanging_request_ends_with_the_simulator_at_the_latest() {
    let (simulator, client) = faulty(FaultKind::Hang {}).await;
    let request = tokio::spawn({
        let client = client.clone();
        async move { client.get(&path(CLUSTER)).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!request.is_finished());
    drop(simulator);
    let ended = tokio::time::timeout(Duration::from_secs(5), request).await;
    assert!(ended.expect("the connection is closed").unwrap().is_err());
    assert_eq!(client.get(&path(CLUSTER)).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_dripping_answer_is_right_and_slow() {
    let interval = SignedDuration::from_millis(2);
    let (simulator, client) = faulty(FaultKind::Drip { interval }).await;
    let start = Instant::now();
    let dripped = client.tasks(CLUSTER).await;
    let least = Duration::from_millis(2) * u32::try_from(dripped.body.len()).unwrap();
    assert!(start.elapsed() >= least, "{:?}", start.elapsed());
    simulator.clear_fault(CLUSTER);
    assert_eq!(dripped.json(), client.tasks(CLUSTER).await.json());
}

#[tokio::test]
async fn a_huge_answer_has_the_size_it_should() {
    let (_simulator, client) = faulty(FaultKind::Huge { bytes: 3_000_001 }).await;
    let answer = client.tasks(CLUSTER).await;
    assert_eq!((answer.body.len(), answer.json()["items"].clone()), (3_000_001, json!([])));
}

#[tokio::test]
async fn a_redirect_names_the_place() {
    let location = "http://127.0.0.1:1/elsewhere".to_owned();
    let (_simulator, client) = faulty(FaultKind::Redirect { location: location.clone(), status: 307 }).await;
    let answer = client.tasks(CLUSTER).await;
    assert_eq!((answer.status, &answer.headers["location"]), (307, &location));
}

#[tokio::test]
async fn garbage_is_no_text_and_nesting_is_deep() {
    let (simulator, client) = faulty(FaultKind::Garbage {}).await;
    let answer = client.tasks(CLUSTER).await;
    assert_eq!(answer.status, 200);
    assert!(std::str::from_utf8(&answer.body).is_err());
    simulator.set_fault(CLUSTER, FaultKind::Nested { depth: 50_000 }).unwrap();
    assert!(client.tasks(CLUSTER).await.body.len() > 100_000);
}

#[tokio::test]
async fn a_fault_that_cannot_be_played_is_not_set() {
    let (simulator, client) = faulty(Fault::status(503)).await;
    assert!(simulator.set_fault(CLUSTER, Fault::status(42)).is_err());
    assert_eq!(client.tasks(CLUSTER).await.status, 503, "the one before stays");
}
