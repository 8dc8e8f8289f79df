//! Promises on upgrades: what a status says of one is what the cloud listed, an upgrade counts as protected only with a
//! backup before it, no fault of the list shows anywhere else, and the list is asked for seldom.
//!
//! Whether an upgrade is protected is read from the contract a second time here, and more simply than by the operator.

use cce_backup_watch::api::{
    ClusterBackupWatch, ClusterBackupWatchStatus, Upgrades,
    condition::{self, types},
};
use cce_backup_watch::cloud::upgrades::Workflow;
use cce_backup_watch::poll::WatchKey;
use jiff::{SignedDuration, Timestamp};

use crate::{
    cloud::{self, Cluster, Task, UPGRADES_FAULT, upgrades},
    finding::{Finding, promise},
    script::{Act, Script, WatchPlan},
    time,
};

/// In a status times may be whole seconds.
const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// Checks what a status that is written says of upgrades.
pub fn written(
    key: &WatchKey,
    watch: &ClusterBackupWatch,
    status: &ClusterBackupWatchStatus,
    cluster: &Cluster,
) -> Result<(), Box<Finding>> {
    for condition in status.conditions.iter().filter(|condition| condition.type_ != types::UPGRADE_PROTECTED)
    {
        promise(
            !condition.message.contains(UPGRADES_FAULT),
            "a fault of the list of upgrades shows nowhere else",
            || format!("{key}: {condition:?}"),
        )?;
    }
    let Some(said) = condition::find(&status.conditions, types::UPGRADE_PROTECTED) else {
        return promise(status.upgrade.is_none(), "upgrades show where they are watched", || {
            format!("{key}: {:?}", status.upgrade)
        });
    };
    promise(watch.spec.upgrades == Upgrades::Watch, "upgrades show where they are watched", || {
        format!("{key}: {said:?}")
    })?;
    let newest = cluster.upgrades.newest(upgrades::version(status.upgrade.as_deref()));
    let seen = || format!("{key}: {said:?}, {newest:?}");
    let reason = said.reason.as_str();
    let is_over = newest.is_none_or(upgrades::is_over);
    promise(reason != "NoUpgrade" || is_over, "an upgrade that runs is not overlooked", seen)?;
    let has_begun = newest.is_some_and(|newest| began(newest).is_some());
    promise(
        reason != "UpgradeUnprotected" || has_begun,
        "an upgrade is unprotected once it has begun",
        seen,
    )?;
    let versions = status.latest_backup_time.map_or(0, cloud::version);
    // A later answer may have been read whose tasks could not be written before a fault took its place.
    let is_good = newest.is_some_and(|newest| {
        let mut later = versions..cluster.versions.len();
        later.any(|last| is_protected(newest, &cluster.versions[..=last], SECOND))
    });
    promise(
        said.status != "True" || is_over || is_good,
        "an upgrade is protected only by a Success before it",
        || format!("{}; {:?}", seen(), cluster.versions[versions]),
    )
}

/// When the step Cluster first began.
fn began(workflow: &Workflow) -> Option<Timestamp> {
    let begun = workflow.steps.iter().filter(|step| step.type_.as_deref() == Some("Cluster"));
    begun.filter_map(|step| step.start_time).min()
}

/// Whether the workflow's own backup or a recent one is there to go back to, by every version of the list of tasks that was
/// known. By `slack` a failure must be newer than a success, and a success older than the upgrade, to be called so.
fn is_protected(workflow: &Workflow, versions: &[Vec<Task>], slack: SignedDuration) -> bool {
    let listed = versions.last().map(Vec::as_slice).unwrap_or_default();
    let snapshot = workflow.steps.iter().rev().find(|step| step.type_.as_deref() == Some("Snapshot"));
    let status = snapshot.and_then(|step| step.status.as_deref());
    let task = snapshot.and_then(|step| listed.iter().find(|task| Some(&task.uid) == step.task_id.as_ref()));
    if status == Some("Success") && task.is_none_or(|task| task.phase == "Success") {
        return true;
    }
    let begin = began(workflow).unwrap_or_else(|| time::wall(time::now()));
    let ends = |phase: &'static str, of: &[Task]| {
        let of = of.iter().filter(|task| task.phase == phase && !task.rollback);
        of.filter_map(|task| task.completed).map(time::wall).collect::<Vec<_>>()
    };
    let successes = versions.iter().flat_map(|listed| ends("Success", listed));
    let Some(success) = successes.filter(|end| *end <= begin + slack).max() else { return false };
    let own = snapshot.filter(|_| status == Some("Failed")).and_then(|step| step.end_time);
    let mut failures = ends("Failed", listed).into_iter().chain(own);
    !failures.any(|end| end > success + slack && end < begin - slack)
}

/// Checks at the end of a history that an upgrade that was seen under way was followed, and judged by all that is known.
pub fn afterwards(
    key: &WatchKey,
    status: &ClusterBackupWatchStatus,
    plan: &WatchPlan,
    cluster: &Cluster,
    script: &Script,
) -> Result<(), Box<Finding>> {
    let said = condition::find(&status.conditions, types::UPGRADE_PROTECTED);
    promise(said.is_some() == plan.upgrades, "upgrades show where they are watched", || {
        format!("{key}: {said:?}")
    })?;
    let is_troubled = |act: Act| {
        matches!(
            act,
            Act::Upgrades { .. }
                | Act::Cloud { .. }
                | Act::Drop { .. }
                | Act::Empty { .. }
                | Act::Restore { .. }
        )
    };
    let is_calm = !script.acts.iter().any(|(_, act)| is_troubled(*act)) && !script.takes_back();
    // An account that never has a token to spare has no list.
    if !plan.is_polled_soon() || !is_calm || script.rate.0 < 1.0 {
        return Ok(());
    }
    let Some(shown) = &status.upgrade else { return Ok(()) };
    let Some(newest) = cluster.upgrades.newest(cluster.upgrades.version()) else { return Ok(()) };
    let was_under_way = !matches!(shown.phase.as_deref(), Some("Success" | "Cancel"));
    if !was_under_way || shown.uid != newest.uid {
        return promise(!was_under_way, "an upgrade that runs is followed", || {
            format!("{key}: {shown:?}, {newest:?}")
        });
    }
    let version = upgrades::version(Some(shown));
    promise(version == cluster.upgrades.version(), "an upgrade that runs is followed", || {
        format!("{key}: {shown:?}, {newest:?}")
    })?;
    let is_good = is_protected(newest, &cluster.versions, SECOND);
    if is_good != is_protected(newest, &cluster.versions, -SECOND) {
        // What ended in the same second, such as a task that succeeded and its step that failed, may be ordered either way.
        return Ok(());
    }
    let reason = match began(newest) {
        _ if is_good => "BackupTaken",
        Some(_) => "UpgradeUnprotected",
        None => "BackupPending",
    };
    promise(said.is_some_and(|said| said.reason == reason), "an upgrade that runs is judged", || {
        format!("{key}: not {reason}: {said:?}, {newest:?}, {:?}", cluster.listed())
    })
}

/// Checks that the list of a cluster's upgrades is not asked for more often than there is a reason to: the first poll, a task
/// that appears or ends, each interval of an upgrade that runs, and a fault. Whatever may make a watch anew counts as a first
/// poll.
pub fn is_asked_seldom(
    script: &Script,
    number: usize,
    cluster: &Cluster,
    process: u64,
) -> Result<(), Box<Finding>> {
    let watches: Vec<_> =
        script.watches.iter().filter(|watch| watch.cluster == number && watch.upgrades).collect();
    let edits = script.acts.iter().filter_map(|(_, act)| match act {
        Act::Edit { interval, .. } => Some(*interval),
        _ => None,
    });
    let shortest = watches.iter().map(|watch| watch.interval).chain(edits).min().unwrap_or_default();
    // Polls come up to a tenth early, and the list is due after four fifths of an interval.
    let turn = u128::from(shortest.max(1)) * 700;
    let turns =
        usize::try_from(cluster.upgrades.under_way().as_millis().div_ceil(turn)).unwrap_or(usize::MAX);
    let begun = script
        .acts
        .iter()
        .filter(|(at, act)| *at <= time::now() && !matches!(act, Act::Backup { .. }))
        .count();
    let reasons = 2 + cluster.versions.len() + cluster.failed_lists + 2 * begun;
    let most = watches.len().saturating_mul(reasons.saturating_add(turns));
    let times = cluster.lists.get(&process).copied().unwrap_or_default();
    promise(times <= most, "the list of upgrades is asked for seldom", || {
        format!("cluster {number}: {times} times, and there are reasons for {most}")
    })
}
