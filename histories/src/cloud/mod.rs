//! The simulated cloud, in memory: clusters whose task lists change, access keys that are accepted or not, and faults.
//!
//! Every change of a task list makes a new version, and the answer carries the version number as `latestBackupTime`, so
//! that a status shows which version it was made from.

pub mod upgrades;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cce_backup_watch::cloud::{
    client::News,
    fault::{Fault, FaultKind},
    refusal,
    upgrades::Workflow,
    wire,
};
use cce_backup_watch::poll::Fetched;
use jiff::Timestamp;
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use serde_json::json;

use crate::script::{CloudTrouble, Level};
use crate::time;
use upgrades::Upgrades;

/// What is in every message of a fault of the list of upgrades.
pub const UPGRADES_FAULT: &str = "of the list of upgrades";
/// How long the operator waits for an answer of the cloud.
pub const TIMEOUT: Duration = Duration::from_secs(15);
/// The body of a 404 that says that there is no such cluster, and of a 429 that is of one cluster alone.
const NOT_FOUND: &[u8] = br#"{"errorCode":"CCE.01404001","errorMessage":"Resource not found."}"#;
const BUSY: &[u8] = br#"{"errorCode":"CCE.01429002","errorMessage":"Resource locked by other requests"}"#;
/// How many of the newest tasks are never dropped from a list.
const KEPT: usize = 3;

/// A snapshot task.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Its id.
    pub uid: String,
    /// Its phase.
    pub phase: String,
    /// Its progress.
    pub progress: u8,
    /// When it was created.
    pub created: Duration,
    /// When it last changed.
    pub updated: Duration,
    /// When it ended.
    pub completed: Option<Duration>,
    /// Whether it is a rollback, which restores a backup, and no backup.
    pub rollback: bool,
}

impl Task {
    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.phase == "Success" || self.phase == "Failed"
    }
}

/// A cluster.
#[derive(Debug)]
pub struct Cluster {
    /// Its account.
    pub account: usize,
    /// All its tasks, oldest first.
    pub tasks: Vec<Task>,
    /// Its upgrades.
    pub upgrades: Upgrades,
    /// How often each process asked for its upgrades, and how many of these requests failed.
    pub lists: BTreeMap<u64, usize>,
    /// See [`Self::lists`].
    pub failed_lists: usize,
    /// Whether a task is in progress. No second one begins meanwhile, because CCE makes one backup at a time.
    pub is_busy: bool,
    /// Whether the answer lists no tasks for now, although there are some.
    pub is_empty: bool,
    /// The tasks listed in each version; the last version is the current one.
    pub versions: Vec<Vec<Task>>,
    /// The body of the answer for the current version.
    body: Vec<u8>,
}

impl Cluster {
    fn new(account: usize) -> Self {
        let mut cluster = Self {
            account,
            tasks: Vec::new(),
            upgrades: Upgrades::default(),
            lists: BTreeMap::new(),
            failed_lists: 0,
            is_busy: false,
            is_empty: false,
            versions: vec![Vec::new()],
            body: Vec::new(),
        };
        cluster.body = body(&cluster);
        cluster
    }

    /// The tasks of the current version.
    pub fn listed(&self) -> &[Task] {
        self.versions.last().expect("there is a first")
    }

    /// Makes a new version of the list, if it has changed.
    pub fn changed(&mut self) {
        let listed = if self.is_empty { Vec::new() } else { self.tasks.clone() };
        if *self.listed() != *listed {
            self.versions.push(listed);
            self.body = body(self);
        }
    }

    /// Drops the oldest task, unless it is unfinished, one of the newest, or the newest success or failure: those
    /// decide the verdict.
    pub fn drop_oldest(&mut self) {
        let newest = |phase: &str| self.tasks.iter().rposition(|task| task.phase == phase && !task.rollback);
        let decide = [newest("Success"), newest("Failed")];
        if self.tasks.len() > KEPT && !decide.contains(&Some(0)) && self.tasks[0].is_finished() {
            self.tasks.remove(0);
        }
    }
}

/// The number of a key of the script, from one of the access keys that it had.
pub fn key_number(access_key: &str) -> Option<usize> {
    access_key.strip_prefix("ak")?.split('-').next()?.parse().ok()
}

/// The version number that a `latestBackupTime` carries.
pub fn version(latest: Timestamp) -> usize {
    usize::try_from(latest.as_second()).unwrap_or_default()
}

/// The whole cloud.
#[derive(Debug)]
pub struct Cloud {
    /// The clusters.
    pub clusters: Vec<Cluster>,
    /// The region of each account.
    pub accounts: Vec<usize>,
    /// The access keys that are accepted.
    pub keys: BTreeSet<String>,
    /// The faults that are active, and where.
    pub troubles: Vec<(Level, CloudTrouble)>,
}

impl Cloud {
    /// A cloud without tasks and without troubles.
    pub fn new(accounts: &[usize], clusters: &[usize]) -> Self {
        Self {
            clusters: clusters.iter().map(|account| Cluster::new(*account)).collect(),
            accounts: accounts.to_vec(),
            keys: BTreeSet::new(),
            troubles: Vec::new(),
        }
    }

    /// The first active fault that affects a cluster, its account, its endpoint, or the key in its account; a slow answer
    /// comes last.
    pub fn trouble(&self, cluster: usize, key: &str) -> Option<CloudTrouble> {
        let is_slow = |trouble: &&CloudTrouble| matches!(trouble, CloudTrouble::Slow(_));
        let mut all = self.troubles_of(cluster, key);
        let worst = all.clone().find(|trouble| !is_slow(trouble));
        worst.or_else(|| all.find(is_slow)).copied()
    }

    fn slowness(&self, cluster: usize, key: &str) -> Duration {
        let seconds = self.troubles_of(cluster, key).filter_map(|trouble| match trouble {
            CloudTrouble::Slow(seconds) => Some(*seconds),
            _ => None,
        });
        Duration::from_secs(seconds.max().unwrap_or_default())
    }

    fn troubles_of(&self, cluster: usize, key: &str) -> impl Iterator<Item = &CloudTrouble> + Clone {
        let account = self.clusters[cluster].account;
        let region = self.accounts[account];
        let key = key_number(key);
        let of = move |level: Level| match level {
            Level::Endpoint(troubled) => troubled == region,
            Level::Account(troubled) => troubled == account,
            Level::Cluster(troubled) => troubled == cluster,
            Level::Key(in_account, troubled) => in_account == account && key == Some(troubled),
        };
        self.troubles.iter().filter(move |(level, _)| of(*level)).map(|(_, trouble)| trouble)
    }

    /// The answer to a request that arrives now, with the delay that a fault adds to the network latency.
    pub fn answer(
        &self,
        cluster: usize,
        key: &str,
        known: Option<u64>,
        hash: impl Fn(&[u8]) -> u64,
    ) -> Reply {
        let trouble = self.trouble(cluster, key);
        let after = self.slowness(cluster, key);
        if let Err((after, fault)) = self.refused(trouble, key) {
            return Reply { after, fetched: Err(fault) };
        }
        let body = &self.clusters[cluster].body;
        let hash = hash(body);
        if known == Some(hash) {
            return Reply { after, fetched: Ok(News::Unchanged) };
        }
        let fetched = match wire::decode(&mut body.clone()) {
            Ok(answer) => Ok(News::Answer(answer, hash)),
            Err(error) => Err(Fault::new(FaultKind::InvalidResponse, error.to_string())),
        };
        Reply { after, fetched }
    }

    /// The answer to a request for the upgrades of a cluster, with the delay before it. What is wrong with the list alone comes
    /// first.
    pub fn list_upgrades(&self, cluster: usize, key: &str) -> (Duration, Result<Vec<Workflow>, Fault>) {
        let upgrades = &self.clusters[cluster].upgrades;
        let trouble = upgrades.troubles.first().copied().or_else(|| self.trouble(cluster, key));
        match self.refused(trouble, key) {
            Err((after, fault)) => {
                (after, Err(Fault { message: format!("{} {UPGRADES_FAULT}", fault.kind), ..fault }))
            }
            Ok(()) => (self.slowness(cluster, key), Ok(upgrades.listed())),
        }
    }

    /// The fault that an active trouble makes of a request, with the delay before it.
    fn refused(&self, trouble: Option<CloudTrouble>, key: &str) -> Result<(), (Duration, Fault)> {
        Err(match trouble {
            Some(CloudTrouble::Hang) => silent(TIMEOUT, "no answer within 15 s"),
            Some(CloudTrouble::Refuse) => silent(Duration::ZERO, "cannot connect"),
            Some(CloudTrouble::Throttle(after)) => status(429, after.map(Duration::from_secs), b""),
            Some(CloudTrouble::Status(404)) => status(404, None, NOT_FOUND),
            Some(CloudTrouble::Status(code)) => status(code, None, b""),
            Some(CloudTrouble::StatusAfter(code, after)) => {
                status(code, Some(Duration::from_millis(after)), b"")
            }
            Some(CloudTrouble::Busy) => status(429, None, BUSY),
            _ if !self.keys.contains(key) => status(401, None, b""),
            Some(CloudTrouble::Garbage) => {
                let error = wire::decode(&mut b"<html>".to_vec()).expect_err("it is no list");
                let fault = Fault::new(FaultKind::InvalidResponse, error.to_string());
                (Duration::ZERO, Fault { http_status: Some(200), ..fault })
            }
            None | Some(CloudTrouble::Slow(_)) => return Ok(()),
        })
    }
}

/// The answer to a request.
#[derive(Debug)]
pub struct Reply {
    /// The delay before it, in addition to the network latency.
    pub after: Duration,
    /// The result that the operator sees.
    pub fetched: Fetched,
}

fn silent(after: Duration, message: &str) -> (Duration, Fault) {
    (after, Fault::new(FaultKind::CloudUnavailable, message))
}

fn status(code: u16, retry_after: Option<Duration>, body: &[u8]) -> (Duration, Fault) {
    let mut headers = HeaderMap::new();
    // The live service writes decimals.
    let written = retry_after.map(|wait| HeaderValue::from_str(&wait.as_secs_f64().to_string()));
    if let Some(Ok(written)) = written {
        headers.insert(RETRY_AFTER, written);
    }
    (Duration::ZERO, refusal::fault(code, &headers, body, time::wall(time::now())))
}

/// The body of a 200, as the API writes it.
fn body(cluster: &Cluster) -> Vec<u8> {
    let time = |at: Duration| time::wall(at).to_string();
    let task = |task: &Task| {
        let kind = if task.rollback { "master-backup-rollback" } else { "master-backup" };
        json!({
            "metadata": {
                "uid": task.uid, "creationTimestamp": time(task.created), "updateTimestamp": time(task.updated),
            },
            "spec": { "items": [{ "id": "0", "type": kind, "status": task.phase }] },
            "status": {
                "phase": task.phase, "progress": task.progress.to_string(),
                "completionTime": task.completed.map(time),
            },
        })
    };
    let latest = Timestamp::from_second(i64::try_from(cluster.versions.len() - 1).unwrap_or_default());
    let answer = json!({
        "kind": "List", "apiVersion": "v3.1",
        "items": cluster.listed().iter().rev().map(task).collect::<Vec<_>>(),
        "status": { "latestBackupTime": latest.unwrap_or_default().to_string() },
    });
    answer.to_string().into_bytes()
}
