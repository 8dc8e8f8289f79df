//! IAM and pod identity, as far as the operator uses them.
//!
//! Each call can be struck by a fault, which comes before any check. The shape of IAM's own errors is that of its
//! documentation, not checked against the live service.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{ConnectInfo, DefaultBodyLimit, Request, State as Extract},
    http::{HeaderMap, StatusCode},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::post,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{RequestId, fault, no_such_api, refusal, reply::json as reply, wire::Peer};
use crate::{identity::IdentityCall, state::State};

const MAX_BODY: usize = 64 << 10;

type Shared = Extract<Arc<State>>;

/// The three calls.
pub(crate) fn router(state: Arc<State>) -> Router {
    let struck = |call| {
        let state = state.clone();
        middleware::from_fn(
            move |id: RequestId, peer: ConnectInfo<Peer>, request: Request<Body>, next: Next| {
                strike(call, state.clone(), id, peer.0, request, next)
            },
        )
    };
    let iam_token = post(iam_token).layer(struck(IdentityCall::IamToken));
    let iam_credential = post(iam_credential).layer(struck(IdentityCall::IamCredential));
    let pod_identity = post(pod_identity).layer(struck(IdentityCall::PodIdentity));
    Router::new()
        .route("/v3.0/OS-AUTH/id-token/tokens", iam_token)
        .route("/v3.0/OS-CREDENTIAL/securitytokens", iam_credential)
        .route("/pod-identity", pod_identity)
        .method_not_allowed_fallback(no_such_api)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(state)
}

/// Counts a call, waits the latency, and plays its fault where there is one.
async fn strike(
    call: IdentityCall,
    state: Arc<State>,
    id: RequestId,
    peer: Peer,
    request: Request<Body>,
    next: Next,
) -> Response {
    let (fault, latency) = {
        let mut inner = state.lock();
        (inner.issuer.enter(call), inner.latency)
    };
    tokio::time::sleep(latency).await;
    match fault {
        Some(fault) => fault::play(fault.kind, None, peer.cut, &id.0).await,
        None => next.run(request).await,
    }
}

async fn iam_token(Extract(state): Shared, id: RequestId, headers: HeaderMap, body: Bytes) -> Response {
    let Ok(body) = serde_json::from_slice::<Value>(&body) else {
        return invalid_body();
    };
    let Some(id_token) = body.pointer("/auth/id_token/id").and_then(Value::as_str) else {
        return invalid_body();
    };
    let now = Timestamp::now();
    let mut inner = state.lock();
    match inner.issuer.knows_id_token(text(&headers, "x-idp-id").unwrap_or_default(), id_token) {
        None => refusal::no_such_api(&id.0),
        Some(false) => not_authenticated(),
        Some(true) => {
            let token = inner.issuer.subject_token(now);
            let body = json!({ "token": { "methods": ["mapped"], "issued_at": iam_time(now) } });
            ([("x-subject-token", token)], reply(StatusCode::CREATED, &body)).into_response()
        }
    }
}

async fn iam_credential(Extract(state): Shared, id: RequestId, headers: HeaderMap, body: Bytes) -> Response {
    let Ok(body) = serde_json::from_slice::<Value>(&body) else {
        return invalid_body();
    };
    if body.pointer("/auth/identity/methods") != Some(&json!(["token"])) {
        return invalid_body();
    }
    // IAM takes the token from either place.
    let in_body = body.pointer("/auth/identity/token/id").and_then(Value::as_str);
    let token = text(&headers, "x-auth-token").or(in_body).unwrap_or_default();
    let now = Timestamp::now();
    let mut inner = state.lock();
    if inner.issuer.rules.idp_id.is_none() || inner.issuer.rules.id_token.is_none() {
        return refusal::no_such_api(&id.0);
    }
    if !inner.issuer.knows_subject_token(token, now) {
        return not_authenticated();
    }
    let issued = inner.issue(IdentityCall::IamCredential, now);
    let body = json!({ "credential": {
        "access": issued.access_key,
        "secret": issued.secret_key,
        "securitytoken": issued.security_token,
        "expires_at": issued.expires_at.map(iam_time),
    } });
    reply(StatusCode::CREATED, &body)
}

async fn pod_identity(Extract(state): Shared, id: RequestId, headers: HeaderMap, body: Bytes) -> Response {
    if !serde_json::from_slice::<Value>(&body).is_ok_and(|body| body.is_object()) {
        return reply(StatusCode::BAD_REQUEST, &json!({ "message": "the body must be a JSON object" }));
    }
    let mut inner = state.lock();
    match inner.issuer.knows_pod_token(text(&headers, "authorization").unwrap_or_default()) {
        None => refusal::no_such_api(&id.0),
        Some(false) => reply(StatusCode::UNAUTHORIZED, &json!({ "message": "the token is not accepted" })),
        Some(true) => {
            let issued = inner.issue(IdentityCall::PodIdentity, Timestamp::now());
            let body = json!({ "credentials": {
                "accessKeyId": issued.access_key,
                "secretAccessKey": issued.secret_key,
                "securityToken": issued.security_token,
                "expiration": issued.expires_at.map(|end| end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            } });
            reply(StatusCode::OK, &body)
        }
    }
}

fn iam_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn invalid_body() -> Response {
    let body = json!({ "error_code": "IAM.0011", "error_msg": "Request body is invalid." });
    reply(StatusCode::BAD_REQUEST, &body)
}

fn not_authenticated() -> Response {
    let message = "The request you have made requires authentication.";
    let body = json!({ "error": { "code": 401, "message": message, "title": "Unauthorized" } });
    reply(StatusCode::UNAUTHORIZED, &body)
}
