//! The same watches twice: once for an operator that a test gets into trouble, and once for an operator that is left
//! alone. After the trouble both must have written the same statuses and Events, so that a test of a trouble need not
//! repeat what is right without it.
//!
//! Every cluster has one backup, which [`Twins::moved`] changes for both operators at once. [`Twins::recovers`] and
//! [`Twins::afterwards`] are the checks after every trouble.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use cbw_testkit::{api_proxy::ApiProxy, operator::Operator, scene::Scene};
use cce_backup_watch::api::{ClusterBackupWatch, ClusterBackupWatchStatus};
use cce_simulator::Task;
use jiff::Timestamp;
use kube::api::{DeleteParams, ListParams};
use serde_json::{Value, json};

use super::fault_table::cluster;

/// How soon after the end of a trouble every status must be as it is without the trouble.
pub const RECOVERY: Duration = Duration::from_secs(30);

/// By how many the Events of a reason must differ from those without the trouble: more if positive, fewer if negative.
pub type Reasons<'a> = &'a [(&'a str, isize)];

/// The two operators, and what they watch.
pub struct Twins {
    /// The scene of the operator that gets into trouble.
    pub scene: Scene,
    /// The proxy through which that operator reaches the API server.
    pub proxy: ApiProxy,
    /// The operator that gets into trouble.
    pub operator: Operator,
    calm: Scene,
    calm_proxy: ApiProxy,
    calm_operator: Operator,
    /// When the backup of every cluster began.
    begun: Timestamp,
    clusters: usize,
    /// How many clusters there were before the trouble.
    first: usize,
}

impl Twins {
    /// Starts both operators, the one that gets into trouble with these flags, and waits until each shows the running
    /// backups of so many clusters.
    pub async fn start(scene: Scene, clusters: usize, flags: &[&str]) -> Self {
        let calm = scene.neighbour().await;
        let (proxy, calm_proxy) = (ApiProxy::start(&scene).await, ApiProxy::start(&calm).await);
        let operator = Operator::start_through(&proxy, &scene, flags).await;
        let calm_operator = Operator::start_through(&calm_proxy, &calm, &[]).await;
        let begun = Timestamp::now();
        let mut twins = Self {
            scene,
            proxy,
            operator,
            calm,
            calm_proxy,
            calm_operator,
            begun,
            clusters: 0,
            first: clusters,
        };
        for _ in 0..clusters {
            twins.joins().await;
        }
        twins.recovers().await;
        twins
    }

    /// Adds a cluster, whose backup runs at 10 %, and a watch of it on either side. Waits until the operator that is
    /// left alone shows the backup.
    pub async fn joins(&mut self) -> String {
        let name = name(self.clusters);
        self.scene.cloud.set_tasks(&cluster(self.clusters), [self.task("Running", 10)]);
        self.clusters += 1;
        self.watch(&name).await;
        self.calm.shows(&name, "10 %", |status| status.progress == Some(10)).await;
        name
    }

    /// Creates the watch of this name on either side; the number in the name is that of its cluster.
    pub async fn watch(&self, name: &str) {
        let number: usize = name.trim_start_matches("watch-").parse().unwrap();
        for scene in [&self.scene, &self.calm] {
            scene.watch(name, json!({ "clusterID": cluster(number) })).await;
        }
    }

    /// Deletes the watch of this name on either side, and creates it again. Waits until the operator that is left alone has
    /// polled it.
    pub async fn re_creates(&self, name: &str) {
        for scene in [&self.scene, &self.calm] {
            scene.api::<ClusterBackupWatch>().delete(name, &DeleteParams::default()).await.unwrap();
        }
        self.watch(name).await;
        self.calm.shows(name, "a poll", |status| status.phase.is_some()).await;
    }

    /// Changes the watch of this name on either side by a merge patch.
    pub async fn change(&self, name: &str, patch: &Value) {
        for scene in [&self.scene, &self.calm] {
            scene.change(name, patch.clone()).await;
        }
    }

    /// Restarts the operator that is otherwise left alone, after a trouble that it could not be kept out of.
    pub async fn calms(&mut self) {
        self.calm_operator.kill();
        self.calm_operator.restart().await;
    }

    /// Moves the backup of every cluster.
    pub fn moves(&self, phase: &str, progress: u8) {
        for n in 0..self.clusters {
            self.scene.cloud.set_tasks(&cluster(n), [self.task(phase, progress)]);
        }
    }

    /// Moves the backup of every cluster, and waits until the operator that is left alone shows that.
    pub async fn moved(&self, phase: &str, progress: u8) {
        self.moves(phase, progress);
        for n in 0..self.clusters {
            let is_there = |status: &ClusterBackupWatchStatus| {
                status.phase.as_deref() == Some(phase) && status.progress == Some(progress)
            };
            self.calm.shows(&name(n), &format!("{phase} {progress} %"), is_there).await;
        }
    }

    /// Checks that within 30 s of the end of a trouble each status equals that of the same watch of the operator that
    /// was left alone.
    pub async fn recovers(&self) {
        let begun = Instant::now();
        loop {
            let (ours, calm) = (statuses(&self.scene).await, statuses(&self.calm).await);
            let all_told =
                calm.len() == self.clusters && calm.values().all(|status| status["phase"].is_string());
            if all_told && ours == calm {
                return;
            }
            let differing: Vec<_> =
                calm.iter().filter(|(name, status)| ours.get(*name) != Some(status)).collect();
            let text = |name: &str| ours.get(name).map(Value::to_string).unwrap_or_default();
            let text: Vec<_> = differing
                .iter()
                .map(|(name, calm)| format!("{name}: {}\nwithout it: {calm}\n", text(name)))
                .collect();
            assert!(
                begun.elapsed() < RECOVERY,
                "not within {RECOVERY:?} as without the trouble:\n{}",
                text.join("")
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// How many writes of Events and statuses the operator that gets into trouble has tried, successful or not.
    pub fn writes(&self) -> usize {
        let writes = ["create events", "update clusterbackupwatches/status"];
        writes.iter().map(|kind| self.proxy.requests(kind)).sum()
    }

    /// Checks that the process has not ended and that `/livez` is 200: trouble that a restart would not mend must not
    /// cause one.
    pub async fn lives(&mut self) {
        assert_eq!(self.operator.exit(), None, "the process has ended");
        assert_eq!(self.operator.get("/livez").await, (200, "ok\n".to_owned()));
    }

    /// Checks everything that must be true after a trouble that has just ended:
    ///
    /// - Within 30 s each status equals that of the operator that was left alone ([`Twins::recovers`]).
    /// - The process has not ended, is ready, and does the work of a ready one: it follows a backup that ends, a new
    ///   watch, and a changed spec.
    /// - Each transition is one Event; `extra` says which counts differ for watches that existed before the trouble.
    /// - The operator made at most `allowed` more requests to the API server than the one that was left alone, those
    ///   that were struck included.
    pub async fn afterwards(mut self, extra: Reasons<'_>, allowed: usize) {
        self.recovers().await;
        self.lives().await;
        self.operator.is_ready().await;
        let new = self.joins().await;
        self.recovers().await;
        self.moved("Success", 100).await;
        self.recovers().await;
        self.change(&new, &json!({ "spec": { "suspend": true } })).await;
        self.recovers().await;
        self.lives().await;

        for n in 0..self.clusters {
            let (name, extra) = (name(n), if n < self.first { extra } else { &[] });
            let mut expected: BTreeMap<_, isize> = counted(&self.calm, &name).await;
            for (reason, count) in extra {
                *expected.entry((*reason).to_owned()).or_default() += count;
            }
            expected.retain(|_, count| *count != 0);
            let told = counted(&self.scene, &name).await;
            assert_eq!(told, expected, "the Events about {name}: {:#?}", self.scene.events(&name).await);
            let (ours, calm) = (self.scene.events(&name).await, self.calm.events(&name).await);
            // BackupStarted notes how far the backup was when it was first seen, which may differ.
            let unknown = |(reason, note): &&(String, String)| {
                reason != "BackupStarted"
                    && extra.iter().all(|(known, _)| known != reason)
                    && !calm.contains(&(reason.clone(), note.clone()))
            };
            let wrong: Vec<_> = ours.iter().filter(unknown).collect();
            assert!(wrong.is_empty(), "{name} has Events that tell what did not happen: {wrong:?}");
        }

        let (ours, calm) = (self.proxy.all_requests(), self.calm_proxy.all_requests());
        let count = |requests: &BTreeMap<String, usize>| requests.values().sum::<usize>();
        assert!(
            count(&ours) <= count(&calm) + allowed,
            "more than {allowed} requests more than without the trouble: {ours:?}, without it: {calm:?}"
        );
        let log = self.operator.text();
        assert!(!log.contains("panicked"), "a reconcile or a poll panicked");
    }

    fn task(&self, phase: &str, progress: u8) -> Task {
        Task::new("backup-1", phase).progress(progress).created(self.begun)
    }
}

/// The name of the watch of the n-th cluster.
fn name(n: usize) -> String {
    format!("watch-{n}")
}

/// The statuses of the watches of a namespace, without the times at which their operator saw a change.
async fn statuses(scene: &Scene) -> BTreeMap<String, Value> {
    let watches = scene.api::<ClusterBackupWatch>().list(&ListParams::default()).await.unwrap();
    let said = |watch: ClusterBackupWatch| {
        let mut status = json!(watch.status);
        for condition in status["conditions"].as_array_mut().into_iter().flatten() {
            condition["lastTransitionTime"].take();
        }
        for task in status["tasks"].as_array_mut().into_iter().flatten() {
            task["progressTime"].take();
        }
        (watch.metadata.name.unwrap(), status)
    };
    watches.items.into_iter().map(said).collect()
}

/// How many Events of each reason there are about a watch.
async fn counted(scene: &Scene, name: &str) -> BTreeMap<String, isize> {
    let counts = scene.reasons(name).await;
    counts.into_iter().map(|(reason, count)| (reason, isize::try_from(count).unwrap())).collect()
}
