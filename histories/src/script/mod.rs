//! The script of a history: the watches, and everything that users, the cloud, the API server and machines do. A pure
//! function of a seed. A script can be run without some of its acts, which is how a finding is shrunk.

mod act;
mod draw;

use std::time::Duration;

use cce_backup_watch::api::ClusterBackupWatch;
use fastrand::Rng;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use crate::time;

pub use act::{Act, CloudTrouble, End, Level, Snapshot, UpgradeEnd, Verb};
use draw::{backup, watch};

/// One watch.
#[derive(Clone, Debug)]
pub struct WatchPlan {
    /// The cluster that it names.
    pub cluster: usize,
    /// The Secret that it names; the watch lives in the namespace of the Secret.
    pub secret: usize,
    /// `interval` in seconds.
    pub interval: u64,
    /// `activeInterval` in seconds.
    pub active: u64,
    /// `maxAge` in seconds.
    pub max_age: Option<u64>,
    /// `stuckAfter` in seconds.
    pub stuck_after: u64,
    /// `historyLimit`
    pub limit: i32,
    /// Whether it follows the cluster's upgrades.
    pub upgrades: bool,
}

impl WatchPlan {
    /// The resource, created now, whose cluster is in this region and account.
    ///
    /// # Panics
    ///
    /// If the metadata are none.
    pub fn resource(
        &self,
        metadata: &Value,
        region: usize,
        account: usize,
        now: Duration,
    ) -> ClusterBackupWatch {
        let mut watch: ClusterBackupWatch = serde_json::from_value(json!({
            "apiVersion": "cce.backupwatch.io/v1alpha1",
            "kind": "ClusterBackupWatch",
            "metadata": metadata,
            "spec": {
                "region": format!("r-{region}"),
                "projectID": format!("{account:032x}"),
                "clusterID": format!("{:08x}-0000-0000-0000-000000000000", self.cluster),
                "credentials": { "secretRef": { "name": "huawei" } },
                "interval": format!("{}s", self.interval),
                "activeInterval": format!("{}s", self.active),
                "stuckAfter": format!("{}s", self.stuck_after),
                "historyLimit": self.limit,
                "upgrades": if self.upgrades { "Watch" } else { "Ignore" },
            },
        }))
        .expect("a good watch");
        watch.spec.max_age = self.max_age.map(|seconds| Duration::from_secs(seconds).into());
        watch.metadata.creation_timestamp = Some(Time(time::wall(now)));
        watch
    }

    /// Whether it is polled again soon after the trouble has ended. One with a long interval need not have been polled by the
    /// end, and may hear of news at any time.
    pub fn is_polled_soon(&self) -> bool {
        self.interval <= 300
    }
}

/// A whole history, before it is run.
#[derive(Clone, Debug)]
pub struct Script {
    /// The seed that the script was made from.
    pub seed: u64,
    /// The region of each account.
    pub accounts: Vec<usize>,
    /// The account of each cluster.
    pub clusters: Vec<usize>,
    /// The namespace and the key of each Secret, by number; Secrets may share a key.
    pub secrets: Vec<(usize, usize)>,
    /// The watches.
    pub watches: Vec<WatchPlan>,
    /// The rate limit of each account: polls a second, and the burst.
    pub rate: (f64, u32),
    /// The acts, each with the time at which it begins, in order.
    pub acts: Vec<(Duration, Act)>,
    /// The time by which all trouble has ended.
    pub calm: Duration,
    /// The end of the history, when every status must be right.
    pub end: Duration,
}

/// More than have a share of the requests in flight at once.
const REGIONS: usize = 6;

impl Script {
    /// The script of a seed.
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let regions = [2, 2, REGIONS][rng.usize(..3)];
        let accounts: Vec<_> = (0..rng.usize(1..=regions)).map(|_| rng.usize(..regions)).collect();
        let clusters: Vec<_> = (0..rng.usize(1..=regions + 3)).map(|_| rng.usize(..accounts.len())).collect();
        let secrets: Vec<_> =
            (0..rng.usize(1..=3)).map(|namespace| (namespace, rng.usize(..=namespace))).collect();
        let watches =
            (0..rng.usize(1..=regions + 3)).map(|_| watch(&mut rng, clusters.len(), secrets.len())).collect();
        let rate = if rng.u8(..4) == 0 { (0.5, 2) } else { (5.0, 10) };
        let calm = Duration::from_secs(rng.u64(200..900));
        let mut script = Self {
            seed,
            accounts,
            clusters,
            secrets,
            watches,
            rate,
            acts: Vec::new(),
            calm,
            // The longest backoff is ten minutes plus a tenth of jitter, and a poll or two must fit in after it.
            end: calm + Duration::from_mins(15),
        };
        for cluster in 0..script.clusters.len() {
            for _ in 0..rng.usize(0..=2) {
                let act = backup(&mut rng, cluster);
                script.add(&mut rng, act);
            }
        }
        for _ in 0..rng.usize(1..=10) {
            let act = script.act(&mut rng);
            script.add(&mut rng, act);
        }
        draw::upgrades(&mut script);
        draw::crowd(&mut script);
        draw::restored_again(&mut script);
        script.acts.sort_by_key(|(at, _)| *at);
        // Nobody is asked before the time that it named.
        let named = script.acts.iter().filter_map(|(_, act)| match act {
            Act::Cloud { trouble: CloudTrouble::StatusAfter(_, after), .. } => {
                Some(Duration::from_millis(*after))
            }
            _ => None,
        });
        script.end += named.max().unwrap_or_default();
        script
    }

    /// The same script with only the acts for which `keep` returns true.
    #[must_use]
    pub fn only(&self, keep: impl Fn(usize, Act) -> bool) -> Self {
        let acts = self.acts.iter().enumerate().filter(|(n, (_, act))| keep(*n, *act));
        Self { acts: acts.map(|(_, act)| *act).collect(), ..self.clone() }
    }

    /// Whether the cloud takes back a result that it had listed, so that the status depends on when the cloud was
    /// polled.
    pub fn takes_back(&self) -> bool {
        self.acts.iter().any(|(_, act)| matches!(act, Act::Unfinish { .. }))
    }

    fn add(&mut self, rng: &mut Rng, act: Act) {
        let latest = u64::try_from(self.calm.as_millis()).unwrap_or(u64::MAX);
        self.acts.push((Duration::from_millis(rng.u64(..latest)), act));
    }
}
