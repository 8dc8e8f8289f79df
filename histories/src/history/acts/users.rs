//! The acts of users and administrators: on watches, on Secrets and on the keys in them.

use std::time::Duration;

use cce_backup_watch::api::REQUESTED_AT;
use cce_backup_watch::api::condition::{self, types};
use cce_backup_watch::poll::WatchKey;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use serde_json::json;

use super::super::History;
use crate::{api_server::Stored, script::Act, time};

impl History {
    /// Begins an act of a user; returns how long it lasts, in seconds.
    pub(super) fn begin_by_user(&mut self, n: usize, act: Act) -> Option<u64> {
        let now = time::now();
        let mut lasts = None;
        match act {
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
                self.restore(watch, now.saturating_sub(Duration::from_secs(back)));
            }
            Act::Undecodable { watch, for_ } => {
                self.edit(watch, |stored| stored.is_undecodable = true);
                lasts = Some(for_);
            }
            _ => {}
        }
        lasts
    }

    pub(super) fn end_by_user(&mut self, act: Act) {
        match act {
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
            Act::Recreate { watch, .. } if !self.store.watches.contains_key(&self.key(watch)) => {
                self.create(watch);
            }
            Act::Suspend { watch, .. } => self.edit(watch, |stored| stored.watch.spec.suspend = false),
            Act::Undecodable { watch, .. } => self.edit(watch, |stored| stored.is_undecodable = false),
            _ => {}
        }
    }

    pub(in crate::history) fn create(&mut self, n: usize) {
        let (now, key, plan) = (time::now(), self.key(n), self.script.watches[n].clone());
        self.store.version += 1;
        let metadata = json!({
            "name": format!("w{n}"), "namespace": format!("ns{}", plan.secret), "generation": 1,
            "uid": format!("uid-{}", self.store.version),
        });
        let account = self.script.clusters[plan.cluster];
        let watch = plan.resource(&metadata, self.script.accounts[account], account, now);
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

    /// Somebody restores the status of an earlier time, with a Stalled condition added to it. Does nothing if there was
    /// no such status of the same resource.
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
            let stalled = Condition { type_: types::STALLED.to_owned(), status: "True".to_owned(), ..ready };
            status.conditions.push(stalled);
        }
        self.told.restored(&uid);
        // A status that is restored within a minute of the operator's own write is corrected only by the next poll,
        // which may be ten minutes away while polls fail.
        self.wrong.created.insert(watch, now + Duration::from_mins(8));
        self.store.edit(&key, now, |stored| stored.watch.status = Some(status));
        self.told_stream();
    }

    fn secret_key(&self, secret: usize) -> WatchKey {
        format!("ns{}/huawei", self.script.secrets[secret].0).into()
    }

    pub(in crate::history) fn put_secret(&mut self, secret: usize) {
        let (key, access_key) = (self.secret_key(secret), self.held_keys[secret].clone());
        self.store.put_secret(&key, &access_key);
        let id = format!("secret uid of {key} {}", self.store.version);
        self.credentials.insert(id, access_key);
    }
}
