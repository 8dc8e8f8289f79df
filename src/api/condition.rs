//! The condition types, and how a condition is built. [`super::reason`] has the reasons.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// The condition types.
pub mod types {
    /// Whether the watch works.
    pub const READY: &str = "Ready";
    /// Whether the backup is good.
    pub const BACKUP_HEALTHY: &str = "BackupHealthy";
    /// Present and True while the first or a failing poll is retried.
    pub const RECONCILING: &str = "Reconciling";
    /// Present and True while nothing but a change by a person can help.
    pub const STALLED: &str = "Stalled";

    /// Whether the upgrade that runs is protected by a backup; present only with `upgrades: Watch`.
    pub const UPGRADE_PROTECTED: &str = "UpgradeProtected";

    /// All that this operator writes; conditions of other types belong to others and are left alone.
    pub const ALL: [&str; 5] = [READY, BACKUP_HEALTHY, RECONCILING, STALLED, UPGRADE_PROTECTED];
}

/// The `status` of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// `True`
    True,
    /// `False`
    False,
    /// `Unknown`
    Unknown,
}

impl Truth {
    /// The word that Kubernetes uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// The condition of a type, if it is there.
pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// The time as conditions state it: whole seconds, so that it reads back from the API server as it was written.
pub fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// Builds a condition; `lastTransitionTime` moves only when the status differs from that of `old`, the convention of
/// the Kubernetes API.
pub fn build(
    old: Option<&Condition>,
    type_: &str,
    status: Truth,
    reason: &str,
    message: String,
    generation: Option<i64>,
    now: Timestamp,
) -> Condition {
    let last_transition_time = match old {
        Some(old) if old.status == status.as_str() => old.last_transition_time.clone(),
        _ => Time(whole_seconds(now)),
    };
    Condition {
        type_: type_.to_owned(),
        status: status.as_str().to_owned(),
        reason: reason.to_owned(),
        message,
        observed_generation: generation,
        last_transition_time,
    }
}
