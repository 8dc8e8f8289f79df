//! The kinds of requests to the admin API: one that sets or clears something for the id in its path, one that sets something
//! for all, one that does something, and one that shows something. What each of them is for is left to `admin`.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{Path, State as Extract},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{self, MethodRouter},
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{refusal::admin_error, reply};
use crate::{fault::FaultError, state::State};

const MAX_ID: usize = 128;

/// A path of the admin API.
pub(super) type Route = MethodRouter<Arc<State>>;
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

/// What came of a change: nothing can be wrong with it, or this is.
pub(super) trait Change {
    fn result(self) -> Result<()>;
}

impl Change for () {
    fn result(self) -> Result<()> {
        Ok(self)
    }
}

impl<E: Into<Problem>> Change for std::result::Result<(), E> {
    fn result(self) -> Result<()> {
        self.map_err(Into::into)
    }
}

/// `PUT` sets what the body says for the id in the path.
pub(super) fn set<T: DeserializeOwned + 'static, C: Change + 'static>(
    change: fn(&State, &str, T) -> C,
) -> Route {
    routing::put(move |Extract(state): Shared, Path(id): Path<String>, body: Bytes| async move {
        if id.len() > MAX_ID {
            return Err(Problem(format!("the id must be at most {MAX_ID} bytes")));
        }
        change(&state, &id, from_json(&body)?).result()?;
        Ok(StatusCode::NO_CONTENT)
    })
}

/// The same, and `DELETE` takes it back.
pub(super) fn set_or_clear<T: DeserializeOwned + 'static, C: Change + 'static, D: Change + 'static>(
    change: fn(&State, &str, T) -> C,
    clear: fn(&State, &str) -> D,
) -> Route {
    set(change).delete(move |Extract(state): Shared, Path(id): Path<String>| async move {
        clear(&state, &id).result().map(|()| StatusCode::NO_CONTENT)
    })
}

/// `PUT` sets what the body says for all.
pub(super) fn set_all<T: DeserializeOwned + 'static, C: Change + 'static>(
    change: fn(&State, T) -> C,
) -> Route {
    routing::put(move |Extract(state): Shared, body: Bytes| async move {
        change(&state, from_json(&body)?).result().map(|()| StatusCode::NO_CONTENT)
    })
}

/// `POST` without a body does something.
pub(super) fn act(action: fn(&State)) -> Route {
    routing::post(move |Extract(state): Shared| async move {
        action(&state);
        StatusCode::NO_CONTENT
    })
}

/// `GET` shows something of the id in the path.
pub(super) fn show(of: fn(&State, &str) -> Value) -> Route {
    routing::get(move |Extract(state): Shared, Path(id): Path<String>| async move {
        reply::json(StatusCode::OK, &of(&state, &id))
    })
}

/// `GET` shows something of all.
pub(super) fn show_all(of: fn(&State) -> Value) -> Route {
    routing::get(move |Extract(state): Shared| async move { reply::json(StatusCode::OK, &of(&state)) })
}
