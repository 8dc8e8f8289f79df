//! The watches: created side by side, watched until each has a phase, deleted.

use std::{collections::HashSet, time::Duration};

use futures::{StreamExt, TryStreamExt, stream};
use kube::{
    Api,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, PostParams},
    runtime::{WatchStreamExt, watcher},
};
use serde_json::json;

use crate::{
    INTERVAL, Result,
    api_server::{ApiServer, NAMESPACE, SECRET},
    cloud::Cloud,
};

/// The region of all watches.
pub const REGION: &str = "cn-north-4";
/// How many requests are made at a time.
const AT_A_TIME: usize = 16;
/// How long it may take until each watch has a phase.
const LIMIT: Duration = Duration::from_mins(10);

/// Watches that exist.
pub struct Watches {
    api: Api<DynamicObject>,
    count: usize,
}

impl Watches {
    /// Creates watches, each of a cluster of its own, spread over the accounts.
    pub async fn create(
        api_server: &ApiServer,
        cloud: &Cloud,
        count: usize,
        accounts: usize,
    ) -> Result<Self> {
        let kind = GroupVersionKind::gvk("cce.backupwatch.io", "v1alpha1", "ClusterBackupWatch");
        let resource = ApiResource::from_gvk_with_plural(&kind, "clusterbackupwatches");
        let api = Api::namespaced_with(api_server.client.clone(), NAMESPACE, &resource);
        let create = async |n: usize| -> Result<()> {
            let cluster = format!("{n:08x}-2222-3333-4444-555555555555");
            cloud.add_cluster(&cluster);
            let watch = DynamicObject::new(&format!("watch-{n}"), &resource).data(json!({ "spec": {
                "region": REGION,
                "projectID": format!("{:032x}", n % accounts),
                "clusterID": cluster,
                "credentials": { "secretRef": { "name": SECRET } },
                "interval": format!("{}s", INTERVAL.as_secs()),
            } }));
            api.create(&PostParams::default(), &watch).await?;
            Ok(())
        };
        stream::iter((0..count).map(create)).buffer_unordered(AT_A_TIME).try_collect::<()>().await?;
        Ok(Self { api, count })
    }

    /// Waits until each of them has a phase.
    pub async fn have_a_phase(&self) -> Result<()> {
        let all = async {
            let mut polled = HashSet::new();
            let mut changes = watcher(self.api.clone(), watcher::Config::default()).applied_objects().boxed();
            while polled.len() < self.count {
                let Some(watch) = changes.try_next().await? else { return Err("the watch ended".into()) };
                if watch.data["status"]["phase"].is_string() {
                    polled.extend(watch.metadata.name);
                }
            }
            Ok(())
        };
        tokio::time::timeout(LIMIT, all).await.map_err(|_| "some watches have no phase after ten minutes")?
    }

    /// Deletes them, and waits until none is left.
    pub async fn delete(self) -> Result<()> {
        self.api.delete_collection(&DeleteParams::default(), &ListParams::default()).await?;
        while !self.api.list_metadata(&ListParams::default()).await?.items.is_empty() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }
}
