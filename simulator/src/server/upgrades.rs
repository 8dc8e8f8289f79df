//! The list of a cluster's upgrades, and the part of the admin API that sets it.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Path,
    http::{Request, StatusCode},
    response::Response,
    routing::{get, put},
};
use serde_json::{Value, json};

use super::{
    admin::{Result, Shared, from_json},
    cce::admit,
    fault, refusal, reply,
    wire::Peer,
};
use crate::{
    fault::Fault,
    state::{Outcome, State},
};

/// `GET …/projects/{project}/clusters/{cluster}/operation/upgradeworkflows`, Standard and Autopilot.
pub(crate) async fn upgrades(
    state: &State,
    peer: Peer,
    Path((_project, cluster)): Path<(String, String)>,
    request: Request<Body>,
    request_id: &str,
) -> Response {
    let _in_flight = state.enter();
    if let Err(refused) = admit(state, &cluster, request, request_id).await {
        return refused;
    }
    let outcome = state.lock().upgrades_outcome(&cluster);
    match outcome {
        Outcome::UnknownCluster => refusal::no_such_cluster(request_id),
        Outcome::Answer(answer) => reply::json(StatusCode::OK, &answer),
        Outcome::Fault(fault, answer) => fault::play(fault.kind, answer, peer.cut, request_id).await,
    }
}

/// The paths below `/admin`.
pub(crate) fn admin() -> Router<Arc<State>> {
    Router::new()
        .route("/clusters/{cluster}/upgrades", put(put_upgrades).delete(delete_upgrades))
        .route("/clusters/{cluster}/upgrades-answer", put(put_answer).delete(delete_answer))
        .route("/clusters/{cluster}/upgrades-fault", put(put_fault).delete(delete_fault))
        .route("/clusters/{cluster}/upgrades-requests", get(requests))
}

async fn put_upgrades(state: Shared, Path(cluster): Path<String>, body: Bytes) -> Result {
    state.0.set_upgrades(&cluster, from_json::<Vec<_>>(&body)?);
    Ok(StatusCode::NO_CONTENT)
}

async fn delete_upgrades(state: Shared, Path(cluster): Path<String>) -> StatusCode {
    state.0.clear_upgrades(&cluster);
    StatusCode::NO_CONTENT
}

async fn put_answer(state: Shared, Path(cluster): Path<String>, body: Bytes) -> Result {
    state.0.set_upgrades_answer(&cluster, Some(from_json::<Value>(&body)?));
    Ok(StatusCode::NO_CONTENT)
}

async fn delete_answer(state: Shared, Path(cluster): Path<String>) -> StatusCode {
    state.0.set_upgrades_answer(&cluster, None);
    StatusCode::NO_CONTENT
}

async fn put_fault(state: Shared, Path(cluster): Path<String>, body: Bytes) -> Result {
    state.0.set_upgrades_fault(&cluster, Fault::from_json(from_json(&body)?)?)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn delete_fault(state: Shared, Path(cluster): Path<String>) -> StatusCode {
    state.0.clear_upgrades_fault(&cluster);
    StatusCode::NO_CONTENT
}

async fn requests(state: Shared, Path(cluster): Path<String>) -> Response {
    reply::json(StatusCode::OK, &json!({ "requests": state.0.upgrade_requests(&cluster) }))
}
