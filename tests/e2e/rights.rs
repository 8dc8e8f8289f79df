//! What the operator may do: roles for its service account, given before it starts, so that tests can take one away.

use k8s_openapi::api::{authorization::v1::SubjectAccessReview, rbac::v1::RoleBinding};
use kube::{
    Api,
    api::{DeleteParams, PostParams},
};
use serde_json::json;

use crate::{
    scene::Scene,
    wait::{LIMIT, until},
};

/// The roles.
pub const ROLES: &str = include_str!("rights.yaml");
/// The role for all but the status.
pub const READS: &str = "operator";
/// The role for the status.
pub const STATUS: &str = "operator-status";
/// The role for the Lease, which only replicas need.
pub const LEASES: &str = "operator-leases";

/// Gives the operator a role in its namespace.
pub async fn give(scene: &Scene, role: &str) {
    let binding: RoleBinding = serde_json::from_value(json!({
        "metadata": { "name": role },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
        "subjects": [{ "kind": "ServiceAccount", "name": "operator", "namespace": scene.namespace }],
    }))
    .unwrap();
    scene.api().create(&PostParams::default(), &binding).await.unwrap();
    in_force(scene, role, true).await;
}

/// Gives a role in the scene's namespace to the operator of another.
pub async fn give_to(scene: &Scene, other: &str, role: &str) {
    let binding: RoleBinding = serde_json::from_value(json!({
        "metadata": { "name": format!("{role}-{other}") },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
        "subjects": [{ "kind": "ServiceAccount", "name": "operator", "namespace": other }],
    }))
    .unwrap();
    scene.api().create(&PostParams::default(), &binding).await.unwrap();
}

/// Takes a role away.
pub async fn take(scene: &Scene, role: &str) {
    scene.api::<RoleBinding>().delete(role, &DeleteParams::default()).await.unwrap();
    in_force(scene, role, false).await;
}

/// The API server hears of its own bindings a little later.
async fn in_force(scene: &Scene, role: &str, given: bool) {
    let (verb, group, resource, part) = match role {
        STATUS => ("patch", "cce.backupwatch.io", "clusterbackupwatches", "status"),
        LEASES => ("create", "coordination.k8s.io", "leases", ""),
        _ => ("list", "cce.backupwatch.io", "clusterbackupwatches", ""),
    };
    let review: SubjectAccessReview = serde_json::from_value(json!({
        "metadata": {},
        "spec": {
            "user": format!("system:serviceaccount:{}:operator", scene.namespace),
            "resourceAttributes": {
                "namespace": scene.namespace, "verb": verb, "group": group, "resource": resource, "subresource": part,
            },
        },
    }))
    .unwrap();
    let reviews = Api::<SubjectAccessReview>::all(scene.client.clone());
    until("the rights are in force", LIMIT, async || {
        let review = reviews.create(&PostParams::default(), &review).await.unwrap();
        (review.status.unwrap().allowed == given).then_some(())
    })
    .await;
}
