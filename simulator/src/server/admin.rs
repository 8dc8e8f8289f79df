//! The admin API: sets tasks, answers and faults over HTTP, without a signature and from this machine only.

use std::{net::IpAddr, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{ConnectInfo, DefaultBodyLimit, Path, State as Extract},
    http::{Request, StatusCode},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, put},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{refusal::admin_error, reply, wire::Peer};
use crate::{
    scenario::Scenario,
    state::{Settings, State},
};

const MAX_BODY: usize = 64 << 20;
const MAX_ID: usize = 128;

type Route = MethodRouter<Arc<State>>;
type Shared = Extract<Arc<State>>;
type Result<T = StatusCode> = std::result::Result<T, Problem>;

/// What is wrong with a request; it is sent back as the answer.
struct Problem(String);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        admin_error(StatusCode::BAD_REQUEST, &self.0)
    }
}

/// Everything below `/admin`.
pub(crate) fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/clusters/{cluster}/tasks", set(Settings::set_tasks))
        .route("/clusters/{cluster}/answer", set(|its, answer| its.answer = answer))
        .route("/clusters/{cluster}/fault", set(|its, fault| its.fault = fault))
        .route("/clusters/{cluster}/requests", show(|s, id| json!(s.counts(id))))
        .route("/clusters/{cluster}/start-fault", set(|its, fault| its.start_fault = fault))
        .route(
            "/clusters/{cluster}/start-requests",
            show(|s, id| json!({ "requests": s.start_requests(id) })),
        )
        .route("/clusters/{cluster}/upgrades", set(|its, upgrades| its.upgrades = upgrades))
        .route("/clusters/{cluster}/upgrades-answer", set(|its, answer| its.upgrades_answer = answer))
        .route("/clusters/{cluster}/upgrades-fault", set(|its, fault| its.upgrades_fault = fault))
        .route("/projects/{project}/clusters", set(|its, clusters| its.clusters = clusters))
        .route("/requests", get(requests))
        .route("/scenario", put(put_scenario))
        .fallback(|| async { admin_error(StatusCode::NOT_FOUND, "no such path; see cce-simulator --help") })
        .method_not_allowed_fallback(|| async {
            admin_error(StatusCode::METHOD_NOT_ALLOWED, "no such method here; see cce-simulator --help")
        })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(only_from_here))
        .with_state(state)
}

/// Lets only this machine use the admin API, because it can make the simulator answer anything.
async fn only_from_here(
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request<Body>,
    next: Next,
) -> Response {
    if may_steer(peer.address.ip()) {
        next.run(request).await
    } else {
        admin_error(StatusCode::FORBIDDEN, "the admin API answers on the loopback interface only")
    }
}

fn may_steer(peer: IpAddr) -> bool {
    peer.to_canonical().is_loopback()
}

/// `PUT` sets what the body says for the id in the path, and `DELETE` takes it back. The body is read as JSON, whatever its
/// content type, because `curl -d` does not send that of JSON.
fn set<T: DeserializeOwned + 'static>(change: fn(&mut Settings, Option<T>)) -> Route {
    put(move |Extract(state): Shared, Path(id): Path<String>, body: Bytes| async move {
        if id.len() > MAX_ID {
            return Err(Problem(format!("the id must be at most {MAX_ID} bytes")));
        }
        let body = serde_json::from_slice(&body)
            .map_err(|error| Problem(format!("the body is not what is expected: {error}")))?;
        change(state.lock().settings(&id), Some(body));
        Ok(StatusCode::NO_CONTENT)
    })
    .delete(move |Extract(state): Shared, Path(id): Path<String>| async move {
        change(state.lock().settings(&id), None);
        StatusCode::NO_CONTENT
    })
}

/// `GET` shows something of the id in the path.
fn show(of: fn(&State, &str) -> Value) -> Route {
    get(move |Extract(state): Shared, Path(id): Path<String>| async move {
        reply::json(StatusCode::OK, &of(&state, &id))
    })
}

async fn requests(Extract(state): Shared) -> Response {
    let (total, clusters, most) = (state.total(), state.counts_by_cluster(), state.max_concurrent());
    reply::json(StatusCode::OK, &json!({ "total": total, "clusters": clusters, "maxConcurrent": most }))
}

async fn put_scenario(Extract(state): Shared, body: String) -> Result {
    let scenario = Scenario::from_yaml(&body).map_err(|error| Problem(error.to_string()))?;
    state.set_scenario(scenario);
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_may_steer() {
        for (address, expected) in [
            ("127.0.0.1", true),
            ("127.8.9.1", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("10.0.0.1", false),
            ("::ffff:10.0.0.1", false),
            ("fe80::1", false),
        ] {
            assert_eq!(may_steer(address.parse().unwrap()), expected, "{address}");
        }
    }
}
