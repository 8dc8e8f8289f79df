//! Plays the sharder of `kubernetes-controller-sharding`, as its documents describe it: it assigns resources that have
//! no shard, drains a resource before it moves it from a live shard, and moves the resources of a dead shard at once.

use cbw_testkit::{
    scene::Scene,
    wait::{LIMIT, holds, until},
};
use cce_backup_watch::api::ClusterBackupWatch;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

/// The name of the ring.
pub const RING: &str = "backup-watches";
const RING_LABEL: &str = "alpha.sharding.timebertt.dev/controllerring";
const SHARD: &str = "shard.alpha.sharding.timebertt.dev/backup-watches";
const DRAIN: &str = "drain.alpha.sharding.timebertt.dev/backup-watches";

/// The Lease of a shard, once it makes the shard available: the ring's label, and a holder of the Lease's name.
pub async fn available(scene: &Scene, shard: &str) -> Lease {
    until("the shard is available", LIMIT, async || {
        let lease = lease(scene, shard).await?;
        let spec = lease.spec.as_ref().unwrap();
        let is_ring = lease.labels().get(RING_LABEL).is_some_and(|ring| ring == RING);
        (is_ring && spec.holder_identity.as_deref() == Some(shard)).then(|| lease.clone())
    })
    .await
}

/// The Lease of a shard.
pub async fn lease(scene: &Scene, shard: &str) -> Option<Lease> {
    scene.api::<Lease>().get_opt(shard).await.unwrap()
}

/// Takes the Lease of a shard that was not renewed in time, as the controller of the shards' Leases does.
pub async fn take_lease(scene: &Scene, shard: &str) {
    let lease = json!({ "spec": { "holderIdentity": "shardlease-controller", "leaseDurationSeconds": 30 } });
    scene.api::<Lease>().patch(shard, &PatchParams::default(), &Patch::Merge(lease)).await.unwrap();
}

/// Assigns a watch that has no shard, as the sharder's webhook does on every write of such a resource.
pub async fn assign(scene: &Scene, name: &str, shard: &str) {
    let watch = scene.api::<ClusterBackupWatch>().get(name).await.unwrap();
    assert!(!watch.labels().contains_key(SHARD), "{name} is assigned already");
    label(scene, name, json!({ SHARD: shard })).await;
}

/// Moves a watch of a live shard: sets the drain label, waits until the shard has removed its labels, and assigns the
/// watch to the other shard.
pub async fn move_to(scene: &Scene, name: &str, shard: &str) {
    let watches = scene.api::<ClusterBackupWatch>();
    // The patch names the resourceVersion that was read, as the sharder's does, so a concurrent write is a conflict and
    // the patch is tried again.
    until("the watch is asked for", LIMIT, async || {
        let watch = watches.get(name).await.unwrap();
        let patch = json!({ "metadata": {
            "resourceVersion": watch.resource_version(), "labels": { DRAIN: "true" },
        } });
        watches.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.ok()
    })
    .await;
    holds("the shard has given the watch up", LIMIT, async || {
        let labels = watches.get(name).await.unwrap();
        let labels = labels.labels();
        assert_eq!(labels.contains_key(DRAIN), labels.contains_key(SHARD), "both go together");
        !labels.contains_key(DRAIN)
    })
    .await;
    assign(scene, name, shard).await;
}

/// Moves a watch of a dead shard: no shard is there to be drained, so the labels are replaced at once.
pub async fn move_left_behind(scene: &Scene, name: &str, shard: &str) {
    label(scene, name, json!({ SHARD: null, DRAIN: null })).await;
    assign(scene, name, shard).await;
}

async fn label(scene: &Scene, name: &str, labels: Value) {
    let watches: Api<ClusterBackupWatch> = scene.api();
    let patch = Patch::Merge(json!({ "metadata": { "labels": labels } }));
    watches.patch(name, &PatchParams::default(), &patch).await.unwrap();
}
