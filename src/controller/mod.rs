//! The controller: a `ClusterBackupWatch` says what the cloud says of its cluster's backups.
//!
//! ```text
//! watch event or timer
//!   → observe   the credential, then the tasks of the cluster       (the only cloud I/O)
//!   → plan      what that means                                     (pure)
//!   → apply     Events, then the status                             (the only writes)
//! ```
//!
//! [`reconcile`] is these three lines; this file wires the streams that call it.

pub mod apply;
pub mod context;
pub mod identity;
pub mod observe;
pub mod pace;
pub mod plan;
pub mod reconcile;
pub mod secrets;

use std::sync::Arc;

use futures::{
    FutureExt, Stream, StreamExt, TryStreamExt,
    future::{BoxFuture, ready},
};
use kube::{
    Api, Resource, ResourceExt,
    core::DeserializeGuard,
    runtime::{
        Controller, Predicate, PredicateConfig, WatchStreamExt, controller, predicates,
        reflector::{self, ObjectRef, Store},
        watcher,
    },
};

use crate::api::ClusterBackupWatch;
use context::Context;
use pace::Key;

/// A resource, or why it cannot be decoded: one that cannot stops none of the others.
pub type Guarded = DeserializeGuard<ClusterBackupWatch>;

/// Which resources to watch.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// The namespaces; none means all.
    pub namespaces: Vec<String>,
    /// The labels that a resource must have.
    pub labels: Option<String>,
    /// Of how many shards which one; each cluster belongs to one shard.
    pub shard: Shard,
}

/// A share of the clusters, for operators that split the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 0 to `of` - 1.
    pub index: u64,
    /// At least 1.
    pub of: u64,
}

impl Default for Shard {
    fn default() -> Self {
        Self { index: 0, of: 1 }
    }
}

impl Shard {
    /// Whether a resource belongs to this shard. All watches of one cluster do, or none: so they share their fetches.
    fn has(self, watch: &Guarded) -> bool {
        use sha2::{Digest, Sha256};
        if self.of <= 1 {
            return true;
        }
        let cluster = watch.0.as_ref().map_or("", |watch| watch.spec.cluster_id.as_str());
        let hash = Sha256::digest(cluster.as_bytes());
        let number = hash.iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
        number % self.of == self.index
    }
}

/// The copy of the resources that a process keeps: kube's, without what nobody reads.
pub type Stores = Vec<Store<Guarded>>;

/// The controllers, one a namespace, and the stores that they fill. Each ends when `stop` does and its reconciles under
/// way are done.
pub fn run<S: Future<Output = ()> + Clone + Send + Sync + 'static>(
    context: &Arc<Context>,
    scope: &Scope,
    concurrency: u16,
    stop: &S,
) -> (Stores, Vec<BoxFuture<'static, ()>>) {
    let apis: Vec<Api<Guarded>> = if scope.namespaces.is_empty() {
        vec![Api::all(context.client.clone())]
    } else {
        scope.namespaces.iter().map(|name| Api::namespaced(context.client.clone(), name)).collect()
    };
    let each = u16::try_from(usize::from(concurrency).div_ceil(apis.len())).unwrap_or(concurrency);
    let start = |api| {
        let (store, writer) = reflector::store();
        let trigger = trigger(api, scope, writer, context.clone());
        let at_log = context.clone();
        let controller = Controller::for_stream(trigger, store.clone())
            .with_config(controller::Config::default().concurrency(each))
            .graceful_shutdown_on(stop.clone())
            .run(reconcile::reconcile, reconcile::on_error, context.clone())
            .for_each(move |result| {
                log(&at_log, result);
                ready(())
            })
            .boxed();
        (store, controller)
    };
    apis.into_iter().map(start).unzip()
}

/// What makes a reconcile: a new spec or new annotations. A status write does not, or each would trigger itself.
fn trigger(
    api: Api<Guarded>,
    scope: &Scope,
    writer: reflector::store::Writer<Guarded>,
    context: Arc<Context>,
) -> impl Stream<Item = Result<Guarded, watcher::Error>> + Send + use<> {
    let shard = scope.shard;
    let mut config = watcher::Config::default();
    if let Some(labels) = &scope.labels {
        config = config.labels(labels);
    }
    watcher(api, config)
        .default_backoff()
        .try_filter(move |event| {
            ready(match event {
                watcher::Event::Apply(watch)
                | watcher::Event::InitApply(watch)
                | watcher::Event::Delete(watch) => shard.has(watch),
                watcher::Event::Init | watcher::Event::InitDone => true,
            })
        })
        .inspect_ok(move |event| {
            if let watcher::Event::Delete(watch) = event {
                let meta = watch.meta();
                context.paces.forget(&Key::new(meta.namespace.as_deref(), meta.name.as_deref()));
            }
        })
        .modify(prune)
        .reflect(writer)
        .applied_objects()
        .predicate_filter(predicates::generation.combine(predicates::annotations), PredicateConfig::default())
}

/// Leaves out what nobody here reads, and what may be larger than all the rest.
fn prune(watch: &mut Guarded) {
    watch.managed_fields_mut().clear();
    watch.annotations_mut().remove("kubectl.kubernetes.io/last-applied-configuration");
}

/// Errors of the streams. Those of a reconcile were logged where they happened.
fn log<E: std::error::Error>(
    context: &Context,
    result: Result<(ObjectRef<Guarded>, controller::Action), controller::Error<reconcile::Error, E>>,
) {
    match result {
        Ok(_) | Err(controller::Error::ReconcilerFailed(..)) => {}
        // Its timer rang after it was deleted, perhaps while the watch was broken and nobody told.
        Err(controller::Error::ObjectNotFound(gone)) => {
            context.paces.forget(&Key::new(gone.namespace.as_deref(), Some(&gone.name)));
        }
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(%error, cause, "the watch of the resources failed; it is tried again");
        }
    }
}

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
    fn each_cluster_belongs_to_one_shard_with_all_its_watches() {
        let mut taken = [0; 3];
        for cluster in 0..300 {
            let of = |name| {
                (0..3)
                    .filter(|index| Shard { index: *index, of: 3 }.has(&watch(cluster, name)))
                    .collect::<Vec<_>>()
            };
            let one = of("a");
            assert_eq!(one.len(), 1);
            assert_eq!(one, of("another"), "all watches of a cluster share their fetches");
            taken[usize::try_from(one[0]).unwrap()] += 1;
        }
        assert!(taken.iter().all(|count| *count > 50), "{taken:?}");
        assert!(Shard::default().has(&watch(1, "a")));
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
        prune(&mut watch);
        assert!(watch.managed_fields().is_empty());
        assert_eq!(watch.annotations().keys().collect::<Vec<_>>(), ["cce.backupwatch.io/requestedAt"]);
    }
}
