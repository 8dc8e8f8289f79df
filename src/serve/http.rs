//! `/metrics`, `/livez` and `/readyz`, on a thread of their own: so a scrape of ten thousand watches delays no poll,
//! and a process whose polling loop is stuck still answers its probes.
//!
//! `/livez` is good while the polling loop turns. It never depends on the cloud or on Kubernetes, because a restart
//! would not mend their faults. `/readyz` is good once the caches are filled, also in a process that stands by.

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hyper::{
    Method, Request, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
};

use crate::poll::driver::Poller;
use crate::serve::connections::{self, Connection};
use crate::serve::exposition::{self, Format};
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
        let served = runtime.and_then(|runtime| runtime.block_on(answers(listener, metrics, health)));
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

async fn answers(listener: TcpListener, metrics: Metrics, health: Health) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let answer = move |request: &Request<_>, connection: &Connection| match request.uri().path() {
        _ if !matches!(*request.method(), Method::GET | Method::HEAD) => {
            let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are served\n");
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            refused
        }
        "/metrics" => {
            connection.scrapes();
            export(&metrics, Format::asked(request.headers()))
        }
        "/livez" => say(health.is_alive(), "the polling loop stands still\n"),
        "/readyz" => say(health.is_ready(), "the caches are not filled yet\n"),
        _ => plain(StatusCode::NOT_FOUND, "here are /metrics, /livez and /readyz\n"),
    };
    connections::serve(listener, answer).await;
    Ok(())
}

fn export(metrics: &Metrics, format: Format) -> Response<String> {
    let Ok(text) = metrics.text() else {
        return plain(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written\n");
    };
    let text = match format {
        Format::OpenMetrics => text,
        Format::Text => exposition::text(&text),
    };
    let mut response = Response::new(text);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    response
}

fn say(is_good: bool, otherwise: &'static str) -> Response<String> {
    if is_good { plain(StatusCode::OK, "ok\n") } else { plain(StatusCode::SERVICE_UNAVAILABLE, otherwise) }
}

fn plain(status: StatusCode, text: &'static str) -> Response<String> {
    let mut response = Response::new(text.to_owned());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
