//! `/metrics`, `/livez` and `/readyz`, on a thread of their own: so a scrape of ten thousand watches delays no poll,
//! and a process whose polling loop is stuck still answers its probes.
//!
//! `/livez` is good while the polling loop turns. It never depends on the cloud or on Kubernetes, because a restart
//! would not mend their faults. `/readyz` is good once the caches are filled, also in a process that stands by.

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};

use crate::poll::driver::Poller;
use crate::serve::metrics::Metrics;

/// How long the polling loop may stand still. It turns every few seconds.
const STILL: Duration = Duration::from_mins(1);

/// The health of the process.
#[derive(Clone, Default)]
pub struct Health(Arc<Inner>);

#[derive(Default)]
struct Inner {
    is_ready: AtomicBool,
    /// Set once this process polls.
    poller: OnceLock<Poller>,
}

impl Health {
    /// Sets whether the caches are filled.
    pub fn ready(&self, is_ready: bool) {
        self.0.is_ready.store(is_ready, Ordering::Release);
    }

    /// From now on this process polls.
    pub fn polls(&self, poller: Poller) {
        // This cannot fail: a process starts to poll at most once.
        let _ = self.0.poller.set(poller);
    }

    fn is_ready(&self) -> bool {
        self.0.is_ready.load(Ordering::Acquire)
    }

    fn is_alive(&self) -> bool {
        self.0.poller.get().is_none_or(|poller| poller.silence() < STILL)
    }
}

/// Serves until the listener fails.
pub fn serve(listener: TcpListener, metrics: Metrics, health: Health) -> impl Future<Output = ()> {
    let (ends, ended) = tokio::sync::oneshot::channel::<()>();
    let server = std::thread::Builder::new().name("http".to_owned()).spawn(move || {
        // Dropped when the thread ends, also by a panic, which completes `ended`.
        let _ends = ends;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let served = runtime.and_then(|runtime| runtime.block_on(routes(listener, metrics, health)));
        if let Err(error) = served {
            tracing::error!(%error, "the HTTP server ended");
        }
    });
    async move {
        if server.is_ok() {
            let _ = ended.await;
        }
    }
}

async fn routes(listener: TcpListener, metrics: Metrics, health: Health) -> std::io::Result<()> {
    let app = Router::new()
        .route("/metrics", get(export).with_state(metrics))
        .route("/livez", get(alive).with_state(health.clone()))
        .route("/readyz", get(ready).with_state(health));
    axum::serve(tokio::net::TcpListener::from_std(listener)?, app).await
}

async fn export(State(metrics): State<Metrics>) -> Response {
    match metrics.text() {
        Ok(text) => ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
            .into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn alive(State(health): State<Health>) -> Response {
    say(health.is_alive(), "the polling loop stands still\n")
}

async fn ready(State(health): State<Health>) -> Response {
    say(health.is_ready(), "the caches are not filled yet\n")
}

fn say(is_good: bool, otherwise: &'static str) -> Response {
    if is_good {
        "ok\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, otherwise).into_response()
    }
}
