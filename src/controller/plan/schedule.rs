//! When to look again. The driver adds the jitter; these are the exact figures.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Input, Seen,
    record::Record,
    verdict::{self, after},
};
use crate::cloud::fault::{Fault, FaultKind};

/// The longest wait of a backoff.
pub const BACKOFF_CAP: Duration = Duration::from_mins(10);
/// How often the Secret of a stalled watch is read again.
pub const HEALING: Duration = Duration::from_secs(30);

/// No watch polls faster, even where a definition edited by hand let such a spec through.
const SHORTEST: Duration = Duration::from_secs(2);

/// When to poll next; none when this look did not poll, or polling is suspended.
pub fn poll_after(input: &Input<'_>, record: &Record) -> Option<Duration> {
    if input.spec.suspend {
        return None;
    }
    let interval = Duration::from(input.spec.interval).max(SHORTEST);
    let active = Duration::from(input.spec.active_interval).max(SHORTEST);
    match input.seen {
        Seen::Nothing => None,
        Seen::Answer(_) => {
            let runs = verdict::runs(record.tasks.as_deref(), input.spec.stuck_after, input.now);
            Some(if runs { active } else { interval })
        }
        Seen::Fault(fault) => Some(after_fault(fault, active, input.failures)),
    }
}

/// What changes by itself is tried again soon, then ever later; what a person must change is looked at steadily.
fn after_fault(fault: &Fault, base: Duration, failures: u32) -> Duration {
    match fault.kind {
        // Reading a Secret costs one request to the API server and none to the cloud: a refused credential is kept from
        // the cloud by its own backoff.
        FaultKind::SecretNotFound
        | FaultKind::SecretInvalid
        | FaultKind::CredentialsNotAllowed
        | FaultKind::AuthenticationFailed
        | FaultKind::PermissionDenied => HEALING,
        _ => fault.retry_after.unwrap_or_else(|| backoff(base, failures)),
    }
}

/// `base`, doubled with every failure after the first, to the cap.
pub fn backoff(base: Duration, failures: u32) -> Duration {
    base.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))).min(BACKOFF_CAP)
}

/// When time alone will change the verdict: the next of the moments at which a success turns stale, a backup counts as
/// stuck, or a missing backup as overdue.
pub fn look_after(input: &Input<'_>, record: &Record) -> Option<Duration> {
    if input.spec.suspend {
        return None;
    }
    let spec = input.spec;
    let basis = record.last_success.as_ref().map_or(input.created, |success| success.time);
    let stale = spec.max_age.and_then(|max_age| Some(after(basis?, max_age)));
    let stuck = record.open_backups().filter_map(|task| Some(after(task.progress_time?, spec.stuck_after)));
    stuck.chain(stale).filter_map(|moment| until(moment, input.now)).min()
}

/// The time to a moment that is still to come, with a hair more, so that it has passed when the timer rings.
fn until(moment: Timestamp, now: Timestamp) -> Option<Duration> {
    let left = Duration::try_from(moment.duration_since(now)).ok()?; // none when it has passed
    Some(left.saturating_add(Duration::from_millis(10)))
}
