//! The RBAC of the operator: roles that a scene binds to the operator's service account before it starts, in parts, so
//! that a test can revoke one part.

use k8s_openapi::api::{
    authorization::v1::SubjectAccessReview,
    rbac::v1::{Role, RoleBinding},
};
use kube::{
    Api,
    api::{DeleteParams, PostParams},
};
use serde_json::json;

use super::{
    scene::{ACCOUNT, Scene},
    wait::{LIMIT, holds},
};

/// The roles.
pub const ROLES: &str = include_str!("rbac.yaml");
/// The role for everything that one operator needs but writing the status.
pub const READS: &str = "operator";
/// The role for the status.
pub const STATUS: &str = "operator-status";
/// The role for the Lease, which only replicas need.
pub const LEASES: &str = "operator-leases";

/// The role for one of several shards.
pub const SHARD: &str = "operator-shard";

/// The role of the permissions that [`take`] leaves.
const REST: &str = "rest";

/// Binds a role to the scene's own operator.
pub async fn grant(scene: &Scene, role: &str) {
    grant_to(scene, &scene.namespace, role).await;
}

/// Binds a role in the scene's namespace to the operator of a namespace, and waits until the API server enforces it.
pub async fn grant_to(scene: &Scene, operator: &str, role: &str) {
    let binding: RoleBinding = serde_json::from_value(json!({
        "metadata": { "name": format!("{role}-{operator}") },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
        "subjects": [{ "kind": "ServiceAccount", "name": ACCOUNT, "namespace": operator }],
    }))
    .unwrap();
    scene.api().create(&PostParams::default(), &binding).await.unwrap();
    in_force(scene, operator, role, true).await;
}

/// Removes the binding of a role to the scene's own operator, and waits until the API server enforces that.
pub async fn revoke(scene: &Scene, role: &str) {
    let name = format!("{role}-{}", scene.namespace);
    scene.api::<RoleBinding>().delete(&name, &DeleteParams::default()).await.unwrap();
    in_force(scene, &scene.namespace, role, false).await;
}

/// Takes the permissions of [`READS`] for one kind of object, `secrets` or `events`, and leaves the rest.
pub async fn take(scene: &Scene, resource: &str) {
    let rules: Vec<_> = [
        json!({ "apiGroups": ["cce.backupwatch.io"], "resources": ["clusterbackupwatches"], "verbs": ["get", "list", "watch"] }),
        json!({ "apiGroups": [""], "resources": ["secrets"], "verbs": ["get"] }),
        json!({ "apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create"] }),
    ]
    .into_iter()
    .filter(|rule| rule["resources"][0] != resource)
    .collect();
    let role: Role = serde_json::from_value(json!({ "metadata": { "name": REST }, "rules": rules })).unwrap();
    let binding: RoleBinding = serde_json::from_value(json!({
        "metadata": { "name": REST },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": REST },
        "subjects": [{ "kind": "ServiceAccount", "name": ACCOUNT, "namespace": scene.namespace }],
    }))
    .unwrap();
    scene.api().create(&PostParams::default(), &role).await.unwrap();
    scene.api().create(&PostParams::default(), &binding).await.unwrap();
    let reads = format!("{READS}-{}", scene.namespace);
    scene.api::<RoleBinding>().delete(&reads, &DeleteParams::default()).await.unwrap();
    allowed(scene, &scene.namespace, permission(resource), false).await;
}

/// Gives back what [`take`] took.
pub async fn give_back(scene: &Scene, resource: &str) {
    grant(scene, READS).await;
    allowed(scene, &scene.namespace, permission(resource), true).await;
    scene.api::<RoleBinding>().delete(REST, &DeleteParams::default()).await.unwrap();
    scene.api::<Role>().delete(REST, &DeleteParams::default()).await.unwrap();
}

/// A verb on a kind of object or on a subresource of it, as an access review asks for it.
struct Permission {
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    part: &'static str,
}

/// A permission that a role grants, or the permission that the operator needs for a kind of object.
fn permission(role: &str) -> Permission {
    let watches = "clusterbackupwatches";
    let (verb, group, resource, part) = match role {
        STATUS => ("patch", "cce.backupwatch.io", watches, "status"),
        LEASES | SHARD => ("create", "coordination.k8s.io", "leases", ""),
        "secrets" => ("get", "", "secrets", ""),
        "events" => ("create", "events.k8s.io", "events", ""),
        _ => ("list", "cce.backupwatch.io", watches, ""),
    };
    Permission { verb, group, resource, part }
}

async fn in_force(scene: &Scene, operator: &str, role: &str, granted: bool) {
    allowed(scene, operator, permission(role), granted).await;
}

/// Waits until a permission is granted or not. The authorizer of the API server reads bindings from a cache, which sees
/// a change a moment later.
async fn allowed(scene: &Scene, operator: &str, permission: Permission, granted: bool) {
    let Permission { verb, group, resource, part } = permission;
    let review: SubjectAccessReview = serde_json::from_value(json!({
        "metadata": {},
        "spec": {
            "user": format!("system:serviceaccount:{operator}:operator"),
            "resourceAttributes": {
                "namespace": scene.namespace, "verb": verb, "group": group, "resource": resource, "subresource": part,
            },
        },
    }))
    .unwrap();
    let reviews = Api::<SubjectAccessReview>::all(scene.client.clone());
    holds("the binding is in force", LIMIT, async || {
        let review = reviews.create(&PostParams::default(), &review).await.unwrap();
        review.status.unwrap().allowed == granted
    })
    .await;
}
