//! The call that starts a backup.

use axum::{
    body::Body,
    extract::Path,
    http::{Request, StatusCode},
    response::Response,
};

use super::{cce::admit, fault, refusal, reply::json, wire::Peer};
use crate::state::{Start, State};

/// `POST …/projects/{project}/clusters/{cluster}/operation/snapshot`, Standard and Autopilot.
pub(crate) async fn start(
    state: &State,
    peer: Peer,
    Path((project, cluster)): Path<(String, String)>,
    request: Request<Body>,
    request_id: &str,
) -> Response {
    let _in_flight = state.enter();
    if let Err(refused) = admit(state, &cluster, request, request_id).await {
        return refused;
    }
    let outcome = state.lock().start(&project, &cluster);
    match outcome {
        Start::UnknownCluster => refusal::no_such_cluster(request_id),
        Start::Running => refusal::locked(request_id),
        Start::Throttled(retry_after) => refusal::throttled(retry_after.as_deref(), request_id),
        Start::Started(answer) => json(StatusCode::CREATED, &answer),
        Start::Fault(fault, answer) => fault::play(fault.kind, answer, peer.cut, request_id).await,
    }
}
