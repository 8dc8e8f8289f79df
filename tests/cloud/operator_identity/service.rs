//! A service that plays IAM, the pod identity agent and the metadata service, and identities that ask it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use cce_backup_watch::cloud::{
    credentials::{Environment, OperatorCredentials, OperatorIdentity, SourceConfig},
    fault::FaultKind,
};
use jiff::{SignedDuration, Timestamp};

/// One request as the service saw it.
#[derive(Clone, Debug)]
pub struct Asked {
    pub what: String,
    pub headers: HeaderMap,
    pub body: String,
}

/// Plays IAM, the pod identity agent and the metadata service alike.
#[derive(Clone)]
pub struct Service {
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// What to answer next; the last answer is repeated.
    answers: Arc<Mutex<HashMap<String, Answers>>>,
}

type Answers = Vec<(u16, String)>;

impl Service {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let service = Self { url, asked: Arc::default(), answers: Arc::default() };
        let app = Router::new().fallback(answer).with_state(service.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        service
    }

    pub fn will(&self, what: &str, answers: &[(u16, &str)]) {
        let answers = answers.iter().map(|(status, body)| (*status, (*body).to_owned())).collect();
        self.answers.lock().unwrap().insert(what.to_owned(), answers);
    }

    /// The requests since the last call.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    pub fn whats(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.what).collect()
    }
}

async fn answer(
    State(service): State<Service>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let what = format!("{method} {}", uri.path());
    let body = String::from_utf8(body.to_vec()).unwrap();
    service.asked.lock().unwrap().push(Asked { what: what.clone(), headers, body });
    let (status, body) = match service.answers.lock().unwrap().get_mut(&what) {
        Some(answers) if answers.len() > 1 => answers.remove(0),
        Some(answers) => answers[0].clone(),
        None => (404, String::new()),
    };
    if body == "hang" {
        std::future::pending::<()>().await;
    }
    (StatusCode::from_u16(status).unwrap(), [("x-subject-token", "SUBJECT")], body).into_response()
}

pub const TOKEN: &str = "PUT /meta-data/latest/api/token";
pub const KEY: &str = "GET /openstack/latest/securitykey";
pub const ID_TOKEN: &str = "POST /v3.0/OS-AUTH/id-token/tokens";
pub const SECURITY_TOKENS: &str = "POST /v3.0/OS-CREDENTIAL/securitytokens";
pub const POD: &str = "POST /v1/credentials";

pub fn now() -> Timestamp {
    "2023-11-25T09:00:00Z".parse().unwrap()
}

pub fn after(minutes: i64) -> Timestamp {
    now() + SignedDuration::from_mins(minutes)
}

/// As IAM and the metadata service spell it, with an end so many minutes from now.
pub fn issued(key: &str, minutes: i64) -> String {
    let end = after(minutes);
    format!(
        r#"{{"credential":{{"access":"{key}","secret":"s-{key}","securitytoken":"t-{key}","expires_at":"{end}"}}}}"#
    )
}

/// As the pod identity agent spells it.
pub fn pod_issued(key: &str, minutes: i64) -> String {
    let end = after(minutes);
    format!(
        r#"{{"credentials":{{"accessKeyId":"{key}","secretAccessKey":"s","securityToken":"t","expiration":"{end}"}}}}"#
    )
}

/// A file of this test's own.
pub fn token_file(test: &str, token: &str) -> String {
    let path = std::env::temp_dir().join(format!("cbw-{test}-{}", std::process::id()));
    std::fs::write(&path, token).unwrap();
    path.to_str().unwrap().to_owned()
}

pub fn config(
    choice: OperatorCredentials,
    service: &Service,
    variables: &[(&'static str, String)],
) -> SourceConfig {
    let _ = rustls::crypto::ring::default_provider().install_default();
    crate::captured_log::so_far();
    let variables: HashMap<_, _> = variables.iter().cloned().collect();
    SourceConfig {
        choice,
        environment: Environment::new(move |name| variables.get(name).cloned()),
        request_timeout: Duration::from_secs(20),
        iam: service.url.clone(),
        ..SourceConfig::default()
    }
}

pub fn identity(
    choice: OperatorCredentials,
    service: &Service,
    variables: &[(&'static str, String)],
) -> OperatorIdentity {
    OperatorIdentity::with_metadata_url(config(choice, service, variables), &service.url).unwrap()
}

pub async fn name(identity: &OperatorIdentity, minutes: i64) -> Result<String, FaultKind> {
    identity.credential(after(minutes)).await.map(|read| read.id.0).map_err(|fault| fault.kind)
}
