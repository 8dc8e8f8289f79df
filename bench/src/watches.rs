//! The watches of a run: creates them, sets them back to never polled, and waits until each has a phase.

use std::{collections::HashSet, time::Duration};

use cbw_testkit::scene::{self, Scene};
use cce_simulator::Task;
use futures::{StreamExt, TryStreamExt, stream};
use kube::{
    Api, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
    core::PartialObjectMeta,
    runtime::{WatchStreamExt, watcher},
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::{Result, bench::Bench, crowd::Crowd};

/// How many requests are made at a time.
const AT_A_TIME: usize = 16;
/// The finished backups of each cluster.
const FINISHED: usize = 3;
/// How many clusters have a backup when backups are measured.
const BACKUPS: usize = 50;

/// What all watches of a run have in common.
#[derive(Clone, Copy)]
pub struct Shape {
    /// Over how many accounts the watches are spread.
    pub accounts: usize,
    /// The time between two polls of a watch, in seconds.
    pub interval: u64,
}

/// The watches that exist, each of a cluster of its own.
pub struct Watches {
    api: Api<DynamicObject>,
    metadata: Api<PartialObjectMeta<DynamicObject>>,
    /// How many there are.
    pub count: usize,
    /// What they have in common.
    pub shape: Shape,
    generation: usize,
}

impl Watches {
    /// No watches yet.
    pub fn new(scene: &Scene) -> Self {
        let (api, resource) = api(scene);
        let metadata = Api::namespaced_with(scene.client.clone(), &scene.namespace, &resource);
        Self { api, metadata, count: 0, shape: Shape { accounts: 0, interval: 0 }, generation: 0 }
    }

    /// Makes sure that there are so many watches of this shape, none of which was ever polled. Their clusters get new
    /// backups, so that an operator has the same to write each time.
    pub async fn renew(&mut self, bench: &Bench, count: usize, shape: Shape) -> Result<()> {
        self.generation += 1;
        if self.shape.accounts != shape.accounts {
            // The account of a watch is immutable.
            at_a_time(0..self.count, async |n| {
                self.api.delete(&name(n), &DeleteParams::default()).await?;
                Ok(())
            })
            .await?;
            self.count = 0;
        }
        let merge = PatchParams::default();
        at_a_time(0..count.max(self.count), async |n| {
            bench.set_backups(&cluster(n), self.generation, None, FINISHED);
            let account = format!("{:032x}", n % shape.accounts);
            let interval = format!("{}s", shape.interval);
            if n >= self.count {
                // The activeInterval has no effect while no backup runs.
                create(&self.api, n, &json!({ "projectID": account, "interval": interval })).await?;
            } else {
                let spec = json!({ "spec": { "interval": interval } });
                self.api.patch(&name(n), &merge, &Patch::Merge(spec)).await?;
                self.api.patch_status(&name(n), &merge, &Patch::Merge(json!({ "status": null }))).await?;
            }
            Ok(())
        })
        .await?;
        (self.count, self.shape) = (count.max(self.count), shape);
        Ok(())
    }

    /// Waits until each watch has the phase of its newest backup. The wait begins at once and not when the handle is
    /// awaited.
    pub fn have_a_phase(&self, limit: Duration) -> JoinHandle<Result<()>> {
        let (api, count) = (self.metadata.clone(), self.count);
        tokio::spawn(async move {
            let all = async {
                // Metadata only, so that this takes little of the CPU time that is measured.
                let finished = watcher::Config::default().fields("status.phase=Success");
                let mut polled = HashSet::new();
                let mut changes = watcher(api, finished).default_backoff().applied_objects().boxed();
                while polled.len() < count {
                    let Some(watch) = changes.try_next().await? else { return Err("the watch ended".into()) };
                    polled.extend(watch.metadata.name);
                }
                Ok(())
            };
            let late = || format!("some watches have no phase after {} s", limit.as_secs());
            tokio::time::timeout(limit, all).await.map_err(|_| late())?
        })
    }

    /// Runs a backup of the first clusters in three steps, and waits after each until every watch has seen it. Returns
    /// the number of those clusters.
    pub async fn run_backups(&self, bench: &Bench) -> Result<usize> {
        let clusters = self.count.min(BACKUPS);
        let names: HashSet<_> = (0..clusters).map(name).collect();
        let (api, resource) = api(&bench.scene);
        let crowd = Crowd::new(api, resource);
        for (phase, progress) in [("Running", 10), ("Running", 60), ("Success", 100)] {
            for n in 0..clusters {
                let id = format!("{}-{}-new", cluster(n), self.generation);
                let task = Task::new(id, phase).progress(progress);
                bench.set_backups(&cluster(n), self.generation, Some(task), FINISHED);
            }
            let seen = |watch: &DynamicObject| {
                let status = &watch.data["status"];
                !names.contains(&watch.name_any())
                    || (status["phase"] == phase && status["progress"] == progress)
            };
            crowd.until("every backup is seen", self.count, seen).await?;
        }
        Ok(clusters)
    }
}

/// The interface to the watches of a scene, whatever fields a build gives them.
pub fn api(scene: &Scene) -> (Api<DynamicObject>, ApiResource) {
    let kind = GroupVersionKind::gvk("cce.backupwatch.io", "v1alpha1", "ClusterBackupWatch");
    let resource = ApiResource::from_gvk_with_plural(&kind, "clusterbackupwatches");
    (Api::namespaced_with(scene.client.clone(), &scene.namespace, &resource), resource)
}

/// Creates the watch of a cluster, with these changes to the usual spec.
pub async fn create(api: &Api<DynamicObject>, n: usize, changes: &Value) -> Result<()> {
    let mut watch = scene::watch(&name(n), changes);
    watch["spec"]["clusterID"] = cluster(n).into();
    api.create(&PostParams::default(), &serde_json::from_value(watch)?).await?;
    Ok(())
}

/// Does something for each of some numbers, a few at a time.
pub async fn at_a_time(
    numbers: impl IntoIterator<Item = usize>,
    act: impl AsyncFn(usize) -> Result<()>,
) -> Result<()> {
    stream::iter(numbers).map(|n| act(n)).buffer_unordered(AT_A_TIME).try_collect().await
}

/// The name of a watch.
pub fn name(n: usize) -> String {
    format!("watch-{n}")
}

/// The id of its cluster.
pub fn cluster(n: usize) -> String {
    format!("{n:08x}-2222-3333-4444-555555555555")
}
