//! The vocabulary: every reason that a condition or an Event can have, with what follows from it and the sentence that
//! the documentation prints.
//!
//! Which reason applies is decided elsewhere: `cloud::fault` names those of a failed poll, `controller::plan` the
//! others. `docs/reference.md` is written from these lists; the README and `docs/concepts.md` are checked against them.

use std::fmt;

use super::condition::{
    Truth::{self, False, True, Unknown},
    types,
};

/// Declares an enum of reasons, one line each: the name as users read it, the facts, and the sentence on when it holds.
macro_rules! reasons {
    ($(#[$about:meta])* $name:ident($Facts:ty) { $($reason:ident: $facts:expr, $when:literal;)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $(#[doc = $when] $reason,)+
        }

        impl $name {
            /// Every reason, in the order in which the documentation lists them.
            pub const ALL: &[Self] = &[$(Self::$reason),+];

            /// The word that users read.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$reason => stringify!($reason),)+ }
            }

            /// When the reason holds: a sentence in Markdown, without a capital or a full stop.
            pub const fn when(self) -> &'static str {
                match self { $(Self::$reason => $when,)+ }
            }

            const fn facts(self) -> $Facts {
                match self { $(Self::$reason => $facts,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

/// What follows from the reason of a condition.
enum Facts {
    /// A reason of Ready with this status.
    Ready(Truth),
    /// A reason of Ready=False that trying again may cure: the watch is Reconciling.
    Passing,
    /// A reason of Ready=False that only a person can cure: the watch is Stalled.
    Stalling,
    /// A reason of `BackupHealthy` with this status.
    Backup(Truth),
    /// A reason of `UpgradeProtected` with this status.
    Upgrade(Truth),
    /// A reason of all these conditions with this status.
    Every(Truth),
}
use Facts::{Backup, Every, Passing, Ready, Stalling, Upgrade};

reasons! {
    /// The reasons of the conditions.
    Reason(Facts) {
        NotYetPolled: Every(Unknown), "no poll was answered yet";
        Polled: Ready(True), "the last poll was answered";
        Suspended: Ready(True), "`spec.suspend` is set";
        Throttled: Passing, "no poll was answered for a minute, and the last one was throttled";
        CloudUnavailable: Passing, "no poll was answered for a minute, and the last one met an error of the cloud, a time-out or no connection";
        InvalidResponse: Passing, "no poll was answered for a minute, and the last one was answered with something that is not this API";
        AuthenticationFailed: Stalling, "the access key, the secret key or the token was refused";
        PermissionDenied: Stalling, "the credential may not read this cluster";
        ClusterNotFound: Stalling, "the project has no such cluster in this region";
        RequestRejected: Stalling, "the cloud refuses the request, however often it is sent";
        ClockSkew: Stalling, "the clocks of the operator and of the cloud differ by more than 15 minutes";
        SecretNotFound: Stalling, "the Secret does not exist, or the operator may not read it";
        SecretInvalid: Stalling, "the Secret holds no usable credential";
        CredentialsNotAllowed: Stalling, "the watch names no Secret, and the operator's own identity does not serve its namespace";
        InvalidResource: Stalling, "the operator cannot decode the resource, as when a newer definition let it through";
        PollFailing: Backup(Unknown), "`Ready` is False, so nothing is known of the backup";
        BackupFailed: Backup(False), "the newest finished backup has the phase `Failed`";
        BackupStuck: Backup(False), "a backup that is newer than any finished one has not moved for `stuckAfter`";
        BackupStale: Backup(False), "the newest success is older than `maxAge`, or has no readable time";
        BackupSucceeded: Backup(True), "the newest finished backup has the phase `Success`";
        BackupRunning: Backup(Unknown), "no backup is finished, and one runs";
        NoBackup: Backup(Unknown), "there is no backup; False once the resource is older than `maxAge`";
        NoUpgrade: Upgrade(True), "no upgrade is under way";
        BackupTaken: Upgrade(True), "a backup was taken for the upgrade that is under way, or within 24 hours before its step `Cluster`";
        UpgradeUnprotected: Upgrade(False), "the cluster is upgraded without such a backup";
        BackupPending: Upgrade(Unknown), "an upgrade is under way, its step `Cluster` has not begun, and there is no such backup yet";
    }
}

impl Reason {
    /// The reason of that name, if it is one of ours.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.as_str() == name)
    }

    /// Whether a condition of the type can have this reason. `UpgradeProtected` is Unknown for the reason of the fault that
    /// keeps the list of upgrades away.
    pub fn is_of(self, type_: &str) -> bool {
        match self.facts() {
            Ready(_) => type_ == types::READY,
            Passing | Stalling => type_ == types::READY || type_ == types::UPGRADE_PROTECTED,
            Backup(_) => type_ == types::BACKUP_HEALTHY,
            Upgrade(_) => type_ == types::UPGRADE_PROTECTED,
            Every(_) => [types::READY, types::BACKUP_HEALTHY, types::UPGRADE_PROTECTED].contains(&type_),
        }
    }

    /// The status that the condition has with this reason, of a fault that of Ready; [`Reason::when`] says where another one
    /// is possible.
    pub const fn status(self) -> Truth {
        match self.facts() {
            Ready(status) | Backup(status) | Upgrade(status) | Every(status) => status,
            Passing | Stalling => False,
        }
    }

    /// Whether Ready=False for this reason means that trying again changes nothing until a person acts.
    pub const fn stalls(self) -> bool {
        matches!(self.facts(), Stalling)
    }
}

/// A condition holds its reason as text, because it may have been written by somebody else.
impl PartialEq<Reason> for String {
    fn eq(&self, reason: &Reason) -> bool {
        self == reason.as_str()
    }
}

/// The type of an Event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    /// `Normal`
    Normal,
    /// `Warning`
    Warning,
}
use EventType::{Normal, Warning};

reasons! {
    /// The reasons of Events.
    EventReason(EventType) {
        BackupStarted: Normal, "a task is first seen unfinished";
        BackupProgressing: Normal, "a running task reaches 25, 50 or 75 %; only the highest that one poll finds";
        BackupPhaseChanged: Normal, "a task goes from one unfinished phase to another";
        BackupSucceeded: Normal, "a task succeeds";
        BackupFailed: Warning, "a task fails; the note has the messages of its items";
        BackupStale: Warning, "`BackupHealthy` gets the reason `BackupStale`";
        BackupStuck: Warning, "`BackupHealthy` gets the reason `BackupStuck`";
        PollFailed: Warning, "`Ready` turns False";
        PollRecovered: Normal, "`Ready` was False, and a poll is answered again";
        UpgradeStarted: Normal, "an upgrade is first seen under way";
        UpgradeSucceeded: Normal, "an upgrade that was seen under way succeeds";
        UpgradeUnprotected: Warning, "`UpgradeProtected` gets the reason `UpgradeUnprotected`";
        UpgradeFailed: Warning, "a step of an upgrade fails, or the upgrade waits for a person";
        UpgradeRolledBack: Warning, "the step `Rollback` of an upgrade succeeds";
    }
}

impl EventReason {
    /// The type of the Events with this reason.
    pub const fn event_type(self) -> EventType {
        self.facts()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_reason_of_ready_false_stalls() {
        for reason in Reason::ALL.iter().filter(|reason| reason.stalls()) {
            assert!(reason.is_of(types::READY) && reason.status() == False, "{reason}");
        }
    }

    #[test]
    fn a_reason_is_found_by_its_exact_name() {
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.as_str()), Some(*reason));
        }
        assert_eq!((Reason::parse("polled"), Reason::parse("")), (None, None));
    }

    #[test]
    fn every_condition_has_reasons_and_every_reason_a_condition() {
        let of = |type_| Reason::ALL.iter().filter(|reason| reason.is_of(type_)).count();
        for reason in Reason::ALL {
            assert!(types::ALL.iter().any(|type_| reason.is_of(type_)), "{reason} is of no condition");
        }
        assert!(of(types::READY) > 10 && of(types::BACKUP_HEALTHY) > 5 && of(types::UPGRADE_PROTECTED) > 10);
        assert_eq!(of(types::STALLED), 0, "Stalled and Reconciling repeat the reason of Ready");
    }
}
