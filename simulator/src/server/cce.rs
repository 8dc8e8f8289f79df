//! The calls of CCE, and the check that each of them passes first.

use axum::{
    body::{Body, Bytes},
    http::{Request, StatusCode, request::Parts},
    response::Response,
};
use jiff::Timestamp;
use serde::Deserialize;

use super::{fault, refusal, reply::json, wire::Peer};
use crate::{
    cluster::Product,
    outcome::Outcome,
    signature::{self, Refusal},
    state::State,
};

/// A signed request has no reason to be larger.
const MAX_BODY: usize = 64 << 10;

/// A call, of Standard and Autopilot alike.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    /// `GET …/operation/snapshot/tasks`: the list of its snapshot tasks.
    Tasks,
    /// `POST …/operation/snapshot`: starts a backup.
    Start,
    /// `GET …/operation/upgradeworkflows`: the list of its upgrades.
    Upgrades,
    /// `GET …/projects/{project}/clusters`: the list of a project's clusters.
    Clusters(Product),
}

/// The ids in the path of a call; the list of clusters is about none of them.
#[derive(Deserialize)]
pub(crate) struct Ids {
    project: String,
    cluster: Option<String>,
}

/// Answers a call.
pub(crate) async fn answer(
    state: &State,
    call: Call,
    peer: Peer,
    ids: Ids,
    request: Request<Body>,
    request_id: &str,
) -> Response {
    let _in_flight = state.enter();
    let id = ids.cluster.as_ref().unwrap_or(&ids.project);
    if let Err(refused) = admit(state, id, request, request_id).await {
        return refused;
    }
    let outcome = match call {
        Call::Tasks => state.lock().outcome(id),
        Call::Start => state.lock().start(&ids.project, id),
        Call::Upgrades => state.lock().upgrades_outcome(id),
        Call::Clusters(product) => state.lock().clusters(product, id),
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
async fn admit(state: &State, id: &str, request: Request<Body>, request_id: &str) -> Result<(), Response> {
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
