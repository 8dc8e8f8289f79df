//! How one watch stands, in one word and a sentence. Pure: the rules below, in the order in which a person must act.

use serde::Serialize;

use crate::api::{Reason, condition::types};
use crate::commands::watch::{Condition, Watch};

/// The condition on the upgrade that runs.
const UPGRADE_PROTECTED: &str = "UpgradeProtected";

/// How a watch stands: the worst first, which is the order of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// The watch does not see its cluster, so nobody knows.
    Blind,
    /// The newest backup failed or is stuck, or there is none.
    Bad,
    /// An upgrade runs without a backup before it.
    Unprotected,
    /// The newest success is too old.
    Stale,
    /// Nothing is known yet.
    Unknown,
    /// Nobody looks, because somebody wanted it so.
    Suspended,
    /// A backup runs, and nothing is wrong.
    Running,
    /// All is well.
    Good,
}

/// A verdict, and when it is given.
type Rule = (Standing, fn(&Facts) -> bool);

/// Every verdict, in the order of the screen. The first one that holds is the verdict.
const RULES: [Rule; 8] = [
    (Standing::Blind, |is| is.ready.status == "False"),
    (Standing::Bad, |is| is.healthy.status == "False" && is.healthy.reason != Reason::BackupStale),
    (Standing::Unprotected, |is| is.protected.status == "False"),
    (Standing::Stale, |is| is.healthy.status == "False"),
    (Standing::Unknown, |is| !is.suspended && is.is_unknown()),
    (Standing::Suspended, |is| is.suspended),
    (Standing::Running, |is| is.running),
    (Standing::Good, |_| true),
];

/// What the rules read.
struct Facts {
    ready: Condition,
    healthy: Condition,
    protected: Condition,
    suspended: bool,
    running: bool,
}

impl Facts {
    fn of(watch: &Watch) -> Self {
        Self {
            ready: watch.condition(types::READY),
            healthy: watch.condition(types::BACKUP_HEALTHY),
            protected: watch.condition(UPGRADE_PROTECTED),
            suspended: watch.spec.suspend,
            running: watch.runs(),
        }
    }

    /// A first backup that runs is not unknown: somebody looks, and sees it run.
    fn is_unknown(&self) -> bool {
        self.ready.status != "True"
            || (self.healthy.status != "True" && self.healthy.reason != Reason::BackupRunning)
    }
}

/// The verdict on a watch.
pub fn verdict(watch: &Watch) -> Standing {
    let facts = Facts::of(watch);
    RULES.iter().find(|(_, holds)| holds(&facts)).map_or(Standing::Good, |(verdict, _)| *verdict)
}

/// Whether a watch makes `status` end with 1: only what is known to be wrong counts.
pub fn counts_as_bad(watch: &Watch) -> bool {
    [types::READY, types::BACKUP_HEALTHY].iter().any(|type_| watch.condition(type_).status == "False")
}

/// The reason and the message behind a verdict: those of the condition that decides.
pub fn why(watch: &Watch) -> (String, String) {
    let Facts { ready, healthy, protected, suspended, .. } = Facts::of(watch);
    let decisive = match verdict(watch) {
        Standing::Blind => ready,
        Standing::Unprotected => protected,
        Standing::Unknown if ready.status.is_empty() => {
            return (Reason::NotYetPolled.to_string(), "no operator has looked at this watch yet".to_owned());
        }
        Standing::Unknown if ready.status != "True" => ready,
        Standing::Suspended => {
            let before = if healthy.reason.is_empty() { "nothing" } else { &healthy.reason };
            let message = format!("nobody polls, because spec.suspend is set; seen before: {before}");
            return (Reason::Suspended.to_string(), message);
        }
        _ => healthy,
    };
    let message = if suspended { format!("(suspended) {}", decisive.message) } else { decisive.message };
    (decisive.reason, message.trim().to_owned())
}

impl Standing {
    /// Every verdict, in the order of the screen.
    pub fn all() -> impl Iterator<Item = Self> {
        RULES.iter().map(|(verdict, _)| *verdict)
    }

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blind => "blind",
            Self::Bad => "bad",
            Self::Unprotected => "unprotected",
            Self::Stale => "stale",
            Self::Unknown => "unknown",
            Self::Suspended => "suspended",
            Self::Running => "running",
            Self::Good => "good",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::commands::watch::tests::{conditions, watch};

    const GOOD: [&str; 4] = ["BackupHealthy", "True", "BackupSucceeded", "a succeeded"];
    const POLLED: [&str; 4] = ["Ready", "True", "Polled", "polled"];

    #[allow(clippy::needless_pass_by_value)] // what json! makes is passed as it is
    fn with(given: &[[&str; 4]], more: Value) -> Watch {
        let mut status = json!({ "conditions": conditions(given) });
        let suspended = more["suspend"].clone();
        for (field, value) in more.as_object().unwrap() {
            status[field] = value.clone();
        }
        watch("prod", json!({ "suspend": suspended }), status)
    }

    #[test]
    fn the_worst_that_holds_is_the_verdict() {
        let healthy = |status, reason| ["BackupHealthy", status, reason, "why"];
        let none = json!({});
        let suspended = json!({ "suspend": true });
        let blind = ["Ready", "False", "AuthenticationFailed", "refused"];
        let unprotected = ["UpgradeProtected", "False", "UpgradeUnprotected", "no backup"];
        for (given, more, expected, reason) in [
            (vec![blind, healthy("Unknown", "PollFailing")], &none, Standing::Blind, "AuthenticationFailed"),
            (vec![blind, healthy("False", "BackupFailed")], &none, Standing::Blind, "AuthenticationFailed"),
            (vec![POLLED, healthy("False", "BackupFailed")], &none, Standing::Bad, "BackupFailed"),
            (vec![POLLED, healthy("False", "BackupStuck")], &none, Standing::Bad, "BackupStuck"),
            (vec![POLLED, healthy("False", "NoBackup")], &none, Standing::Bad, "NoBackup"),
            (vec![POLLED, GOOD, unprotected], &none, Standing::Unprotected, "UpgradeUnprotected"),
            (
                vec![POLLED, healthy("False", "BackupStale"), unprotected],
                &none,
                Standing::Unprotected,
                "UpgradeUnprotected",
            ),
            (vec![POLLED, healthy("False", "BackupStale")], &none, Standing::Stale, "BackupStale"),
            (vec![POLLED, healthy("Unknown", "NoBackup")], &none, Standing::Unknown, "NoBackup"),
            (vec![["Ready", "Unknown", "NotYetPolled", ""]], &none, Standing::Unknown, "NotYetPolled"),
            (vec![], &none, Standing::Unknown, "NotYetPolled"),
            (vec![["Ready", "True", "Suspended", ""], GOOD], &suspended, Standing::Suspended, "Suspended"),
            (vec![], &suspended, Standing::Suspended, "Suspended"),
            (
                vec![["Ready", "True", "Suspended", ""], healthy("False", "BackupFailed")],
                &suspended,
                Standing::Bad,
                "BackupFailed",
            ),
            (
                vec![POLLED, healthy("Unknown", "BackupRunning")],
                &json!({ "phase": "Running" }),
                Standing::Running,
                "BackupRunning",
            ),
            (vec![POLLED, GOOD], &json!({ "phase": "Init" }), Standing::Running, "BackupSucceeded"),
            (vec![POLLED, GOOD], &json!({ "phase": "Success" }), Standing::Good, "BackupSucceeded"),
        ] {
            let watch = with(&given, more.clone());
            assert_eq!((verdict(&watch), why(&watch).0.as_str()), (expected, reason), "{given:?} {more}");
        }
    }

    #[test]
    fn only_what_is_known_to_be_wrong_counts() {
        for (status, reason, bad) in [
            ("False", "BackupStale", true),
            ("Unknown", "NoBackup", false),
            ("True", "BackupSucceeded", false),
        ] {
            let watch = with(&[POLLED, ["BackupHealthy", status, reason, ""]], json!({}));
            assert_eq!(counts_as_bad(&watch), bad, "{reason}");
        }
        assert!(counts_as_bad(&with(&[["Ready", "False", "Throttled", ""]], json!({}))));
        assert!(!counts_as_bad(&with(&[], json!({}))));
    }

    #[test]
    fn a_suspended_watch_says_so_whatever_else_is_wrong() {
        let watch =
            with(&[["BackupHealthy", "False", "BackupFailed", "it failed"]], json!({ "suspend": true }));
        assert_eq!(why(&watch).1, "(suspended) it failed");
    }

    #[test]
    fn the_rules_stand_in_the_order_of_the_screen() {
        assert!(Standing::all().is_sorted());
    }
}
