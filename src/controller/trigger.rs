//! Which change of a resource triggers a reconcile: a new spec, a request, the sharder's request to give the resource
//! up, or a resource that is new to this process. A status write does not, or each reconcile would trigger another one.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use kube::{Resource, ResourceExt};

use super::{drain::Ring, key_of};
use crate::api::{Guarded, REQUESTED_AT};
use crate::poll::WatchKey;

/// What each resource was when it last triggered a reconcile, as a hash.
///
/// A resource that was forgotten triggers one again, even if it is unchanged: an API server whose list is stale leaves
/// out the resources that were created since, and its watch delivers them afterwards.
#[derive(Default)]
pub struct Triggers(Mutex<HashMap<WatchKey, u64>>);

impl Triggers {
    /// Whether a resource differs from what last triggered a reconcile, and remembers it as what did.
    pub fn is_new(&self, watch: &Guarded, ring: Option<&Ring>) -> bool {
        let mut hash = DefaultHasher::new();
        let meta = watch.meta();
        let request = watch.annotations().get(REQUESTED_AT);
        // A resource that cannot be decoded is not polled, so nothing else would notice a change of it.
        let version = meta.resource_version.as_ref().filter(|_| watch.0.is_err());
        let is_drained = ring.is_some_and(|ring| ring.drains(watch.labels()));
        (&meta.uid, meta.generation, request, version, watch.0.is_ok(), is_drained).hash(&mut hash);
        let hash = hash.finish();
        self.all().insert(key_of(watch), hash) != Some(hash)
    }

    /// Forgets a resource that was deleted.
    pub fn forget(&self, key: &str) {
        self.all().remove(key);
    }

    /// Forgets the resources for whose key `keep` is false.
    pub fn retain(&self, keep: impl Fn(&str) -> bool) {
        self.all().retain(|key, _| keep(key));
    }

    /// Ignores poisoning: each change of the map is one call, so a panic elsewhere leaves it consistent.
    fn all(&self) -> MutexGuard<'_, HashMap<WatchKey, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn watch(generation: i64) -> Guarded {
        serde_json::from_value(json!({
            "apiVersion": "cce.backupwatch.io/v1alpha1",
            "kind": "ClusterBackupWatch",
            "metadata": { "name": "prod", "namespace": "platform", "uid": "1", "generation": generation },
            "spec": { "region": "r", "projectID": "p", "clusterID": "c" },
        }))
        .unwrap()
    }

    #[test]
    fn a_status_write_makes_no_reconcile_and_a_new_spec_and_a_request_do() {
        let triggers = Triggers::default();
        assert!(triggers.is_new(&watch(1), None));
        let mut written = watch(1);
        written.meta_mut().resource_version = Some("2".into());
        assert!(!triggers.is_new(&written, None));
        assert!(triggers.is_new(&watch(2), None));
        let mut requested = watch(2);
        requested.annotations_mut().insert(REQUESTED_AT.into(), "now".into());
        assert!(triggers.is_new(&requested, None));
        assert!(!triggers.is_new(&requested, None));
    }

    #[test]
    fn every_change_of_a_resource_that_cannot_be_decoded_makes_a_reconcile() {
        let triggers = Triggers::default();
        let undecodable = |version: &str| {
            let mut watch = serde_json::to_value(watch(1).0.unwrap()).unwrap();
            watch["spec"]["clusterType"] = json!("Turbo");
            watch["metadata"]["resourceVersion"] = json!(version);
            serde_json::from_value::<Guarded>(watch).unwrap()
        };
        assert!(undecodable("1").0.is_err());
        assert!(triggers.is_new(&undecodable("1"), None));
        assert!(!triggers.is_new(&undecodable("1"), None));
        assert!(triggers.is_new(&undecodable("2"), None));
    }

    #[test]
    fn a_resource_that_was_forgotten_makes_a_reconcile_though_it_is_the_same() {
        let triggers = Triggers::default();
        assert!(triggers.is_new(&watch(1), None));
        triggers.forget("platform/prod");
        assert!(triggers.is_new(&watch(1), None));
        triggers.retain(|_| false);
        assert!(triggers.is_new(&watch(1), None));
    }

    #[test]
    fn a_resource_that_is_to_be_given_up_makes_a_reconcile_and_so_does_one_that_is_not_any_more() {
        let (triggers, ring) = (Triggers::default(), Ring::new("hub", "pod-1"));
        let label = |watch: &mut Guarded, prefix: &str| {
            let key = format!("{prefix}.alpha.sharding.timebertt.dev/hub");
            watch.labels_mut().insert(key, "pod-1".to_owned());
        };
        let mut ours = watch(1);
        label(&mut ours, "shard");
        let mut drained = ours.clone();
        label(&mut drained, "drain");
        assert!(triggers.is_new(&ours, Some(&ring)));
        assert!(triggers.is_new(&drained, Some(&ring)) && !triggers.is_new(&drained, Some(&ring)));
        let mut touched = ours.clone();
        touched.labels_mut().insert("team".to_owned(), "platform".to_owned());
        assert!(triggers.is_new(&ours, Some(&ring)) && !triggers.is_new(&touched, Some(&ring)));
    }
}
