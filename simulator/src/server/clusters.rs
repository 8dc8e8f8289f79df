//! The list of a project's clusters.

use axum::{
    body::Body,
    extract::Path,
    http::{Request, StatusCode},
    response::Response,
};

use super::{cce::admit, fault, reply::json, wire::Peer};
use crate::{cluster::Product, state::State};

/// `GET …/projects/{project}/clusters`, for one of the products.
pub(crate) async fn clusters(
    state: &State,
    product: Product,
    peer: Peer,
    Path(project): Path<String>,
    request: Request<Body>,
    request_id: &str,
) -> Response {
    let _in_flight = state.enter();
    if let Err(refused) = admit(state, &project, request, request_id).await {
        return refused;
    }
    let (fault, answer) = state.lock().clusters(product, &project);
    match fault {
        Some(fault) => fault::play(fault.kind, Some(answer), peer.cut, request_id).await,
        None => json(StatusCode::OK, &answer),
    }
}
