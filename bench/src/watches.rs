//! The watches of a run: creates them, sets them back to never polled, and waits until each has a phase.

use std::{collections::HashSet, time::Duration};

use futures::{StreamExt, TryStreamExt, stream};
use kube::{
    Api,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
    core::PartialObjectMeta,
    runtime::{WatchStreamExt, watcher},
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::{
    Result,
    api_server::{ApiServer, NAMESPACE, SECRET},
    cloud::Cloud,
    made_up::REGION,
};

/// How many requests are made at a time.
pub const AT_A_TIME: usize = 16;
/// The finished backups of each cluster.
const FINISHED: usize = 3;

/// What all watches of a run have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// Over how many accounts the watches are spread.
    pub accounts: usize,
    /// The time between two polls of a watch, in seconds.
    pub interval: u64,
}

impl Shape {
    fn spec(&self, n: usize) -> Value {
        json!({
            "region": REGION,
            "projectID": format!("{:032x}", n % self.accounts),
            "clusterID": cluster(n),
            "credentials": { "secretRef": { "name": SECRET } },
            "interval": format!("{}s", self.interval),
            // This has no effect while no backup runs.
            "activeInterval": "2s",
        })
    }
}

/// The watches that exist, each of a cluster of its own.
pub struct Watches {
    /// The interface to read and write the watches.
    pub api: Api<DynamicObject>,
    /// The interface to read only the metadata of the watches.
    metadata: Api<PartialObjectMeta<DynamicObject>>,
    resource: ApiResource,
    count: usize,
    shape: Shape,
    generation: usize,
}

impl Watches {
    /// No watches yet.
    pub fn new(api_server: &ApiServer, shape: Shape) -> Self {
        let (api, resource) = api(api_server);
        let metadata = Api::namespaced_with(api_server.client.clone(), NAMESPACE, &resource);
        Self { api, metadata, resource, count: 0, shape, generation: 0 }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Makes sure that there are so many watches of this shape, none of which was ever polled. Their clusters get new
    /// backups, so that an operator has the same to write each time.
    pub async fn renew(&mut self, cloud: &Cloud, count: usize, shape: Shape) -> Result<()> {
        self.generation += 1;
        if self.shape.accounts != shape.accounts {
            self.delete().await?;
        }
        let (create, merge) = (PostParams::default(), PatchParams::default());
        let is_changed = self.shape != shape;
        let renew = async |n: usize| -> Result<()> {
            cloud.set_finished(&cluster(n), self.generation, FINISHED);
            if n >= self.count {
                let watch =
                    DynamicObject::new(&name(n), &self.resource).data(json!({ "spec": shape.spec(n) }));
                self.api.create(&create, &watch).await?;
                return Ok(());
            }
            if is_changed {
                let interval = json!({ "spec": { "interval": shape.spec(n)["interval"] } });
                self.api.patch(&name(n), &merge, &Patch::Merge(interval)).await?;
            }
            self.api.patch_status(&name(n), &merge, &Patch::Merge(json!({ "status": null }))).await?;
            Ok(())
        };
        stream::iter((0..count.max(self.count)).map(renew))
            .buffer_unordered(AT_A_TIME)
            .try_collect::<()>()
            .await?;
        (self.count, self.shape) = (count.max(self.count), shape);
        Ok(())
    }

    /// Deletes all watches. The account of a watch is immutable, so another number of accounts needs other watches.
    async fn delete(&mut self) -> Result<()> {
        let gone = (0..self.count).map(async |n| {
            self.api.delete(&name(n), &DeleteParams::default()).await?;
            Result::Ok(())
        });
        stream::iter(gone).buffer_unordered(AT_A_TIME).try_collect::<()>().await?;
        self.count = 0;
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
    pub async fn run_backups(&self, cloud: &Cloud) -> Result<usize> {
        const CLUSTERS: usize = 50;
        let clusters = self.count.min(CLUSTERS);
        for (phase, progress) in [("Running", 10), ("Running", 60), ("Success", 100)] {
            for n in 0..clusters {
                let task = cce_simulator::Task::new(format!("{}-{}-new", cluster(n), self.generation), phase);
                cloud.set_backup(&cluster(n), self.generation, FINISHED, task.progress(progress));
            }
            let seen = (0..clusters).map(|n| {
                let limit = Duration::from_secs(30 + 2 * self.shape.interval);
                self.has(n, limit, move |watch| {
                    watch["status"]["phase"] == phase && watch["status"]["progress"] == progress
                })
            });
            futures::future::try_join_all(seen).await?;
        }
        Ok(clusters)
    }

    /// Waits until a watch is as wanted.
    async fn has(&self, n: usize, limit: Duration, wanted: impl Fn(&Value) -> bool) -> Result<()> {
        let mut changes = watcher::watch_object(self.api.clone(), &name(n)).boxed();
        let seen = async {
            while let Some(watch) = changes.try_next().await? {
                if watch.is_some_and(|watch| wanted(&watch.data)) {
                    return Ok(());
                }
            }
            Err("the watch ended".into())
        };
        tokio::time::timeout(limit, seen)
            .await
            .map_err(|_| format!("{} does not show its backup", name(n)))?
    }
}

/// The interface to the watches of the benchmark's namespace.
pub fn api(api_server: &ApiServer) -> (Api<DynamicObject>, ApiResource) {
    let kind = GroupVersionKind::gvk("cce.backupwatch.io", "v1alpha1", "ClusterBackupWatch");
    let resource = ApiResource::from_gvk_with_plural(&kind, "clusterbackupwatches");
    (Api::namespaced_with(api_server.client.clone(), NAMESPACE, &resource), resource)
}

fn name(n: usize) -> String {
    format!("watch-{n}")
}

/// The id of a cluster.
pub fn cluster(n: usize) -> String {
    format!("{n:08x}-2222-3333-4444-555555555555")
}
