//! What a request to the admin API is read into, and how one is refused.

use std::sync::Arc;

use axum::{
    extract::State as Extract,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::de::DeserializeOwned;

use super::refusal::admin_error;
use crate::{fault::FaultError, state::State};

/// The state of the simulator.
pub(super) type Shared = Extract<Arc<State>>;
/// The answer, or what is wrong with the request.
pub(super) type Result<T = StatusCode> = std::result::Result<T, Problem>;

/// What is wrong with a request; it is sent back as the answer.
pub(super) struct Problem(pub(super) String);

impl From<FaultError> for Problem {
    fn from(error: FaultError) -> Self {
        Self(error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        admin_error(StatusCode::BAD_REQUEST, &self.0)
    }
}

/// Reads the body as JSON, whatever its content type: `curl -d` does not send that of JSON.
pub(super) fn from_json<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body)
        .map_err(|error| Problem(format!("the body is not what is expected: {error}")))
}
