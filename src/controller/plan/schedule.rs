//! How often to poll, and when time alone changes the verdict. Pure; [`crate::poll`] adds the jitter, and backs off after
//! faults.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Input,
    verdict::{self, after},
};
use crate::api::{
    ClusterBackupWatchSpec, ClusterBackupWatchStatus, Reason, TaskStatus, Upgrades,
    condition::{self, types},
};
use crate::poll::{
    Cadence,
    policy::{FAILING_SPREAD, STALLED_SPREAD},
};
use crate::task::{self, record::Record};

/// The shortest period. The schema allows no shorter one, but somebody may have changed the definition.
const SHORTEST: Duration = Duration::from_secs(2);

/// How often a watch with these tasks wants to be polled.
pub fn cadence(spec: &ClusterBackupWatchSpec, tasks: Option<&[TaskStatus]>, now: Timestamp) -> Cadence {
    let interval = Duration::from(spec.interval).max(SHORTEST);
    let active = Duration::from(spec.active_interval).max(SHORTEST);
    let running = verdict::runs(tasks, spec.stuck_after, now);
    let upgrades = (spec.upgrades == Upgrades::Watch).then_some(interval);
    Cadence { period: if running { active } else { interval }, retry: active, running, upgrades }
}

/// The time over which the first poll after a restart may be spread; `None` polls a watch without a verdict on its
/// spec at once. A watch that is not Ready does not wait for its whole interval, which may be a day.
pub fn spread(
    status: &ClusterBackupWatchStatus,
    generation: Option<i64>,
    period: Duration,
) -> Option<Duration> {
    let ready = condition::find(&status.conditions, types::READY)?;
    let unpolled = [Reason::NotYetPolled, Reason::Suspended, Reason::InvalidResource];
    if unpolled.iter().any(|reason| ready.reason == *reason) || status.observed_generation != generation {
        return None;
    }
    // Reconciling beside a Ready that is not False: a requested poll got no answer.
    let is_reconciling = condition::find(&status.conditions, types::RECONCILING).is_some();
    Some(match Reason::parse(&ready.reason).filter(|_| ready.status == "False") {
        Some(reason) if reason.stalls() => period.min(STALLED_SPREAD),
        Some(_) => period.min(FAILING_SPREAD),
        None if is_reconciling => period.min(FAILING_SPREAD),
        None => period,
    })
}

/// When time alone will change the verdict: the next of the moments at which a success turns stale, a backup counts as
/// stuck, a missing backup as overdue, or the end of a backup is no longer too far in the future to be believed. At once
/// where one has passed since the status was written.
pub fn judge_after(input: &Input<'_>, record: &Record) -> Option<Duration> {
    if input.spec.suspend {
        return None;
    }
    if verdict::is_outdated(input, record) {
        return Some(Duration::ZERO);
    }
    let spec = input.spec;
    let basis = record.last_success.as_ref().map_or(input.created, |success| success.time);
    let stale = spec.max_age.and_then(|max_age| Some(after(basis?, max_age)));
    let stuck = record.open_backups().filter_map(|task| Some(after(task.progress_time?, spec.stuck_after)));
    let ends = record.answered.iter().chain(record.tasks.iter().flatten());
    let believed = ends
        .filter(|task| task::is_backup(task) && task::is_finished(task))
        .filter_map(|task| task::believed_from(task, input.now));
    stuck.chain(stale).chain(believed).filter_map(|moment| until(moment, input.now)).min() // mark: time alone
}

/// The time until a moment in the future, plus 10 ms: the verdict changes only after the moment, and the timer must not fire
/// before.
fn until(moment: Timestamp, now: Timestamp) -> Option<Duration> {
    let left = Duration::try_from(moment.duration_since(now)).ok()?; // none when it has passed
    Some(left.saturating_add(Duration::from_millis(10)))
}
