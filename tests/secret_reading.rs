//! How a Secret is read from the API server: as often as it must be, and without leaving anything of it in a log.

mod captured_log;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use axum::{Router, http::StatusCode};
use cce_backup_watch::{cloud::fault::FaultKind, controller::secrets::Secrets};
use kube::{Client, Config};
use serde_json::json;

const CANARY: &str = "CANARY-SECRET-KEY";
const CANARY_BASE64: &str = "Q0FOQVJZLVNFQ1JFVC1LRVk=";

/// An API server that answers everything with one body, and counts.
struct Kubernetes {
    answer: Arc<Mutex<(StatusCode, String)>>,
    requests: Arc<AtomicUsize>,
    secrets: Secrets,
}

impl Kubernetes {
    async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        captured_log::so_far();
        let (answer, requests) =
            (Arc::new(Mutex::new((StatusCode::OK, good()))), Arc::new(AtomicUsize::new(0)));
        let (answers, count) = (answer.clone(), requests.clone());
        let router = Router::new().fallback(async move || {
            count.fetch_add(1, Ordering::SeqCst);
            answers.lock().unwrap().clone()
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let client = Client::try_from(Config::new(url.parse().unwrap())).unwrap();
        Self { answer, requests, secrets: Secrets::new(client) }
    }
}

fn good() -> String {
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": { "name": "huawei", "uid": "u", "resourceVersion": "1" },
        "data": { "accessKey": CANARY_BASE64, "secretKey": CANARY_BASE64 },
    })
    .to_string()
}

#[tokio::test]
async fn an_answer_that_is_no_secret_leaves_nothing_of_it_in_logs_and_errors() {
    let kubernetes = Kubernetes::start().await;
    let cut = good()[..good().len() - 3].to_owned();
    let wrong = good().replace(&format!("{{\"accessKey\":\"{CANARY_BASE64}\""), "{\"accessKey\":\"CANARY!\"");
    for body in [cut, wrong, json!(CANARY).to_string(), json!({ "data": CANARY }).to_string()] {
        *kubernetes.answer.lock().unwrap() = (StatusCode::OK, body.clone());
        let Err(error) = kubernetes.secrets.get("platform", "huawei", Instant::now()).await else {
            panic!("{body} is no Secret");
        };
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        let told = format!("{error} {error:?} {cause:?}");
        assert!(!told.contains("CANARY") && !told.contains(CANARY_BASE64), "{told}");
    }
    let log = captured_log::so_far();
    assert!(log.contains("requesting"), "the log of kube is looked at too");
    assert!(!log.contains("CANARY") && !log.contains(CANARY_BASE64), "{log}");
}

#[tokio::test]
async fn a_secret_is_read_again_when_it_is_older_than_it_may_be() {
    let kubernetes = Kubernetes::start().await;
    let begun = Instant::now();
    let identity = async |not_before| {
        kubernetes.secrets.get("platform", "huawei", not_before).await.unwrap().map(|(_, identity)| identity)
    };
    let first = identity(begun).await.unwrap();
    *kubernetes.answer.lock().unwrap() = (StatusCode::OK, good().replace("\"1\"", "\"2\""));
    assert_eq!(identity(begun).await.unwrap(), first, "what is known is new enough");
    assert_eq!(kubernetes.requests.load(Ordering::SeqCst), 1);
    let changed = identity(Instant::now()).await.unwrap();
    assert_ne!(changed, first);
    assert_eq!(kubernetes.requests.load(Ordering::SeqCst), 2);
    // Deleted, and created anew with the same resourceVersion: another Secret all the same.
    let gone =
        json!({ "kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404 }).to_string();
    *kubernetes.answer.lock().unwrap() = (StatusCode::NOT_FOUND, gone);
    assert_eq!(identity(Instant::now()).await.unwrap_err().kind, FaultKind::SecretNotFound);
    *kubernetes.answer.lock().unwrap() =
        (StatusCode::OK, good().replace("\"1\"", "\"2\"").replace("\"u\"", "\"v\""));
    assert_ne!(identity(Instant::now()).await.unwrap(), changed);
}
