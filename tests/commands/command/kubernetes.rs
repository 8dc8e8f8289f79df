//! An API server that says what a test tells it, and a kubeconfig that leads to it.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, Uri},
    routing::get,
};
use serde_json::{Value, json};

use super::{Command, Folder};

/// A status code and the pages of a list; what is no list has one page.
type Answer = Arc<Mutex<(StatusCode, Vec<Value>)>>;

pub struct Kubernetes {
    answer: Answer,
    kubeconfig: String,
    _folder: Folder,
}

impl Kubernetes {
    /// It knows this path alone.
    pub async fn start(path: &str) -> Self {
        let answer = Answer::default();
        let ask = async |State(answer): State<Answer>, uri: Uri| {
            let (status, pages) = answer.lock().unwrap().clone();
            let token = uri
                .query()
                .and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("continue=")));
            let page = &pages[token.map_or(0, |page| page.parse().unwrap())];
            (status, [("content-type", "application/json")], page.to_string())
        };
        let router = Router::new().route(path, get(ask)).with_state(answer.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let folder = Folder::new();
        let kubeconfig = kubeconfig(&folder, &format!("http://{}", listener.local_addr().unwrap()));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { answer, kubeconfig, _folder: folder }
    }

    /// Every answer from now on.
    pub fn answers(&self, pages: Vec<Value>) {
        *self.answer.lock().unwrap() = (StatusCode::OK, pages);
    }

    /// Every answer from now on is this refusal.
    pub fn refuses(&self, code: u16, reason: &str) {
        let status = json!({
            "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": "no",
        });
        *self.answer.lock().unwrap() = (StatusCode::from_u16(code).unwrap(), vec![status]);
    }

    /// A command that finds it by its kubeconfig.
    pub fn known_to(&self, mut command: Command) -> Command {
        command.env("KUBECONFIG", &self.kubeconfig);
        command
    }
}

/// A kubeconfig that leads to this server.
pub fn kubeconfig(folder: &Folder, server: &str) -> String {
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c", "users": [{"name": "u", "user": {}}],
        "clusters": [{"name": "k", "cluster": {"server": server}}],
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
    });
    folder.write("config", &config.to_string())
}
