//! The part of the admin API that steers IAM, pod identity and the metadata service.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State as Extract},
    http::StatusCode,
    response::Response,
    routing::{get, post, put},
};
use jiff::SignedDuration;
use serde::de::{IntoDeserializer, value::Error};
use serde_json::json;

use super::{
    admin_body::{Problem, Result, Shared, from_json},
    reply,
};
use crate::{
    fault::Fault,
    identity::{Identity, IdentityCall, MAX_LIFETIME},
    state::State,
};

/// Everything below `/admin/identity`.
pub(crate) fn routes() -> Router<Arc<State>> {
    Router::new()
        .route("/identity", put(put_identity))
        .route("/identity/faults/{call}", put(put_fault).delete(delete_fault))
        .route("/identity/requests", get(requests))
        .route("/identity/revoke", post(revoke))
        .route("/identity/forget-metadata-tokens", post(forget_metadata_tokens))
}

async fn put_identity(Extract(state): Shared, body: Bytes) -> Result {
    let rules: Identity = from_json(&body)?;
    if rules.lifetime <= SignedDuration::ZERO || rules.lifetime > MAX_LIFETIME {
        return Err(Problem("lifetime: must be more than 0s and at most 24h".to_owned()));
    }
    state.set_identity(rules);
    Ok(StatusCode::NO_CONTENT)
}

async fn put_fault(Extract(state): Shared, Path(name): Path<String>, body: Bytes) -> Result {
    let call = call(&name)?;
    state.set_identity_fault(call, Fault::from_json(from_json(&body)?)?)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn delete_fault(Extract(state): Shared, Path(name): Path<String>) -> Result {
    let call = call(&name)?;
    state.clear_identity_fault(call);
    Ok(StatusCode::NO_CONTENT)
}

async fn requests(Extract(state): Shared) -> Response {
    let inner = state.lock();
    reply::json(StatusCode::OK, &json!(inner.issuer.counts))
}

async fn revoke(Extract(state): Shared) -> StatusCode {
    state.revoke_issued();
    StatusCode::NO_CONTENT
}

async fn forget_metadata_tokens(Extract(state): Shared) -> StatusCode {
    state.forget_metadata_tokens();
    StatusCode::NO_CONTENT
}

fn call(name: &str) -> Result<IdentityCall> {
    use serde::Deserialize;
    IdentityCall::deserialize(name.into_deserializer()).map_err(|error: Error| Problem(error.to_string()))
}
