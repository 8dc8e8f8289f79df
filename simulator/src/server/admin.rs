//! The admin API: most of the library's methods over HTTP, without a signature and from this machine only.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{ConnectInfo, DefaultBodyLimit, Path, State as Extract},
    http::{Request, StatusCode},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    admin_body::{Problem, Result, Shared, from_json},
    admin_identity, admin_upgrades,
    refusal::admin_error,
    reply,
    wire::Peer,
};
use crate::{
    backup::StartFault, cluster::Cluster, credential::Credential, fault::Fault, scenario::Scenario,
    state::State, task::Task,
};

const MAX_BODY: usize = 64 << 20;
const MAX_ID: usize = 128;
const MAX_LATENCY: SignedDuration = SignedDuration::from_hours(1);
const MAX_SKEW: SignedDuration = SignedDuration::from_hours(24 * 366);

/// Everything below `/admin`.
pub(crate) fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/clusters/{cluster}/tasks", put(put_tasks).delete(delete_tasks))
        .route("/clusters/{cluster}/answer", put(put_answer).delete(delete_answer))
        .route("/clusters/{cluster}/fault", put(put_fault).delete(delete_fault))
        .route("/clusters/{cluster}/start-fault", put(put_start_fault).delete(delete_start_fault))
        .route("/clusters/{cluster}/start-requests", get(start_requests))
        .route("/projects/{project}/clusters", put(put_clusters))
        .route("/clusters/{cluster}/requests", get(cluster_requests))
        .route("/requests", get(requests))
        .route("/requests/reset", post(reset_requests))
        .route("/latency", put(put_latency))
        .route("/clock", put(put_clock))
        .route("/write-limit", put(put_write_limit))
        .route("/scenario", put(put_scenario))
        .route("/scenario/restart", post(restart))
        .route("/credentials/{access_key}", put(put_credential).delete(delete_credential))
        .merge(admin_identity::routes())
        .merge(admin_upgrades::admin())
        .fallback(|| async { admin_error(StatusCode::NOT_FOUND, "no such path; see cce-simulator --help") })
        .method_not_allowed_fallback(|| async {
            admin_error(StatusCode::METHOD_NOT_ALLOWED, "no such method here; see cce-simulator --help")
        })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(only_from_here))
        .with_state(state)
}

/// Lets only this machine use the admin API, because it can make the simulator accept any key.
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

async fn put_tasks(Extract(state): Shared, Path(cluster): Path<String>, body: Bytes) -> Result {
    let cluster = id(cluster)?;
    let tasks: Vec<Task> = from_json(&body)?;
    state.set_tasks(&cluster, tasks);
    Ok(StatusCode::NO_CONTENT)
}

async fn delete_tasks(Extract(state): Shared, Path(cluster): Path<String>) -> StatusCode {
    state.clear_tasks(&cluster);
    StatusCode::NO_CONTENT
}

async fn put_answer(Extract(state): Shared, Path(cluster): Path<String>, body: Bytes) -> Result {
    let cluster = id(cluster)?;
    let answer: Value = from_json(&body)?;
    state.set_answer(&cluster, answer);
    Ok(StatusCode::NO_CONTENT)
}

async fn delete_answer(Extract(state): Shared, Path(cluster): Path<String>) -> StatusCode {
    state.clear_answer(&cluster);
    StatusCode::NO_CONTENT
}

async fn put_fault(Extract(state): Shared, Path(cluster): Path<String>, body: Bytes) -> Result {
    let cluster = id(cluster)?;
    state.set_fault(&cluster, Fault::from_json(from_json(&body)?)?)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn delete_fault(Extract(state): Shared, Path(cluster): Path<String>) -> StatusCode {
    state.clear_fault(&cluster);
    StatusCode::NO_CONTENT
}

async fn put_start_fault(Extract(state): Shared, Path(cluster): Path<String>, body: Bytes) -> Result {
    let cluster = id(cluster)?;
    let mut fault: Value = from_json(&body)?;
    let lost = fault.as_object_mut().and_then(|fields| fields.remove("started"));
    let fault = Fault::from_json(fault)?;
    let fault = match lost {
        None | Some(Value::Bool(false)) => StartFault::Refused(fault),
        Some(Value::Bool(true)) => StartFault::Lost(fault),
        Some(_) => return Err(Problem("started: must be true or false".to_owned())),
    };
    state.set_start_fault(&cluster, fault)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn delete_start_fault(Extract(state): Shared, Path(cluster): Path<String>) -> StatusCode {
    state.clear_start_fault(&cluster);
    StatusCode::NO_CONTENT
}

async fn start_requests(Extract(state): Shared, Path(cluster): Path<String>) -> Response {
    let requests = state.start_requests(&cluster);
    reply::json(StatusCode::OK, &json!({ "requests": requests }))
}

async fn put_clusters(Extract(state): Shared, Path(project): Path<String>, body: Bytes) -> Result {
    let project = id(project)?;
    let clusters: Vec<Cluster> = from_json(&body)?;
    state.set_clusters(&project, clusters);
    Ok(StatusCode::NO_CONTENT)
}

async fn cluster_requests(Extract(state): Shared, Path(cluster): Path<String>) -> Response {
    reply::json(StatusCode::OK, &json!(state.counts(&cluster)))
}

async fn requests(Extract(state): Shared) -> Response {
    let (total, clusters, most) = (state.total(), state.counts_by_cluster(), state.max_concurrent());
    reply::json(StatusCode::OK, &json!({ "total": total, "clusters": clusters, "maxConcurrent": most }))
}

async fn reset_requests(Extract(state): Shared) -> StatusCode {
    state.reset_counts();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Latency {
    latency: SignedDuration,
}

async fn put_latency(Extract(state): Shared, body: Bytes) -> Result {
    let Latency { latency } = from_json(&body)?;
    let latency = Duration::try_from(latency).ok().filter(|_| latency <= MAX_LATENCY);
    state.set_latency(latency.ok_or_else(|| Problem("latency: must be 0s to 1h".to_owned()))?);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Clock {
    skew: SignedDuration,
}

async fn put_clock(Extract(state): Shared, body: Bytes) -> Result {
    let Clock { skew } = from_json(&body)?;
    if skew.abs() > MAX_SKEW {
        return Err(Problem("skew: must be within a year".to_owned()));
    }
    state.set_clock_skew(skew);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WriteLimit {
    per_minute: u16,
}

async fn put_write_limit(Extract(state): Shared, body: Bytes) -> Result {
    let WriteLimit { per_minute } = from_json(&body)?;
    state.set_write_limit(per_minute.into());
    Ok(StatusCode::NO_CONTENT)
}

async fn put_scenario(Extract(state): Shared, body: String) -> Result {
    let scenario = Scenario::from_yaml(&body).map_err(|error| Problem(error.to_string()))?;
    state.set_scenario(scenario);
    Ok(StatusCode::NO_CONTENT)
}

async fn restart(Extract(state): Shared) -> StatusCode {
    state.restart();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CredentialBody {
    secret_key: String,
    security_token: Option<String>,
}

async fn put_credential(Extract(state): Shared, Path(access_key): Path<String>, body: Bytes) -> Result {
    let access_key = id(access_key)?;
    let CredentialBody { secret_key, security_token } = from_json(&body)?;
    if secret_key.is_empty() || security_token.as_deref() == Some("") {
        return Err(Problem("secretKey and securityToken must not be empty".to_owned()));
    }
    state.add_credential(Credential { access_key, secret_key, security_token, expires_at: None });
    Ok(StatusCode::NO_CONTENT)
}

async fn delete_credential(Extract(state): Shared, Path(access_key): Path<String>) -> Response {
    if state.remove_credential(&access_key) {
        StatusCode::NO_CONTENT.into_response()
    } else {
        admin_error(StatusCode::NOT_FOUND, "no such access key")
    }
}

fn id(id: String) -> Result<String> {
    if id.len() <= MAX_ID { Ok(id) } else { Err(Problem(format!("the id must be at most {MAX_ID} bytes"))) }
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
