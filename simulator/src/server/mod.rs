//! The HTTP side: which path is whose.

mod admin;
mod admin_identity;
mod cce;
mod fault;
mod identity;
mod refusal;
mod reply;
pub(crate) mod wire;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Path},
    http::{HeaderName, HeaderValue, Request},
    middleware::{self, Next},
    response::Response,
    routing::get,
};

use self::wire::Peer;
use crate::state::State;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request, sent with each answer.
#[derive(Clone, Debug)]
struct RequestId(String);

/// Everything the simulator answers.
pub(crate) fn router(state: Arc<State>) -> Router {
    let tasks = {
        let state = state.clone();
        get(
            move |id: RequestId,
                  peer: ConnectInfo<Peer>,
                  path: Path<(String, String)>,
                  request: Request<Body>| async move {
                cce::tasks(&state, peer.0, path, request, &id.0).await
            },
        )
        .fallback(no_such_api)
    };
    let path = "v3.1/projects/{project}/clusters/{cluster}/operation/snapshot/tasks";
    Router::new()
        .route(&format!("/api/{path}"), tasks.clone())
        .route(&format!("/autopilot/{path}"), tasks)
        .merge(identity::router(state.clone()))
        .nest("/admin", admin::router(state.clone()))
        .fallback(no_such_api)
        .layer(middleware::from_fn(move |request: Request<Body>, next: Next| {
            let id = state.request_id();
            name_request(id, request, next)
        }))
}

async fn no_such_api(id: RequestId) -> Response {
    refusal::no_such_api(&id.0)
}

/// Gives the request an id that the handlers and the answer know.
async fn name_request(id: String, mut request: Request<Body>, next: Next) -> Response {
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = next.run(request).await;
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

impl<S: Sync> axum::extract::FromRequestParts<S> for RequestId {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        _: &S,
    ) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_else(|| Self(String::new())))
    }
}
