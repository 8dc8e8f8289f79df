//! The leader is frozen for longer than its Lease is valid, as on a node that hangs, and resumes while another one
//! leads.

use std::time::{Duration, Instant};

use cbw_testkit::{
    api_proxy::Effect,
    operator::Operator,
    rbac,
    scene::Scene,
    trial::tests,
    wait::{LIMIT, holds, meanwhile},
};

use crate::shared::twins::Twins;

tests![a_leader_that_was_frozen_for_a_minute_writes_nothing_more_and_ends_or_stands_by];

/// Four times as long as the Lease is valid.
const FROZEN: Duration = Duration::from_mins(1);

const STATUS: &str = "update clusterbackupwatches/status";

/// How many more requests than without the trouble the frozen operator and its successor may make: those for the Lease,
/// two starts and a takeover.
const ALLOWED: usize = 60;

async fn a_leader_that_was_frozen_for_a_minute_writes_nothing_more_and_ends_or_stands_by(scene: Scene) {
    rbac::grant(&scene, rbac::LEASES).await;
    let namespace = scene.namespace.clone();
    let flags = ["--leader-elect", "--lease-namespace", namespace.as_str()];
    let mut twins = Twins::start(scene, 2, &flags).await;
    let mut standby = Operator::start(&twins.scene, &flags).await;
    standby.is_ready().await;
    twins.moved("Init", 10).await;
    twins.recovers().await;

    // The status that was refused is due again after a second, so it is overdue when the operator resumes.
    twins.proxy.strike_all(STATUS, Effect::Answer(500));
    twins.moved("Queuing", 10).await;
    holds("a status is refused", LIMIT, async || twins.proxy.struck(STATUS) > 0).await;
    twins.operator.signal("STOP");
    let frozen = Instant::now();
    twins.proxy.heal(STATUS);
    standby.leads(LIMIT).await;
    twins.recovers().await;
    twins.moved("Running", 30).await;
    twins.recovers().await;
    meanwhile(FROZEN.saturating_sub(frozen.elapsed()), async || {
        assert_eq!(standby.metric("leader").await, Some(1.0), "its successor goes on leading");
    })
    .await;
    let writes = twins.writes();
    twins.operator.signal("CONT");
    let stands_by = |operator: &Operator| operator.text().matches("standing by for the Lease").count() > 1;
    holds("the one that was frozen has noticed", LIMIT, async || {
        twins.operator.exit().is_some() || stands_by(&twins.operator)
    })
    .await;
    assert_eq!(twins.writes(), writes, "it has written what it is no longer to write");
    if let Some(status) = twins.operator.exit() {
        assert!(status.code().is_some_and(|code| code != 0), "a kubelet sees that something is wrong");
        let log = twins.operator.text();
        assert!(log.lines().last().is_some_and(|line| line.starts_with("error: ")), "it says why");
        twins.operator.restart().await;
    }
    meanwhile(Duration::from_secs(5), async || {
        assert_ne!(twins.operator.metric("leader").await, Some(1.0), "the other leads");
        assert_eq!(
            twins.scene.status("watch-0").await.phase.as_deref(),
            Some("Running"),
            "not moved backwards"
        );
    })
    .await;
    twins.recovers().await;

    // The operator that was frozen is a working standby: it takes over when the leader is killed.
    standby.kill();
    twins.operator.leads(LIMIT).await;
    twins.afterwards(&[], ALLOWED).await;
}
