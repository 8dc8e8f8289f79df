//! The HTTP side: routes each path to its handler, and gives each request an id.

mod admin;
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
    http::{HeaderName, HeaderValue, Request, header::DATE},
    middleware::{self, Next},
    response::Response,
    routing::{get, post},
};

use self::{
    cce::{Call, Ids},
    wire::Peer,
};
use crate::{cluster::Product, state::State};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request, sent with each answer.
#[derive(Clone, Debug)]
struct RequestId(String);

/// Everything the simulator answers.
pub(crate) fn router(state: Arc<State>) -> Router {
    let mut router = Router::new();
    for (product, prefix) in [(Product::Standard, "api"), (Product::Autopilot, "autopilot")] {
        for (path, call) in [
            ("v3.1/projects/{project}/clusters/{cluster}/operation/snapshot/tasks", Call::Tasks),
            ("v3.1/projects/{project}/clusters/{cluster}/operation/snapshot", Call::Start),
            ("v3/projects/{project}/clusters/{cluster}/operation/upgradeworkflows", Call::Upgrades),
            ("v3/projects/{project}/clusters", Call::Clusters(product)),
        ] {
            let state = state.clone();
            let handler = move |id: RequestId,
                                peer: ConnectInfo<Peer>,
                                ids: Path<Ids>,
                                request: Request<Body>| async move {
                cce::answer(&state, call, peer.0, ids.0, request, &id.0).await
            };
            let route = if matches!(call, Call::Start) { post(handler) } else { get(handler) };
            router = router.route(&format!("/{prefix}/{path}"), route.fallback(no_such_api));
        }
    }
    router
        .merge(identity::router(state.clone()))
        .nest("/admin", admin::router(state.clone()))
        .fallback(no_such_api)
        .layer(middleware::from_fn(move |request: Request<Body>, next: Next| {
            name_request(state.clone(), request, next)
        }))
}

async fn no_such_api(id: RequestId) -> Response {
    refusal::no_such_api(&id.0)
}

/// Gives the request an id that the handlers and the answer know, and dates the answer.
async fn name_request(state: Arc<State>, mut request: Request<Body>, next: Next) -> Response {
    let id = state.request_id();
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = next.run(request).await;
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    // A fault may have set another date, or one that is none.
    if !response.headers().contains_key(DATE) {
        let date = state.clock().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        response.headers_mut().extend(HeaderValue::from_str(&date).ok().map(|date| (DATE, date)));
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
