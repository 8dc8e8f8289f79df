//! The calls about one cluster, and the check that every signed call passes first.

use axum::{
    body::{Body, Bytes},
    extract::Path,
    http::{Request, StatusCode, request::Parts},
    response::Response,
};
use jiff::Timestamp;

use super::{fault, refusal, reply::json, wire::Peer};
use crate::{
    outcome::Outcome,
    signature::{self, Refusal},
    state::State,
};

/// A signed request has no reason to be larger.
pub(crate) const MAX_BODY: usize = 64 << 10;

/// A call about one cluster, of Standard and Autopilot alike.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    /// `GET …/operation/snapshot/tasks`: the list of its snapshot tasks.
    Tasks,
    /// `POST …/operation/snapshot`: starts a backup.
    Start,
    /// `GET …/operation/upgradeworkflows`: the list of its upgrades.
    Upgrades,
}

/// Answers a call to `…/projects/{project}/clusters/{cluster}/operation/…`.
pub(crate) async fn answer(
    state: &State,
    call: Call,
    peer: Peer,
    Path((project, cluster)): Path<(String, String)>,
    request: Request<Body>,
    request_id: &str,
) -> Response {
    let _in_flight = state.enter();
    if let Err(refused) = admit(state, &cluster, request, request_id).await {
        return refused;
    }
    let outcome = match call {
        Call::Tasks => state.lock().outcome(&cluster),
        Call::Start => state.lock().start(&project, &cluster),
        Call::Upgrades => state.lock().upgrades_outcome(&cluster),
    };
    match outcome {
        Outcome::UnknownCluster => refusal::no_such_cluster(request_id),
        Outcome::Running => refusal::locked(request_id),
        Outcome::Throttled(retry_after) => refusal::throttled(retry_after.as_deref(), request_id),
        Outcome::Started(answer) => json(StatusCode::CREATED, &answer),
        Outcome::Answer(answer) => json(StatusCode::OK, &answer),
        Outcome::Fault(fault, answer) => fault::play(fault.kind, answer, peer.cut, request_id).await,
    }
}

/// Reads a request, waits as long as the simulator is told to, and counts and checks it for the cluster or project
/// `id`. An error is the answer to a request that is not correctly signed.
pub(crate) async fn admit(
    state: &State,
    id: &str,
    request: Request<Body>,
    request_id: &str,
) -> Result<(), Response> {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else {
        return Err(refusal::not_authentic(&Refusal::Mismatch, request_id));
    };
    let latency = state.lock().latency;
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let checked = check(state, &parts, &body);
    state.lock().count(id, checked.is_ok());
    checked.map_err(|refusal| {
        tracing::info!(id, %refusal, "refused");
        refusal::not_authentic(&refusal, request_id)
    })
}

fn check(state: &State, parts: &Parts, body: &Bytes) -> Result<(), Refusal> {
    let request = signature::Request {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: &parts.headers,
        body,
    };
    let (gateway, now) = (state.clock(), Timestamp::now());
    let inner = state.lock();
    // A credential expires by the true time, whatever the gateway's clock says.
    signature::verify(&request, gateway, |access_key| inner.credentials.find(access_key, now))
}
