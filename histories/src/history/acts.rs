//! The acts of the script: how each begins and ends.

use std::collections::HashMap;
use std::time::Duration;

use cce_backup_watch::api::condition::{self, types};
use cce_backup_watch::api::{ClusterBackupWatch, REQUESTED_AT};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use serde_json::json;

use super::{Event, History};
use crate::{
    api_server::Stored,
    cloud::Task,
    finding::{Finding, promise},
    process::Process,
    script::{Act, CloudTrouble, End, Level, Script, Verb},
    time,
};

/// What is wrong with the API server and the processes for now.
#[derive(Default)]
pub struct Wrong {
    /// Whether the API server is away; how often, since troubles overlap.
    pub down: usize,
    /// Verbs that are answered with a code.
    pub codes: Vec<(Verb, u16)>,
    /// Verbs whose replies are lost.
    pub loses: Vec<Verb>,
    /// Seconds that a request takes.
    pub slow: Vec<u64>,
    /// Whether the streams are silent.
    pub silent: usize,
    /// How old the next list is.
    pub stale: Option<Duration>,
    /// When something of this last began or ended.
    pub disturbed: Duration,
    /// How many of these are under way.
    pub disturbing: usize,
    /// When each watch was last created, changed or suspended.
    pub created: HashMap<usize, Duration>,
}

impl Wrong {
    /// What a request takes besides the network's time.
    pub fn slowness(&self) -> Duration {
        Duration::from_secs(self.slow.iter().copied().max().unwrap_or_default())
    }

    /// Whether the operator may be kept from saying what it sees.
    pub fn is_disturbing(&self) -> bool {
        self.disturbing > 0
    }
}

/// Within what time a resource that cannot be decoded says so.
const UNDECODABLE: Duration = Duration::from_secs(40);

/// Whether a watch must say that it is blind when this lasts. A 429 may name any wait.
pub fn blinds(trouble: CloudTrouble) -> bool {
    !matches!(trouble, CloudTrouble::Throttle(_))
}

/// The accounts that nothing is ever wrong with, in a history in which nothing else is wrong either than other accounts.
pub fn healthy_accounts(script: &Script) -> Vec<bool> {
    let others = script.acts.iter().all(|(_, act)| match act {
        Act::Cloud { trouble, .. } => *trouble != CloudTrouble::Status(401),
        act => !act.is_trouble() || matches!(act, Act::Empty { .. }),
    });
    let is_healthy = |account: usize| {
        script.acts.iter().all(|(_, act)| match act {
            Act::Cloud { level: Level::Endpoint(region), .. } => script.accounts[account] != *region,
            Act::Cloud { level: Level::Account(troubled), .. } => account != *troubled,
            Act::Cloud { level: Level::Cluster(cluster), .. } => account != script.clusters[*cluster],
            _ => true,
        })
    };
    (0..script.accounts.len()).map(|account| others && script.rate.0 > 1.0 && is_healthy(account)).collect()
}

impl History {
    pub(super) fn begin(&mut self, n: usize) {
        let (now, act) = (time::now(), self.script.acts[n].1);
        self.trace.note(now, format_args!("begins: {act:?}"));
        let mut lasts = None;
        match act {
            Act::Backup { cluster, .. } if self.cloud.clusters[cluster].is_busy => {}
            Act::Backup { cluster, rollback, .. } => {
                let uid = self.task_uid(n);
                self.cloud.clusters[cluster].is_busy = true;
                self.cloud.clusters[cluster].tasks.push(Task {
                    uid,
                    phase: "Init".into(),
                    progress: 0,
                    created: now,
                    updated: now,
                    completed: None,
                    rollback,
                });
                self.cloud.clusters[cluster].changed();
                self.at(now, Event::Step { cluster, act: n, step: 0 });
            }
            Act::Empty { cluster, for_ } => {
                self.cloud.clusters[cluster].is_empty = true;
                self.cloud.clusters[cluster].changed();
                lasts = Some(for_);
            }
            Act::Drop { cluster } => {
                self.cloud.clusters[cluster].drop_oldest();
                self.cloud.clusters[cluster].changed();
            }
            Act::Unfinish { cluster, for_ } => {
                let finished = self.cloud.clusters[cluster].tasks.iter_mut().rev().find(|t| t.is_finished());
                if let Some(task) = finished {
                    (task.phase, task.updated) = (format!("Was{}", task.phase), now);
                }
                self.cloud.clusters[cluster].changed();
                lasts = Some(for_);
            }
            Act::Cloud { level, trouble, for_ } => {
                self.cloud.troubles.push((level, trouble));
                lasts = Some(for_);
            }
            Act::Rotate { secret, late } => {
                let key = self.script.secrets[secret].1;
                let renewed = format!("ak{key}-{n}");
                self.cloud.keys.remove(&self.cloud_keys[key]);
                self.cloud.keys.insert(renewed.clone());
                self.cloud_keys[key] = renewed;
                lasts = Some(late);
            }
            Act::NoSecret { secret, for_ } => {
                let key = self.secret_key(secret);
                self.store.secrets.remove(&key);
                lasts = Some(for_);
            }
            Act::Recreate { watch, after } => {
                let key = self.key(watch);
                if self.store.watches.contains_key(&key) {
                    self.store.write(&key, None, now);
                }
                self.told_stream();
                lasts = Some(after);
            }
            Act::Edit { watch, interval } => {
                let interval = Duration::from_secs(interval.max(self.script.watches[watch].active));
                self.edit(watch, |stored| stored.watch.spec.interval = interval.into());
            }
            Act::Suspend { watch, for_ } => {
                self.edit(watch, |stored| stored.watch.spec.suspend = true);
                lasts = Some(for_);
            }
            Act::Request { watch } => {
                let key = self.key(watch);
                self.store.edit(&key, now, |stored| {
                    stored.watch.annotations_mut().insert(REQUESTED_AT.to_owned(), format!("request {n}"));
                });
                self.told_stream();
            }
            Act::Restore { watch, back } => {
                self.restore(watch, now.saturating_sub(Duration::from_secs(back)))
            }
            Act::Undecodable { watch, for_ } => {
                self.edit(watch, |stored| stored.is_undecodable = true);
                lasts = Some(for_);
            }
            Act::ApiDown { for_ } => {
                self.wrong.down += 1;
                lasts = Some(for_);
            }
            Act::ApiCode { verb, code, for_ } => {
                self.wrong.codes.push((verb, code));
                lasts = Some(for_);
            }
            Act::ApiLoses { verb, for_ } => {
                self.wrong.loses.push(verb);
                lasts = Some(for_);
            }
            Act::ApiSlow { seconds, for_ } => {
                self.wrong.slow.push(seconds);
                lasts = Some(for_);
            }
            Act::Silence { for_, .. } => {
                self.wrong.silent += 1;
                lasts = Some(for_);
            }
            Act::Relist { back } => {
                self.wrong.stale = Some(now.saturating_sub(Duration::from_secs(back)));
                for process in self.processes.values_mut() {
                    process.position = None;
                }
                self.told_stream();
            }
            Act::Kill { after } => {
                self.processes.pop_first();
                lasts = Some(after);
            }
            Act::Freeze { for_ } => {
                let until = (now + Duration::from_secs(for_)).min(self.script.calm);
                if let Some((_, process)) = self.processes.iter_mut().next() {
                    process.frozen_until = until;
                }
                lasts = Some(for_);
            }
            Act::Second { for_ } => {
                self.start();
                lasts = Some(for_);
            }
        }
        if let Some(seconds) = lasts {
            self.wrong.disturbing += usize::from(disturbs(act));
            self.at((now + Duration::from_secs(seconds)).min(self.script.calm), Event::End(n));
        }
        if disturbs(act) {
            self.wrong.disturbed = now;
        }
    }

    pub(super) fn end(&mut self, n: usize) -> Result<(), Box<Finding>> {
        let (now, act) = (time::now(), self.script.acts[n].1);
        self.trace.note(now, format_args!("ends: {act:?}"));
        if let Act::Undecodable { watch, .. } = act
            && self.wrong.disturbing == 1
            && now >= self.wrong.disturbed + UNDECODABLE
        {
            let stored = self.store.watches.get(&self.key(watch));
            let status = stored.and_then(|stored| stored.watch.status.as_ref());
            let ready = status.and_then(|status| condition::find(&status.conditions, types::READY));
            promise(
                stored.is_none_or(|stored| !stored.is_undecodable)
                    || ready.is_some_and(|ready| ready.reason == "InvalidResource"),
                "a resource that cannot be decoded says so",
                || format!("{}: {ready:?}", self.key(watch)),
            )?;
        }
        if disturbs(act) {
            self.wrong.disturbing -= 1;
            self.wrong.disturbed = now;
        }
        fn drop_one<T: PartialEq>(of: &mut Vec<T>, one: &T) {
            if let Some(at) = of.iter().position(|other| other == one) {
                of.remove(at);
            }
        }
        match act {
            Act::Empty { cluster, .. } => {
                self.cloud.clusters[cluster].is_empty = false;
                self.cloud.clusters[cluster].changed();
            }
            Act::Unfinish { cluster, .. } => {
                for task in &mut self.cloud.clusters[cluster].tasks {
                    if let Some(phase) = task.phase.strip_prefix("Was") {
                        (task.phase, task.updated) = (phase.to_owned(), now);
                    }
                }
                self.cloud.clusters[cluster].changed();
            }
            Act::Cloud { level, trouble, .. } => drop_one(&mut self.cloud.troubles, &(level, trouble)),
            Act::Rotate { secret, .. } => {
                let key = self.script.secrets[secret].1;
                for secret in 0..self.script.secrets.len() {
                    if self.script.secrets[secret].1 == key {
                        self.held_keys[secret] = self.cloud_keys[key].clone();
                        if self.store.secrets.contains_key(&self.secret_key(secret)) {
                            self.put_secret(secret);
                        }
                    }
                }
            }
            Act::NoSecret { secret, .. } => self.put_secret(secret),
            Act::Recreate { watch, .. } => {
                if !self.store.watches.contains_key(&self.key(watch)) {
                    self.create(watch);
                }
            }
            Act::Suspend { watch, .. } => self.edit(watch, |stored| stored.watch.spec.suspend = false),
            Act::Undecodable { watch, .. } => self.edit(watch, |stored| stored.is_undecodable = false),
            Act::ApiDown { .. } => self.wrong.down -= 1,
            Act::ApiCode { verb, code, .. } => drop_one(&mut self.wrong.codes, &(verb, code)),
            Act::ApiLoses { verb, .. } => drop_one(&mut self.wrong.loses, &verb),
            Act::ApiSlow { seconds, .. } => drop_one(&mut self.wrong.slow, &seconds),
            Act::Silence { ends, .. } => {
                self.wrong.silent -= 1;
                for process in self.processes.values_mut().filter(|_| ends) {
                    process.position = None;
                }
                self.told_stream();
            }
            Act::Kill { .. } => {
                if self.processes.is_empty() {
                    self.start();
                }
            }
            Act::Freeze { .. } => self.told.stood_still(),
            // The one that led before is told to go.
            Act::Second { .. } => {
                if self.processes.len() > 1 {
                    self.processes.pop_first();
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The id of the task of an act: the same, whatever other acts are left out.
    fn task_uid(&self, n: usize) -> String {
        format!("task-{}", self.script.acts[n].0.as_millis())
    }

    /// A running backup takes its next step, or ends.
    pub(super) fn step_backup(&mut self, cluster: usize, n: usize, step: u8) {
        let now = time::now();
        let Act::Backup { steps, step: seconds, end, pauses, .. } = self.script.acts[n].1 else { return };
        let uid = self.task_uid(n);
        let Some(task) = self.cloud.clusters[cluster].tasks.iter_mut().find(|task| task.uid == uid) else {
            return;
        };
        task.updated = now;
        task.progress = u8::try_from(u32::from(step) * 100 / u32::from(steps)).unwrap_or(100);
        task.phase = if pauses && step % 2 == 1 { "Pause" } else { "Running" }.to_owned();
        let is_last = step >= steps;
        if is_last && let End::In(phase) = end {
            (task.phase, task.completed) = (phase.to_owned(), Some(now));
        }
        self.cloud.clusters[cluster].is_busy = !is_last;
        self.cloud.clusters[cluster].changed();
        if !is_last {
            // All that runs has ended soon after the trouble.
            let seconds = if now > self.script.calm { 1 } else { seconds };
            self.after(Duration::from_secs(seconds), Event::Step { cluster, act: n, step: step + 1 });
        }
    }

    pub(super) fn create(&mut self, n: usize) {
        let (now, key, plan) = (time::now(), self.key(n), self.script.watches[n].clone());
        self.store.version += 1;
        let mut watch: ClusterBackupWatch = serde_json::from_value(json!({
            "apiVersion": "cce.backupwatch.io/v1alpha1",
            "kind": "ClusterBackupWatch",
            "metadata": {
                "name": format!("w{n}"), "namespace": format!("ns{}", plan.secret), "generation": 1,
                "uid": format!("uid-{}", self.store.version),
            },
            "spec": {
                "region": format!("r-{}", self.script.accounts[self.script.clusters[plan.cluster]]),
                "projectID": format!("{:032x}", self.script.clusters[plan.cluster]),
                "clusterID": format!("{:08x}-0000-0000-0000-000000000000", plan.cluster),
                "credentials": { "secretRef": { "name": "huawei" } },
                "interval": format!("{}s", plan.interval),
                "activeInterval": format!("{}s", plan.active),
                "stuckAfter": format!("{}s", plan.stuck_after),
                "historyLimit": plan.limit,
            },
        }))
        .expect("a good watch");
        watch.spec.max_age = plan.max_age.map(|seconds| Duration::from_secs(seconds).into());
        watch.metadata.creation_timestamp = Some(Time(time::wall(now)));
        self.wrong.created.insert(n, now);
        self.store.write(&key, Some(Stored { watch, is_undecodable: false }), now);
        self.told_stream();
    }

    /// A user changes the spec.
    fn edit(&mut self, watch: usize, change: impl FnOnce(&mut Stored)) {
        let (now, key) = (time::now(), self.key(watch));
        self.wrong.created.insert(watch, now);
        self.store.edit(&key, now, |stored| {
            change(stored);
            stored.watch.metadata.generation = stored.watch.metadata.generation.map(|before| before + 1);
        });
        self.told_stream();
    }

    /// Somebody restores the status of a moment, and says Stalled in it.
    fn restore(&mut self, watch: usize, moment: Duration) {
        let (now, key) = (time::now(), self.key(watch));
        let Some(uid) = self.store.watches.get(&key).and_then(|stored| stored.watch.uid()) else { return };
        let old = self.store.list(moment).1.remove(&key);
        let Some(mut status) =
            old.filter(|old| old.watch.uid().as_ref() == Some(&uid)).and_then(|old| old.watch.status)
        else {
            return;
        };
        if condition::find(&status.conditions, types::STALLED).is_none()
            && let Some(ready) = condition::find(&status.conditions, types::READY).cloned()
        {
            let stalled = k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition {
                type_: types::STALLED.to_owned(),
                status: "True".to_owned(),
                ..ready
            };
            status.conditions.push(stalled);
        }
        self.told.restored(&uid);
        self.store.edit(&key, now, |stored| stored.watch.status = Some(status));
        self.told_stream();
    }

    pub(super) fn start(&mut self) {
        self.started += 1;
        let (id, seed) = (self.started, self.rng.u64(..));
        self.trace.note(time::now(), format_args!("process {id} starts"));
        self.processes.insert(id, Process::new(id, seed, self.script.rate, self.calls.clone()));
        let wait = self.latency();
        self.after(wait, Event::Stream(id));
    }

    fn secret_key(&self, secret: usize) -> cce_backup_watch::poll::WatchKey {
        format!("ns{}/huawei", self.script.secrets[secret].0).into()
    }

    pub(super) fn put_secret(&mut self, secret: usize) {
        let (key, access_key) = (self.secret_key(secret), self.held_keys[secret].clone());
        self.store.put_secret(&key, &access_key);
        let id = format!("secret uid of {key} {}", self.store.version);
        self.credentials.insert(id, access_key);
    }
}

/// Whether an act may keep the operator from saying what it sees.
fn disturbs(act: Act) -> bool {
    act.is_trouble() && !matches!(act, Act::Cloud { .. } | Act::Empty { .. })
}
