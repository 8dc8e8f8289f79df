//! Several watches, each of a cluster of its own whose one backup moves together with those of the others.

use std::time::{Duration, Instant};

use cbw_testkit::scene::Scene;
use cce_backup_watch::api::ClusterBackupWatchStatus;
use cce_simulator::Task;
use serde_json::json;

use super::fault_table::cluster;

/// The watches `watch-00`, `watch-01` and so on.
pub struct Fleet<'a> {
    scene: &'a Scene,
    /// Their names.
    pub names: Vec<String>,
    /// Their clusters.
    pub clusters: Vec<String>,
}

impl<'a> Fleet<'a> {
    /// Creates so many watches, of backups in this phase and with this progress.
    pub async fn create(scene: &'a Scene, count: usize, phase: &str, progress: u8) -> Self {
        let names = (0..count).map(|n| format!("watch-{n:02}")).collect();
        let fleet = Self { scene, names, clusters: (0..count).map(cluster).collect() };
        fleet.moves(phase, progress);
        for (name, cluster) in fleet.names.iter().zip(&fleet.clusters) {
            scene.watch(name, json!({ "clusterID": cluster })).await;
        }
        fleet
    }

    /// Moves the backup of every cluster.
    pub fn moves(&self, phase: &str, progress: u8) {
        for cluster in &self.clusters {
            self.scene.cloud.set_tasks(cluster, [Task::new("backup-1", phase).progress(progress)]);
        }
    }

    /// Waits until each watch shows this progress.
    pub async fn shows(&self, progress: u8) {
        for name in &self.names {
            self.scene.shows(name, &format!("{progress} %"), at(progress)).await;
        }
    }

    /// Waits until all watches show this progress. Fails after a promised time.
    pub async fn shows_within(&self, limit: Duration, progress: u8) {
        let begun = Instant::now();
        for name in &self.names {
            let left = limit.saturating_sub(begun.elapsed());
            self.scene.shows_within(left, name, &format!("{progress} %"), at(progress)).await;
        }
    }
}

fn at(progress: u8) -> impl Fn(&ClusterBackupWatchStatus) -> bool {
    move |status| status.progress == Some(progress)
}
