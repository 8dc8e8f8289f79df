//! Every fault of the cloud, caused for real over TCP and TLS, and what a poll makes of it.

mod cases;
mod tls;

use std::time::{Duration, Instant};

use cce_backup_watch::cloud::{
    Answer,
    fault::{Fault, FaultKind},
    sign::{Request, sign},
};
use futures::future::join_all;
use jiff::Timestamp;

use crate::poll::{NOW, PATIENT, ask, client, credential, target};
use crate::server::{Act, Server, answer};
use cases::Case;

const CANARY: &str = "CANARY";

fn plain(server: &Server) -> String {
    format!("http://{}", server.address)
}

/// Runs every case at once, each against a server of its own.
async fn run(cases: Vec<Case>) -> Vec<(Case, Server, Result<Answer, Fault>)> {
    let servers = join_all(cases.iter().map(|case| Server::plain([case.act.clone()]))).await;
    let urls: Vec<_> = servers.iter().map(plain).collect();
    // Only what hangs on purpose may be cut short, however slow this machine is.
    let (patient, hasty) = (client(&urls, PATIENT, None), client(&urls, Duration::from_secs(1), None));
    let asked = join_all(cases.iter().enumerate().map(async |(n, case)| {
        let client = if matches!(case.act, Act::Hang | Act::Drip(..)) { &hasty } else { &patient };
        ask(client, &format!("r{n}")).await
    }))
    .await;
    cases.into_iter().zip(servers).zip(asked).map(|((case, server), asked)| (case, server, asked)).collect()
}

#[tokio::test]
async fn every_fault_has_its_reason_and_every_list_is_an_answer() {
    let start = Instant::now();
    for (case, server, asked) in run(cases::all()).await {
        let got = asked.as_ref().map(|answer| answer.tasks.len()).map_err(|fault| fault.kind);
        assert_eq!(got, case.expected, "{}: {asked:?}", case.name);
        assert_eq!(server.heads().len(), 1, "{} was asked once", case.name);
        if let Err(fault) = asked {
            // A message about the connection names the host, and nothing names more of the address.
            let said = fault.message.replacen(&format!(" ({})", server.address), "", 1);
            assert!(!said.contains("127.0.0.1"), "{fault}");
            assert!(!fault.message.contains("abc123") && !fault.message.contains("db.corp"), "{fault}");
            assert!(fault.message.chars().count() <= Fault::MAX_MESSAGE, "{fault}");
            assert!(!fault.message.contains(|c: char| c.is_control() || c == '\u{202e}'), "{fault}");
        }
    }
    assert!(start.elapsed() < PATIENT, "nothing may outlast its time-out");
}

#[tokio::test]
async fn the_status_code_and_request_id_of_a_refusal_are_kept() {
    let body = r#"{"error_code":"APIGW.0308","error_msg":"limit","request_id":"from-the-body"}"#;
    let headers = [("x-request-id", "from-the-header"), ("retry-after", "30")];
    let server =
        Server::plain([Act::Send(answer(429, &headers, body)), Act::Send(answer(429, &[], body))]).await;
    let client = client(&[plain(&server)], PATIENT, None);
    let fault = ask(&client, "r0").await.unwrap_err();
    assert_eq!((fault.http_status, fault.code.as_deref()), (Some(429), Some("APIGW.0308")));
    assert_eq!(fault.request_id.as_deref(), Some("from-the-header"));
    assert_eq!(fault.retry_after, Some(Duration::from_secs(30)));
    let again = ask(&client, "r0").await.unwrap_err();
    assert_eq!((again.request_id.as_deref(), again.retry_after), (Some("from-the-body"), None));
    assert_eq!(fault.message, again.message);
}

#[tokio::test]
async fn a_pause_that_the_cloud_asks_for_is_kept() {
    let values = [("7", Some(7)), ("Sat, 25 Nov 2023 09:04:46 GMT", Some(60)), ("\u{fffd}", None)];
    for (value, seconds) in values {
        for status in [429, 503] {
            let server = Server::plain([Act::Send(answer(status, &[("retry-after", value)], ""))]).await;
            let client = client(&[plain(&server)], PATIENT, None);
            let fault = ask(&client, "r0").await.unwrap_err();
            assert_eq!(fault.retry_after, seconds.map(Duration::from_secs), "{status} {value:?}");
        }
    }
}

#[tokio::test]
async fn a_refused_connection_is_an_unavailable_cloud() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let fault = ask(&client(&[url], PATIENT, None), "r0").await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::CloudUnavailable);
    assert!(fault.message.starts_with("cannot connect to the endpoint of region r0 ("), "{fault}");
}

#[tokio::test]
async fn a_redirect_is_never_followed() {
    let elsewhere = Server::plain([Act::Send(answer(200, &[], r#"{"items":[]}"#))]).await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("http://{}/api", elsewhere.address);
        let server = Server::plain([Act::Send(answer(status, &[("location", &location)], ""))]).await;
        let client = client(&[plain(&server)], PATIENT, None);
        let fault = ask(&client, "r0").await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::InvalidResponse, "{fault}");
    }
    assert_eq!(elsewhere.heads(), Vec::<String>::new());
}

#[tokio::test]
async fn of_an_endless_body_only_the_beginning_is_read() {
    let cases = cases::all().into_iter().filter(|case| matches!(case.act, Act::Flood(..))).collect();
    for (case, server, asked) in run(cases).await {
        assert_eq!(asked.map_err(|fault| fault.kind), Err(FaultKind::InvalidResponse));
        // 1 MiB, and what the kernel buffers on both sides.
        assert!(server.sent() < cases::LONG / 3, "{}: {}", case.name, server.sent());
    }
}

#[tokio::test]
async fn the_first_good_answer_ends_the_trouble() {
    let good = Act::Send(answer(200, &[], r#"{"items":[{"metadata":{"uid":"u"}}]}"#));
    let server = Server::plain([Act::Reset(vec![]), Act::Send(answer(503, &[], "")), good]).await;
    let client = client(&[plain(&server)], PATIENT, None);
    assert!(ask(&client, "r0").await.is_err());
    assert!(ask(&client, "r0").await.is_err());
    assert_eq!(ask(&client, "r0").await.unwrap().tasks.len(), 1);
}

#[tokio::test]
async fn what_is_sent_is_what_was_signed() {
    let server = Server::plain([Act::Send(answer(200, &[], r#"{"items":[]}"#))]).await;
    ask(&client(&[plain(&server)], PATIENT, None), "r0").await.unwrap();
    let head = &server.heads()[0];
    let mut lines = head.lines();
    assert_eq!(lines.next().unwrap(), format!("GET {} HTTP/1.1", target("r0").path()));
    let header = |name: &str| {
        let lines: Vec<_> = head.lines().filter(|line| line.starts_with(&format!("{name}: "))).collect();
        assert_eq!(lines.len(), 1, "{name}: {head}");
        lines[0][name.len() + 2..].to_owned()
    };
    let request = Request {
        method: "GET",
        host: &header("host"),
        path: &target("r0").path(),
        query: &[],
        headers: &[("x-project-id", &header("x-project-id"))],
        body: &[],
    };
    let now: Timestamp = NOW.parse().unwrap();
    for (name, value) in sign(&request, &credential(), now) {
        assert_eq!(header(name), value);
    }
    assert_eq!(header("host"), server.address.to_string());
    assert!(header("authorization").contains("SignedHeaders=host;x-project-id;x-sdk-date;x-security-token,"));
    assert_eq!(header("user-agent"), format!("cce-backup-watch/{}", env!("CARGO_PKG_VERSION")));
    assert_eq!(header("accept-encoding"), "identity");
}

#[tokio::test]
async fn no_key_is_found_in_any_log_fault_or_answer() {
    let mut seen = String::new();
    for (case, server, asked) in run(cases::all()).await {
        assert!(server.heads()[0].contains(CANARY), "the canary was on the wire");
        let shown = match &asked {
            Ok(answer) => format!("{answer:?}"),
            Err(fault) => format!("{fault} {fault:?}"),
        };
        assert!(!shown.contains(CANARY), "{}: {shown}", case.name);
        seen.push_str(&shown);
    }
    assert!(seen.contains("****"), "an echo was overwritten");
    assert!(!format!("{:?}", credential()).contains(CANARY));

    let log = crate::captured_log::so_far();
    for target in ["reqwest", "hyper_util", "cce_backup_watch"] {
        assert!(log.contains(&format!("{target}::")), "{target} is logged");
    }
    let leaks: Vec<_> = log.lines().filter(|line| line.contains(CANARY)).collect();
    assert!(leaks.is_empty(), "{}", leaks[0]);
}
