//! What a history checks of all watches at once: now and then that a blind one says so, and at its end that all is well.

use std::collections::BTreeSet;
use std::time::Duration;

use cce_backup_watch::api::condition::{self, types};
use cce_backup_watch::api::{ClusterBackupWatch, ClusterBackupWatchStatus};
use cce_backup_watch::poll::WatchKey;
use k8s_openapi::api::events::v1::Event as EventObject;

use super::{Event, History, LOOK};
use crate::{
    api_server::Change,
    finding::{Finding, promise},
    promises::{afterwards, upgrades},
    script::{CloudTrouble, WatchPlan},
    time,
};

/// How long before the end of a history the last write must have been.
const QUIET: Duration = Duration::from_mins(2);
/// How long a watch may be blind, that is, have a poll that is due and see only faults, before it must say so.
const BLIND: Duration = Duration::from_mins(2);

impl History {
    /// Checks that every watch that has been blind for [`BLIND`] says so, and that no trouble of others shows in it.
    pub(super) fn look(&mut self) -> Result<(), Box<Finding>> {
        let now = time::now();
        for (plan, since) in self.script.watches.iter().zip(&mut self.blind_since) {
            let key = &self.held_keys[plan.secret];
            let trouble = self.cloud.trouble(plan.cluster, key);
            let is_blind = trouble.is_some_and(|trouble| !matches!(trouble, CloudTrouble::Slow(_)));
            *since = is_blind.then(|| since.unwrap_or(now));
        }
        for (n, plan) in self.script.watches.iter().enumerate() {
            let Some(stored) = self.store.watches.get(&self.key(n)) else { continue };
            let is_healthy = self.healthy_clusters[plan.cluster][self.script.secrets[plan.secret].1];
            let ready = stored
                .watch
                .status
                .as_ref()
                .and_then(|status| condition::find(&status.conditions, types::READY));
            promise(
                !is_healthy || ready.is_none_or(|ready| ready.status != "False"),
                "no trouble of others shows",
                || format!("{}: {ready:?}", self.key(n)),
            )?;
            let Some(since) = self.blind_since[n] else { continue };
            let created = self.wrong.created.get(&n).copied().unwrap_or_default();
            // Its next poll is due an interval later at the latest, with jitter, and is late where its account has more to ask than its
            // rate allows.
            let account = |plan: &WatchPlan| self.script.clusters[plan.cluster];
            let same = self.script.watches.iter().filter(|other| account(other) == account(plan));
            let late = Duration::from_secs(same.count() as u64).div_f64(self.script.rate.0);
            let due = Duration::from(stored.watch.spec.interval).mul_f64(1.1) + BLIND + late;
            let is_due = [since, created, self.wrong.disturbed].iter().all(|since| now >= *since + due);
            if !is_due || self.wrong.is_disturbing() || stored.is_undecodable || stored.watch.spec.suspend {
                continue;
            }
            let conditions = stored.watch.status.as_ref().map(|status| status.conditions.as_slice());
            let ready = condition::find(conditions.unwrap_or_default(), types::READY);
            promise(ready.is_some_and(|ready| ready.status == "False"), "a blind watch says so", || {
                format!("{} has been blind since {since:?}: {ready:?}", self.key(n))
            })?;
        }
        self.after(LOOK, Event::Look);
        Ok(())
    }

    pub(super) fn check_end(&self) -> Result<(), Box<Finding>> {
        let quiet = self.script.end.saturating_sub(QUIET);
        let watches = self.script.watches.iter().enumerate();
        let soon: BTreeSet<_> =
            watches.filter(|(_, plan)| plan.is_polled_soon()).map(|(n, _)| self.key(n)).collect();
        let written = |(n, change): &(usize, &Change)| {
            // The list of upgrades may be read at any time.
            let of = |change: &Change| change.watch.as_ref().map(|stored| without_upgrades(&stored.watch));
            let mut before = self.store.log[..*n].iter().rev();
            let before = before.find(|old| old.key == change.key);
            before.is_none_or(|before| of(before) != of(change))
        };
        let log = self.store.log.iter().enumerate();
        let mut late =
            log.filter(|(_, change)| change.at > quiet && soon.contains(&change.key)).filter(written);
        let late = late.next().map(|(_, change)| format!("{} at {:?}", change.key, change.at));
        promise(late.is_none(), "when all is well nothing is written", || late.unwrap_or_default())?;
        let of = |event: &EventObject| {
            let object = event.regarding.as_ref()?;
            Some(WatchKey::from(format!("{}/{}", object.namespace.as_ref()?, object.name.as_ref()?)))
        };
        let is_late = |(at, event): &&(Duration, EventObject)| {
            let is_of_upgrade = event.reason.as_ref().is_some_and(|reason| reason.starts_with("Upgrade"));
            *at > quiet && !is_of_upgrade && of(event).is_some_and(|key| soon.contains(&key))
        };
        let late = self.store.events.values().find(is_late);
        promise(late.is_none(), "when all is well nothing is told", || format!("{late:?}"))?;
        for (n, plan) in self.script.watches.iter().enumerate() {
            let (key, cluster) = (self.key(n), &self.cloud.clusters[plan.cluster]);
            let stored = self.store.watches.get(&key).expect("every watch exists at the end");
            let uid = stored.watch.metadata.uid.as_deref().unwrap_or_default();
            let (takes_back, was_restored) = (self.script.takes_back(), self.told.was_restored(uid));
            afterwards::check(&key, stored, plan, cluster, takes_back, was_restored)?;
            if let Some(status) = &stored.watch.status {
                upgrades::afterwards(&key, status, plan, cluster, &self.script)?;
            }
        }
        Ok(())
    }
}

/// What a status says but for upgrades.
fn without_upgrades(watch: &ClusterBackupWatch) -> Option<ClusterBackupWatchStatus> {
    let mut status = watch.status.clone()?;
    status.upgrade = None;
    status.conditions.retain(|condition| condition.type_ != types::UPGRADE_PROTECTED);
    Some(status)
}
