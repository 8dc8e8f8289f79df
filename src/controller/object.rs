//! One resource as the store keeps it: its key, and what is left of it.

use kube::{Resource, ResourceExt, api::ObjectMeta};

use crate::api::{DISPLAY_NAME, Guarded, REQUESTED_AT};
use crate::poll::WatchKey;

/// The key of the resource with this namespace and name.
pub fn key(namespace: Option<&str>, name: Option<&str>) -> WatchKey {
    format!("{}/{}", namespace.unwrap_or_default(), name.unwrap_or_default()).into()
}

/// The key of a resource.
pub fn key_of(watch: &Guarded) -> WatchKey {
    let meta = watch.meta();
    key(meta.namespace.as_deref(), meta.name.as_deref())
}

/// Removes the metadata that the operator does not read: a tenant can make it a thousand times larger than the rest of the
/// resource. `labels` are those that are kept.
pub fn prune(watch: &mut Guarded, labels: &[String]) {
    watch.labels_mut().retain(|key, _| labels.contains(key));
    watch.annotations_mut().retain(|key, _| key == REQUESTED_AT || key == DISPLAY_NAME);
    for value in watch.annotations_mut().values_mut() {
        if let Some((end, _)) = value.char_indices().nth(ANNOTATION_CHARS) {
            value.truncate(end);
        }
        value.shrink_to_fit();
    }
    let meta = watch.meta_mut();
    // A map that was emptied keeps its memory.
    meta.labels.take_if(|labels| labels.is_empty());
    meta.annotations.take_if(|annotations| annotations.is_empty());
    *meta = ObjectMeta {
        managed_fields: None,
        owner_references: None,
        finalizers: None,
        generate_name: None,
        self_link: None,
        ..std::mem::take(meta)
    };
}

/// The most that is kept of an annotation: what the status can echo.
const ANNOTATION_CHARS: usize = 1024;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn watch(cluster: u32, name: &str) -> Guarded {
        serde_json::from_value(json!({
            "apiVersion": "cce.backupwatch.io/v1alpha1",
            "kind": "ClusterBackupWatch",
            "metadata": { "name": name, "namespace": "platform" },
            "spec": {
                "region": "cn-north-4",
                "projectID": "0123456789abcdef0123456789abcdef",
                "clusterID": format!("{cluster:08x}-0000-0000-0000-000000000000"),
            },
        }))
        .unwrap()
    }

    #[test]
    fn what_nobody_reads_is_not_kept() {
        let mut watch = watch(1, "a");
        watch
            .annotations_mut()
            .insert("kubectl.kubernetes.io/last-applied-configuration".into(), "{}".into());
        watch.annotations_mut().insert("cce.backupwatch.io/requestedAt".into(), "now".into());
        watch
            .managed_fields_mut()
            .push(k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry::default());
        prune(&mut watch, &[]);
        assert!(watch.managed_fields().is_empty());
        assert_eq!(watch.annotations().keys().collect::<Vec<_>>(), ["cce.backupwatch.io/requestedAt"]);
        watch.annotations_mut().clear();
        prune(&mut watch, &[]);
        assert_eq!((&watch.meta().labels, &watch.meta().annotations), (&None, &None));
    }
}
