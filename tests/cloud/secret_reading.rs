//! How a Secret is read from the API server: without leaving anything of it in a log, and never as something that it is not.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Router, http::StatusCode};
use cce_backup_watch::{
    cloud::{credentials::CredentialId, fault::FaultKind},
    kubernetes::ApiServer,
    poll::{Resolution, world},
};
use futures::future::join_all;
use kube::{Client, Config};
use serde_json::json;

const CANARY: &str = "CANARY-SECRET-KEY";
const CANARY_BASE64: &str = "Q0FOQVJZLVNFQ1JFVC1LRVk=";

/// An API server that answers everything with one body, and counts.
struct Kubernetes {
    answer: Arc<Mutex<(StatusCode, String)>>,
    requests: Arc<AtomicUsize>,
    client: Client,
}

impl Kubernetes {
    async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        crate::captured_log::so_far();
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
        Self { answer, requests, client }
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
        let error = kubernetes.client.secret("platform", "huawei").await.expect_err(&body);
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        let told = format!("{error} {error:?} {cause:?}");
        assert!(!told.contains("CANARY") && !told.contains(CANARY_BASE64), "{told}");
    }
    let log = crate::captured_log::so_far();
    assert!(log.contains("requesting"), "the log of kube is looked at too");
    assert!(!log.contains("CANARY") && !log.contains(CANARY_BASE64), "{log}");
}

/// What the API server's answer is taken for.
async fn read(kubernetes: &Kubernetes, status: StatusCode, body: String) -> Result<CredentialId, FaultKind> {
    *kubernetes.answer.lock().unwrap() = (status, body);
    match world::read_secret(&kubernetes.client, "platform", "huawei").await {
        Resolution::Resolved(read) => Ok(read.id),
        Resolution::Missing(fault) | Resolution::Doubtful(fault) => Err(fault.kind),
    }
}

fn refusal(code: u16) -> String {
    json!({ "kind": "Status", "status": "Failure", "reason": "Refused", "code": code }).to_string()
}

#[tokio::test]
async fn each_version_of_a_secret_is_a_credential_of_its_own() {
    let kubernetes = Kubernetes::start().await;
    let ok = StatusCode::OK;
    let first = read(&kubernetes, ok, good()).await.unwrap();
    assert_eq!(read(&kubernetes, ok, good()).await.unwrap(), first);
    let changed = read(&kubernetes, ok, good().replace("\"1\"", "\"2\"")).await.unwrap();
    assert_ne!(changed, first);
    // Deleted, and created anew with the same resourceVersion: another Secret all the same.
    let anew =
        read(&kubernetes, ok, good().replace("\"1\"", "\"2\"").replace("\"u\"", "\"v\"")).await.unwrap();
    assert_ne!(anew, changed);
    assert_eq!(kubernetes.requests.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn only_a_clear_word_of_the_api_server_says_that_there_is_no_secret() {
    let answers = [
        (404, FaultKind::SecretNotFound),
        (403, FaultKind::SecretNotFound),
        (401, FaultKind::CloudUnavailable),
        (429, FaultKind::CloudUnavailable),
        (500, FaultKind::CloudUnavailable),
        (503, FaultKind::CloudUnavailable),
    ];
    join_all(answers.map(async |(code, kind)| {
        let kubernetes = Kubernetes::start().await;
        let status = StatusCode::from_u16(code).unwrap();
        assert_eq!(read(&kubernetes, status, refusal(code)).await, Err(kind), "{code}");
    }))
    .await;
    let kubernetes = Kubernetes::start().await;
    let empty = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "huawei" } }).to_string();
    assert_eq!(read(&kubernetes, StatusCode::OK, empty).await, Err(FaultKind::SecretInvalid));
}
