//! The part of the admin API that sets the list of a cluster's upgrades.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::Path,
    http::StatusCode,
    response::Response,
    routing::{get, put},
};
use serde_json::{Value, json};

use super::{
    admin_body::{Result, Shared, from_json},
    reply,
};
use crate::{fault::Fault, state::State};

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
