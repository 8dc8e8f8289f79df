//! The end of the time, wherever it meets the command. The API server is a stand-in, because none answers to the millisecond.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering},
};

use clap::Parser;
use hyper::{Request, Response};
use kube::client::Body;
use serde_json::{Value, json};

use super::*;
use crate::api::REQUESTED_AT;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: PollArgs,
}

/// How a world answers.
#[derive(Clone, Copy)]
struct World {
    /// How long the API server takes for a request.
    api_server: Duration,
    /// How long the operator takes for a poll, if there is one. A backup runs in its answer.
    operator: Option<Duration>,
    /// How many requests for a poll the API server refuses, and how.
    refusals: (u32, u16),
}

/// One that refuses nothing.
fn world(api_server: Duration, operator: Option<Duration>) -> World {
    World { api_server, operator, refusals: (0, 0) }
}

/// An API server with one watch.
fn server(world: World) -> Client {
    let requested: Arc<Mutex<Option<(Instant, Value)>>> = Arc::default();
    let refused = Arc::new(AtomicU32::new(0));
    let service = tower::service_fn(move |request: Request<Body>| {
        let (requested, refused) = (Arc::clone(&requested), Arc::clone(&refused));
        async move {
            sleep(world.api_server).await;
            let is_watch = request.uri().path().ends_with("/clusterbackupwatches/prod");
            if request.method() == hyper::Method::PATCH {
                let (refusals, status) = world.refusals;
                if refused.fetch_add(1, Ordering::Relaxed) < refusals {
                    let page = Response::builder().status(status).body(Body::from(b"<html></html>".to_vec()));
                    return Ok(page.unwrap());
                }
                let patch: Value =
                    serde_json::from_slice(&request.into_body().collect_bytes().await?).unwrap();
                let value = patch["metadata"]["annotations"][REQUESTED_AT].clone();
                *requested.lock().unwrap() = Some((Instant::now(), value));
            }
            let handled = requested
                .lock()
                .unwrap()
                .clone()
                .filter(|(when, _)| world.operator.is_some_and(|takes| when.elapsed() >= takes));
            let conditions = [("Ready", "True", "Polled"), ("BackupHealthy", "Unknown", "BackupRunning")];
            let conditions = conditions.map(|(type_, status, reason)| {
                json!({ "type": type_, "status": status, "reason": reason, "message": "" })
            });
            let body = if is_watch {
                json!({
                    "metadata": { "namespace": "platform", "name": "prod" },
                    "status": {
                        "phase": "Running", "progress": 10, "conditions": conditions,
                        "lastHandledReconcileAt": handled.map(|(_, value)| value),
                    },
                })
            } else {
                json!({ "metadata": {}, "items": [] })
            };
            Ok::<_, kube::Error>(Response::new(Body::from(body.to_string().into_bytes())))
        }
    });
    Client::new(service, "platform")
}

/// What the command would say after this time.
async fn after(timeout: Duration, flags: &[&str], world: World) -> String {
    let timeout = format!("{}ms", timeout.as_millis());
    let line = [&["poll", "platform/prod", "--timeout", timeout.as_str()], flags].concat();
    let args = Line::parse_from(line).args;
    let mut asking = Asking::new(&args, server(world));
    // As if it had said so, because it would say so once in every case.
    asking.said = Some("platform/prod: waiting for the end of the backup that runs".to_owned());
    match asking.outcome(args.newer_than).await {
        Ok((_, outcome)) => format!("{outcome:?}"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_answers_is_not_blamed_wherever_the_time_ends() {
    for latency in (1..400).step_by(7) {
        for timeout in (2_000..3_200).step_by(61) {
            let world = world(Duration::from_millis(latency), None);
            let said = after(Duration::from_millis(timeout), &[], world).await;
            assert!(said.contains("no operator answered within"), "{latency} {timeout}: {said}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_operator_that_answers_is_not_blamed_wherever_the_time_ends() {
    for operator in [1_500, 4_000, 9_000] {
        for timeout in (60_000..104_000).step_by(317) {
            let world = world(Duration::from_millis(20), Some(Duration::from_millis(operator)));
            let said = after(Duration::from_millis(timeout), &["--newer-than", "2h"], world).await;
            assert_eq!(said, "Running", "{operator} {timeout}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_went_silent_is_named() {
    for (api_server, timeout) in [(60, 20), (60, 5), (12, 60)] {
        let world = world(Duration::from_secs(api_server), None);
        let said = after(Duration::from_secs(timeout), &[], world).await;
        assert!(said.contains("the API server did not answer within"), "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_refused_for_a_passing_reason_is_sent_again() {
    let world = world(Duration::from_millis(20), Some(Duration::from_secs(1)));
    for (refusals, status, expected) in [
        (3, 500, "Passed"),
        (3, 502, "Passed"),
        (1, 409, "Passed"),
        (
            1,
            403,
            "cannot ask for a poll of the watch platform/prod: the API server, or what stands before it, refuses (HTTP 403)",
        ),
        (
            999,
            502,
            "cannot ask for a poll of the watch platform/prod: the API server, or what stands before it, refuses (HTTP 502)",
        ),
    ] {
        let said = after(Duration::from_mins(1), &[], World { refusals: (refusals, status), ..world }).await;
        assert_eq!(said, expected, "{refusals} {status}");
    }
}

#[test]
fn a_clock_that_is_behind_makes_no_old_backup_a_young_one() {
    let written = |fields: Value| {
        serde_json::from_value::<Watch>(json!({ "metadata": { "managedFields": fields } })).unwrap()
    };
    let later = Timestamp::now() + SignedDuration::from_hours(5);
    let fields = json!([{ "manager": "a", "time": "2023-11-25T09:03:46Z" }, { "time": later.to_string() }, { "time": 7 }, {}]);
    assert_eq!(now(&written(fields)), later);
    let before = Timestamp::now();
    assert!(
        now(&written(json!([{ "time": "2023-11-25T09:03:46Z" }]))) >= before,
        "a clock that is ahead closes the gate"
    );
    assert!(now(&written(json!([]))) >= before);
}
