//! The admin API: most of the library's methods over HTTP, without a signature and from this machine only.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, DefaultBodyLimit, Path, State as Extract},
    http::{Request, StatusCode},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::put,
};
use jiff::SignedDuration;
use serde::{
    Deserialize,
    de::{IntoDeserializer, value::Error},
};
use serde_json::{Value, json};

use super::{
    admin_body::{Problem, Result, Shared, act, set, set_all, set_or_clear, show, show_all},
    refusal::admin_error,
    wire::Peer,
};
use crate::{
    backup::StartFault,
    cluster::Cluster,
    credential::Credential,
    fault::Fault,
    identity::{Identity, IdentityCall, MAX_LIFETIME},
    scenario::Scenario,
    state::State,
    task::Task,
    upgrade::Workflow,
};

const MAX_BODY: usize = 64 << 20;
const MAX_LATENCY: SignedDuration = SignedDuration::from_hours(1);
const MAX_SKEW: SignedDuration = SignedDuration::from_hours(24 * 366);

/// Everything below `/admin`.
pub(crate) fn router(state: Arc<State>) -> Router {
    Router::new()
        .merge(clusters())
        .merge(identity())
        .route(
            "/projects/{project}/clusters",
            set(|s, id, clusters: Vec<Cluster>| s.set_clusters(id, clusters)),
        )
        .route("/requests", show_all(requests))
        .route("/requests/reset", act(State::reset_counts))
        .route("/latency", set_all(set_latency))
        .route("/clock", set_all(set_clock))
        .route("/scenario", put(put_scenario))
        .route("/scenario/restart", act(State::restart))
        .route("/credentials/{access_key}", set(set_credential).delete(delete_credential))
        .fallback(|| async { admin_error(StatusCode::NOT_FOUND, "no such path; see cce-simulator --help") })
        .method_not_allowed_fallback(|| async {
            admin_error(StatusCode::METHOD_NOT_ALLOWED, "no such method here; see cce-simulator --help")
        })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(only_from_here))
        .with_state(state)
}

/// What the calls about one cluster get.
fn clusters() -> Router<Arc<State>> {
    let tasks = set_or_clear(|s, id, tasks: Vec<Task>| s.set_tasks(id, tasks), State::clear_tasks);
    let upgrades = set_or_clear(|s, id, list: Vec<Workflow>| s.set_upgrades(id, list), State::clear_upgrades);
    let upgrades_answer = set_or_clear(
        |s, id, answer| s.set_upgrades_answer(id, Some(answer)),
        |s, id| s.set_upgrades_answer(id, None),
    );
    let fault = set_or_clear(|s, id, fault| s.set_fault(id, Fault::from_json(fault)?), State::clear_fault);
    let upgrades_fault = set_or_clear(
        |s, id, fault| s.set_upgrades_fault(id, Fault::from_json(fault)?),
        State::clear_upgrades_fault,
    );
    Router::new()
        .route("/clusters/{cluster}/tasks", tasks)
        .route("/clusters/{cluster}/answer", set_or_clear(State::set_answer, State::clear_answer))
        .route("/clusters/{cluster}/fault", fault)
        .route("/clusters/{cluster}/requests", show(|s, id| json!(s.counts(id))))
        .route("/clusters/{cluster}/start-fault", set_or_clear(set_start_fault, State::clear_start_fault))
        .route(
            "/clusters/{cluster}/start-requests",
            show(|s, id| json!({ "requests": s.start_requests(id) })),
        )
        .route("/clusters/{cluster}/upgrades", upgrades)
        .route("/clusters/{cluster}/upgrades-answer", upgrades_answer)
        .route("/clusters/{cluster}/upgrades-fault", upgrades_fault)
        .route(
            "/clusters/{cluster}/upgrades-requests",
            show(|s, id| json!({ "requests": s.upgrade_requests(id) })),
        )
}

/// What IAM and pod identity do.
fn identity() -> Router<Arc<State>> {
    let fault = set_or_clear(
        |s, name, fault| -> Result<()> { Ok(s.set_identity_fault(call(name)?, Fault::from_json(fault)?)?) },
        |s, name| call(name).map(|call| s.clear_identity_fault(call)),
    );
    Router::new()
        .route("/identity", set_all(set_identity))
        .route("/identity/faults/{call}", fault)
        .route("/identity/requests", show_all(|s| json!(s.lock().issuer.counts)))
        .route("/identity/revoke", act(State::revoke_issued))
}

/// Lets only this machine use the admin API, because it can make the simulator accept any key.
async fn only_from_here(
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request<Body>,
    next: Next,
) -> Response {
    if may_steer(peer.address.ip()) {
        next.run(request).await
    } else {
        admin_error(StatusCode::FORBIDDEN, "the admin API answers on the loopback interface only")
    }
}

fn may_steer(peer: IpAddr) -> bool {
    peer.to_canonical().is_loopback()
}

fn set_start_fault(state: &State, cluster: &str, mut fault: Value) -> Result<()> {
    let lost = fault.as_object_mut().and_then(|fields| fields.remove("started"));
    let fault = Fault::from_json(fault)?;
    let fault = match lost {
        None | Some(Value::Bool(false)) => StartFault::Refused(fault),
        Some(Value::Bool(true)) => StartFault::Lost(fault),
        Some(_) => return Err(Problem("started: must be true or false".to_owned())),
    };
    Ok(state.set_start_fault(cluster, fault)?)
}

fn requests(state: &State) -> Value {
    let (total, clusters, most) = (state.total(), state.counts_by_cluster(), state.max_concurrent());
    json!({ "total": total, "clusters": clusters, "maxConcurrent": most })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Latency {
    latency: SignedDuration,
}

fn set_latency(state: &State, Latency { latency }: Latency) -> Result<()> {
    let latency = Duration::try_from(latency).ok().filter(|_| latency <= MAX_LATENCY);
    state.set_latency(latency.ok_or_else(|| Problem("latency: must be 0s to 1h".to_owned()))?);
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Clock {
    skew: SignedDuration,
}

fn set_clock(state: &State, Clock { skew }: Clock) -> Result<()> {
    if skew.abs() > MAX_SKEW {
        return Err(Problem("skew: must be within a year".to_owned()));
    }
    state.set_clock_skew(skew);
    Ok(())
}

fn set_identity(state: &State, rules: Identity) -> Result<()> {
    if rules.lifetime <= SignedDuration::ZERO || rules.lifetime > MAX_LIFETIME {
        return Err(Problem("lifetime: must be more than 0s and at most 24h".to_owned()));
    }
    state.set_identity(rules);
    Ok(())
}

fn call(name: &str) -> Result<IdentityCall> {
    IdentityCall::deserialize(name.into_deserializer()).map_err(|error: Error| Problem(error.to_string()))
}

async fn put_scenario(Extract(state): Shared, body: String) -> Result {
    let scenario = Scenario::from_yaml(&body).map_err(|error| Problem(error.to_string()))?;
    state.set_scenario(scenario);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CredentialBody {
    secret_key: String,
    security_token: Option<String>,
}

fn set_credential(state: &State, access_key: &str, body: CredentialBody) -> Result<()> {
    let CredentialBody { secret_key, security_token } = body;
    if secret_key.is_empty() || security_token.as_deref() == Some("") {
        return Err(Problem("secretKey and securityToken must not be empty".to_owned()));
    }
    let access_key = access_key.to_owned();
    state.add_credential(Credential { access_key, secret_key, security_token, expires_at: None });
    Ok(())
}

async fn delete_credential(Extract(state): Shared, Path(access_key): Path<String>) -> Response {
    if state.remove_credential(&access_key) {
        StatusCode::NO_CONTENT.into_response()
    } else {
        admin_error(StatusCode::NOT_FOUND, "no such access key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_may_steer() {
        for (address, expected) in [
            ("127.0.0.1", true),
            ("127.8.9.1", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("10.0.0.1", false),
            ("::ffff:10.0.0.1", false),
            ("fe80::1", false),
        ] {
            assert_eq!(may_steer(address.parse().unwrap()), expected, "{address}");
        }
    }
}
