use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::*;

fn now() -> Now {
    Now { time: Timestamp::from_second(1_000).unwrap(), zone: TimeZone::UTC }
}

fn lease(name: &str, holder: &str, renewed: i64) -> LeaseFacts {
    let lease: Lease = serde_json::from_value(json!({
        "metadata": { "namespace": "ops", "name": name },
        "spec": {
            "holderIdentity": holder, "leaseDurationSeconds": 15,
            "renewTime": Timestamp::from_second(renewed).unwrap().to_string(),
        },
    }))
    .unwrap();
    LeaseFacts::of(&lease)
}

fn shard(name: &str, ring: &str, renewed: i64) -> LeaseFacts {
    LeaseFacts { ring: Some(ring.to_owned()), ..lease(name, name, renewed) }
}

#[allow(clippy::needless_pass_by_value)] // what json! makes is passed as it is
fn deployment(arguments: Value, ready: i32) -> DeploymentFacts {
    let deployment: Deployment = serde_json::from_value(json!({
        "metadata": { "namespace": "ops", "name": "watch" },
        "spec": { "selector": {}, "template": { "spec": { "containers": [{ "name": "controller", "args": arguments }] } } },
        "status": { "readyReplicas": ready },
    }))
    .unwrap();
    DeploymentFacts::of(&deployment)
}

#[test]
fn a_lease_decides_else_the_deployment_else_nobody_can_tell() {
    let elects = || json!(["controller", "--leader-elect", "--lease-namespace=ops", "--lease-name=mine"]);
    let alone = || json!(["controller"]);
    let ring = || json!(["controller", "--sharding-ring=hub"]);
    for (deployments, leases, state, words) in [
        (vec![], vec![], State::Unknown, "neither a Lease nor a Deployment"),
        (
            vec![],
            vec![lease("x", "pod-1", 990)],
            State::Alive,
            "pod-1 holds the Lease ops/x, renewed 10s ago",
        ),
        // The clock of this machine is a little ahead.
        (vec![], vec![lease("x", "pod-1", 960)], State::Alive, "renewed 40s ago"),
        (
            vec![],
            vec![lease("x", "pod-1", 900)],
            State::Away,
            "the Lease ops/x of pod-1 was last renewed 1m ago",
        ),
        (
            vec![],
            vec![lease("x", "", 990)],
            State::Away,
            "nobody holds the Lease ops/x; it was given back 10s ago",
        ),
        (vec![], vec![lease("x", "", 990), lease("y", "pod-2", 999)], State::Alive, "pod-2"),
        (vec![deployment(alone(), 1)], vec![], State::Alive, "1 pod is ready in the Deployment ops/watch"),
        (vec![deployment(alone(), 0)], vec![], State::Away, "no pod is ready in the Deployment ops/watch"),
        // Left over from the time when the operator ran with leader election.
        (vec![deployment(alone(), 1)], vec![lease("mine", "pod-1", 1)], State::Alive, "1 pod is ready"),
        // Pods that are ready and only stand by.
        (
            vec![deployment(elects(), 2)],
            vec![lease("mine", "pod-1", 1)],
            State::Away,
            "the Lease ops/mine of pod-1",
        ),
        (
            vec![deployment(elects(), 2)],
            vec![lease("mine", "pod-1", 999)],
            State::Alive,
            "pod-1 holds the Lease",
        ),
        // The user may not read the Lease.
        (vec![deployment(elects(), 2)], vec![], State::Alive, "2 pods are ready"),
        (
            vec![deployment(ring(), 2)],
            vec![shard("a", "hub", 1), shard("b", "hub", 999)],
            State::Alive,
            "b holds",
        ),
        (vec![deployment(ring(), 2)], vec![shard("a", "hub", 1)], State::Away, "the Lease ops/a of a"),
        // Of two operators one is away, and its watches are not looked at.
        (vec![deployment(alone(), 1), deployment(alone(), 0)], vec![], State::Away, "no pod is ready"),
    ] {
        let judged = judge(&deployments, &leases, &now());
        assert!(judged.state == state && judged.message.contains(words), "{judged:?}, not {state:?} {words}");
    }
}
