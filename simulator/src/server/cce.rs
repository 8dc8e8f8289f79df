//! The call that the operator makes, the list of a cluster's snapshot tasks, and the check that every signed call
//! passes first.

use axum::{
    body::{Body, Bytes},
    extract::Path,
    http::{Request, StatusCode, request::Parts},
    response::Response,
};
use jiff::Timestamp;

use super::{fault, refusal, reply::json, wire::Peer};
use crate::{
    signature::{self, Refusal},
    state::{Outcome, State},
};

/// A signed request has no reason to be larger.
pub(crate) const MAX_BODY: usize = 64 << 10;

/// `GET …/projects/{project}/clusters/{cluster}/operation/snapshot/tasks`, Standard and Autopilot.
pub(crate) async fn tasks(
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
    let outcome = state.lock().outcome(&cluster);
    match outcome {
        Outcome::UnknownCluster => refusal::no_such_cluster(request_id),
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
