//! The HTTP side of the proxy: names and counts each request, then answers it as its fault says, or forwards it.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Method, Request, Uri, header},
    response::{IntoResponse, Response},
};
use futures::{Stream, stream};

use super::{
    Effect, Http, Recorded,
    answers::{break_off, refuse},
    watches,
};

/// The largest body that is forwarded, far above what the operator sends or a list holds in these tests.
const MAX_BODY: usize = 8 << 20;

pub(super) fn router(http: Arc<Http>) -> Router {
    Router::new().fallback(handle).with_state(http)
}

async fn handle(State(http): State<Arc<Http>>, request: Request<Body>) -> Response {
    let kind = kind(request.method(), request.uri());
    let (is_watch, is_list) = (kind.starts_with("watch "), kind.starts_with("list "));
    match http.count(kind) {
        None if is_list => list(&http, request).await,
        None => forward(&http, request, is_watch).await,
        Some(Effect::Answer(code)) => refuse(code),
        Some(Effect::Hang) => std::future::pending().await,
        Some(Effect::LoseReply) => {
            forward(&http, request, false).await;
            break_off()
        }
    }
}

/// Answers a list with the recorded list while lists are replayed; otherwise forwards the request and records the
/// answer.
async fn list(http: &Arc<Http>, mut request: Request<Body>) -> Response {
    let mut halts = http.halts_lists.subscribe();
    if request.uri().query().unwrap_or_default().contains("continue=") {
        // This fails only if the proxy has ended.
        let _ = halts.wait_for(|halts| !halts).await;
    } else if *halts.borrow() {
        let shorter = request.uri().to_string().replace("limit=8", "limit=1");
        *request.uri_mut() = shorter.parse().unwrap();
    }
    let recorded = Some(http.lock()).filter(|state| state.replays).and_then(|state| state.list.clone());
    if let Some(Recorded { status, headers, body }) = recorded {
        return (status, headers, body).into_response();
    }
    let (parts, body) = forward(http, request, false).await.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else { return break_off() };
    let recorded = Recorded { status: parts.status, headers: parts.headers, body };
    if recorded.status.is_success() {
        http.lock().list = Some(recorded.clone());
    }
    (recorded.status, recorded.headers, recorded.body).into_response()
}

/// The kind of a request: the verb and the resource as RBAC and the audit log name them, such as
/// `patch clusterbackupwatches/status`.
fn kind(method: &Method, uri: &Uri) -> String {
    let mut segments = uri.path().split('/').filter(|segment| !segment.is_empty()).peekable();
    // /api/VERSION or /apis/GROUP/VERSION
    let skipped = if segments.peek() == Some(&"api") { 2 } else { 3 };
    let mut segments: Vec<_> = segments.skip(skipped).collect();
    if segments.len() > 2 && segments[0] == "namespaces" {
        segments.drain(..2);
    }
    let resource = match segments[..] {
        [resource, _, part, ..] => format!("{resource}/{part}"),
        [resource, ..] => resource.to_owned(),
        [] => return format!("{} {}", method.as_str().to_lowercase(), uri.path()),
    };
    let watches =
        uri.query().unwrap_or_default().split('&').any(|pair| ["watch=true", "watch=1"].contains(&pair));
    let verb = match (method.as_str(), segments.len()) {
        ("GET", 1) if watches => "watch",
        ("GET", 1) => "list",
        ("GET", _) => "get",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        ("DELETE", 1) => "deletecollection",
        ("DELETE", _) => "delete",
        (other, _) => other,
    };
    format!("{verb} {resource}")
}

async fn forward(http: &Arc<Http>, request: Request<Body>, is_watch: bool) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else { return break_off() };
    let upstream = http.client.request(parts.method, format!("{}{path}", http.upstream));
    // The host and the length belong to the operator's connection; the client sets its own for the API server.
    let headers = end_to_end(parts.headers, &[header::HOST.as_str(), header::CONTENT_LENGTH.as_str()]);
    let Ok(mut answer) = upstream.headers(headers).body(body).send().await else { return break_off() };
    let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
    let body = if is_watch {
        Body::from_stream(watches::carry(answer, http.clone(), parts.uri.path().to_owned()))
    } else {
        Body::from_stream(chunks(answer))
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = end_to_end(headers, &[]);
    response
}

/// The headers without hop-by-hop headers, which describe only one connection, and without those given.
fn end_to_end(mut headers: HeaderMap, without: &[&str]) -> HeaderMap {
    let hop_by_hop =
        [header::CONNECTION.as_str(), header::TRANSFER_ENCODING.as_str(), header::UPGRADE.as_str()];
    for name in hop_by_hop.iter().chain(without) {
        headers.remove(*name);
    }
    headers
}

fn chunks(answer: reqwest::Response) -> impl Stream<Item = reqwest::Result<Bytes>> {
    stream::try_unfold(answer, async |mut answer| Ok(answer.chunk().await?.map(|chunk| (chunk, answer))))
}
