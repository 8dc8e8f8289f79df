//! What a status must say once the trouble is over. The expectation comes from the cloud's last list alone, by a second
//! and much simpler implementation of the contract than the operator's own, so that a bug in one does not hide in the
//! other.

use std::time::Duration;

use cce_backup_watch::api::condition::{self, types};
use cce_backup_watch::api::{ClusterBackupWatchStatus, REQUESTED_AT};
use cce_backup_watch::poll::WatchKey;

use crate::{
    api_server::Stored,
    cloud::{Cluster, Task},
    finding::{Finding, promise},
    script::WatchPlan,
    time,
};

const WELL: &str = "after the trouble the status is as without it";

/// Checks the status of one watch at the end of a history.
pub fn check(
    key: &WatchKey,
    stored: &Stored,
    plan: &WatchPlan,
    cluster: &Cluster,
    takes_back: bool,
    was_restored: bool,
) -> Result<(), Box<Finding>> {
    let nothing = ClusterBackupWatchStatus::default();
    let status = stored.watch.status.as_ref().unwrap_or(&nothing);
    let seen = |what: &str| format!("{key}: {what}; {status:?}");
    let meta = &stored.watch.metadata;
    let condition = |type_: &str| {
        condition::find(&status.conditions, type_).map(|found| (found.status.as_str(), found.reason.as_str()))
    };
    promise(condition(types::READY) == Some(("True", "Polled")), WELL, || seen("not Ready"))?;
    for type_ in [types::STALLED, types::RECONCILING] {
        promise(condition(type_).is_none(), WELL, || seen(type_))?;
    }
    promise(status.observed_generation == meta.generation, WELL, || seen("an old generation"))?;
    let requested = meta.annotations.as_ref().and_then(|annotations| annotations.get(REQUESTED_AT));
    // A restored status may lack the echo of a request that the operator had already answered.
    let is_handled =
        was_restored || requested.is_none() || status.last_handled_reconcile_at.as_ref() == requested;
    promise(is_handled, WELL, || seen("a request that was not handled"))?;

    if !plan.is_polled_soon() {
        return Ok(());
    }
    let listed = cluster.listed();
    let kept: Vec<&Task> =
        listed.iter().rev().take(usize::try_from(plan.limit).unwrap_or(1)).filter(|t| !t.rollback).collect();
    let newest = kept.first();
    promise(status.phase.as_ref() == newest.map(|task| &task.phase), WELL, || seen("another phase"))?;
    promise(status.progress == newest.map(|task| task.progress), WELL, || seen("another progress"))?;
    if takes_back {
        return Ok(());
    }
    let last = |phase: &str| listed.iter().rev().find(|task| !task.rollback && task.phase == phase);
    let (success, failure) = (last("Success"), last("Failed"));
    promise(
        status.last_success.as_ref().map(|last| &last.uid) == success.map(|task| &task.uid),
        WELL,
        || seen("another last success"),
    )?;
    let reason = reason(plan, &kept, success, failure);
    promise(condition(types::BACKUP_HEALTHY).map(|found| found.1) == Some(reason), WELL, || seen(reason))
}

/// The expected reason of `BackupHealthy`. At the end of a history no task has moved for a quarter of an hour, so an
/// open one is stuck if `stuckAfter` is less than that.
fn reason(plan: &WatchPlan, kept: &[&Task], success: Option<&Task>, failure: Option<&Task>) -> &'static str {
    let created = |task: Option<&Task>| task.map(|task| task.created);
    let last_end = created(success).max(created(failure));
    let is_open = kept.iter().any(|task| !task.is_finished() && Some(task.created) > last_end);
    let age = success.and_then(|task| task.completed).map(|completed| time::now().saturating_sub(completed));
    let is_stale = |age: Duration| plan.max_age.is_some_and(|max| age > Duration::from_secs(max));
    match age {
        _ if failure.is_some() && created(failure) > created(success) => "BackupFailed",
        _ if is_open && plan.stuck_after < 900 => "BackupStuck",
        Some(age) if is_stale(age) => "BackupStale",
        Some(_) => "BackupSucceeded",
        None if is_open => "BackupRunning",
        None => "NoBackup",
    }
}
