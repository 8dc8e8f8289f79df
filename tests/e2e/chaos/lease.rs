//! The Lease of a leader can be neither read nor renewed for a while.

use std::time::Duration;

use cbw_testkit::{
    api_proxy::Effect,
    rbac,
    scene::Scene,
    trial::tests,
    wait::{LIMIT, holds},
};
use futures::future::join_all;

use super::verbs::scenes;
use crate::shared::twins::Twins;

tests![a_leader_that_is_refused_its_lease_goes_on_or_ends_and_leads_again_within_half_a_minute];

/// Longer than a Lease is valid.
const AWAY: Duration = Duration::from_secs(20);
/// How many more requests than without the trouble it may cost: a minute of renewals, failed tries, and a start.
const ALLOWED: usize = 60;

async fn a_leader_that_is_refused_its_lease_goes_on_or_ends_and_leads_again_within_half_a_minute(
    scene: Scene,
) {
    let codes = scenes([401, 403, 409, 422, 429, 500, 504], &scene).await;
    join_all(codes.into_iter().map(|(code, scene)| refused(code, scene))).await;
}

async fn refused(code: u16, scene: Scene) {
    rbac::grant(&scene, rbac::LEASES).await;
    let namespace = scene.namespace.clone();
    let flags = ["--leader-elect", "--lease-namespace", namespace.as_str()];
    let mut twins = Twins::start(scene, 1, &flags).await;
    let verbs = ["get", "list", "watch", "create", "update", "patch"].map(|verb| format!("{verb} leases"));
    let struck = |twins: &Twins| verbs.iter().map(|kind| twins.proxy.struck(kind)).sum::<usize>();
    for kind in &verbs {
        twins.proxy.strike_all(kind, Effect::Answer(code));
    }
    twins.moved("Running", 30).await;
    holds("it is refused", LIMIT, async || struck(&twins) > 0).await;
    let ended = tokio::time::timeout(AWAY, twins.operator.ended(2 * AWAY)).await;
    let tries = struck(&twins);
    assert!(tries <= 30, "{code}: {tries} tries in {AWAY:?}");
    for kind in &verbs {
        twins.proxy.heal(kind);
    }
    if let Ok(status) = ended {
        assert!(
            status.code().is_some_and(|code| code != 0),
            "{code}: a kubelet sees that something is wrong"
        );
        let log = twins.operator.text();
        assert!(log.lines().last().is_some_and(|line| line.starts_with("error: ")), "{code}: it says why");
        twins.operator.restart().await;
    }
    twins.afterwards(&[], ALLOWED).await;
}
