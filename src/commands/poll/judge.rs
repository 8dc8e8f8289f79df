//! What a watch says of a requested poll: whether it was answered, and how the backup stands then. Pure.

use std::time::Duration;

use jiff::Timestamp;

use crate::api::{Reason, condition::types};
use crate::commands::tasks::gate::is_within;
use crate::commands::watch::Watch;
use crate::task::is_believable;

/// How far a requested poll has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// No operator has taken the request.
    NotTaken,
    /// An operator has, and has no answer of the cloud yet; the text says why, if the operator does.
    NoAnswer(String),
    /// There will be no answer until a person acts.
    Fault(String),
    /// Nobody polls a suspended watch.
    Suspended,
    /// The cloud answered.
    Answered,
}

/// A request for a poll.
#[derive(Clone, Debug)]
pub struct Request {
    /// The value of the annotation, which nobody else writes.
    pub value: String,
    /// The request that the operator had echoed before.
    pub before: Option<String>,
}

impl Request {
    /// Whether the operator echoes this request, or one that somebody else has written over it: that one was polled for later.
    ///
    /// Two gates of one watch do that to each other. What was echoed before is no answer, whoever put it into the annotation
    /// again: an older manifest can.
    fn is_echoed(&self, watch: &Watch) -> bool {
        let echo = watch.status.last_handled_reconcile_at.as_deref();
        echo == Some(&self.value)
            || (echo.is_some() && echo != self.before.as_deref() && echo == watch.requested_at())
    }
}

/// How far the requested poll has come.
///
/// The operator echoes a request also if the cloud did not answer it. Reconciling then stays True until an answer comes, and Stalled is
/// True if none will come by itself. Ready=True is no proof of an answer: it may be that of an earlier poll.
pub fn progress(watch: &Watch, request: &Request) -> Progress {
    let ready = watch.condition(types::READY);
    let told = |type_: &str| {
        let condition = watch.condition(type_);
        format!("{}: {}", condition.reason, condition.message)
    };
    if watch.spec.suspend {
        return Progress::Suspended;
    }
    if ready.reason == Reason::InvalidResource {
        return Progress::Fault(told(types::READY));
    }
    if !request.is_echoed(watch) {
        return Progress::NotTaken;
    }
    if watch.is(types::STALLED) {
        return Progress::Fault(told(types::READY));
    }
    if watch.is(types::RECONCILING) {
        let says = if ready.status == "False" { types::READY } else { types::RECONCILING };
        return Progress::NoAnswer(told(says));
    }
    match ready.status.as_str() {
        "True" => Progress::Answered,
        _ => Progress::NoAnswer(told(types::READY)),
    }
}

/// Whether an answer lets the caller through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PollResult {
    /// It is not bad; with a limit, a success is that new.
    Passed,
    /// It is bad, or no success is that new.
    Bad,
    /// A backup runs that may become a success that new.
    Running,
}

/// Judges an answered watch. With a limit a backup that runs decides, and not what is wrong because of those before it: somebody may
/// have started it for that.
pub fn outcome(watch: &Watch, newer_than: Option<Duration>, now: Timestamp) -> PollResult {
    let healthy = watch.condition(types::BACKUP_HEALTHY);
    let is_bad = healthy.status == "False";
    let Some(limit) = newer_than else { return if is_bad { PollResult::Bad } else { PollResult::Passed } };
    let success = watch.status.last_success.as_ref().and_then(|success| success.time);
    if !is_bad && success.is_some_and(|time| is_believable(time, now) && is_within(time, limit, now)) {
        return PollResult::Passed;
    }
    let is_awaited = watch.runs() && healthy.reason != Reason::BackupStuck;
    if is_awaited { PollResult::Running } else { PollResult::Bad }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::commands::watch::tests::{conditions, watch};

    fn seen(given: &[[&str; 4]], echo: &str, spec: Value) -> Watch {
        watch("prod", spec, json!({ "lastHandledReconcileAt": echo, "conditions": conditions(given) }))
    }

    #[test]
    fn only_an_echo_without_a_fault_is_an_answer() {
        let polled = ["Ready", "True", "Polled", "x"];
        let fault = |reason| ["Ready", "False", reason, "why"];
        let no_answer = |text: &str| Progress::NoAnswer(text.to_owned());
        let refused = || Progress::Fault("AuthenticationFailed: why".to_owned());
        for (given, echo, expected) in [
            (vec![polled], "now", Progress::Answered),
            (vec![polled], "earlier", Progress::NotTaken),
            (vec![], "", Progress::NotTaken),
            // Ready is still that of the poll before.
            (
                vec![polled, ["Reconciling", "True", "CloudUnavailable", "503"]],
                "now",
                no_answer("CloudUnavailable: 503"),
            ),
            (
                vec![fault("Throttled"), ["Reconciling", "True", "Throttled", "x"]],
                "now",
                no_answer("Throttled: why"),
            ),
            (
                vec![fault("AuthenticationFailed"), ["Stalled", "True", "AuthenticationFailed", "x"]],
                "now",
                refused(),
            ),
            // What the operator said before it took the request may be over.
            (
                vec![fault("AuthenticationFailed"), ["Stalled", "True", "AuthenticationFailed", "x"]],
                "",
                Progress::NotTaken,
            ),
            // It cannot echo what it cannot decode.
            (vec![fault("InvalidResource")], "", Progress::Fault("InvalidResource: why".to_owned())),
            (vec![["Ready", "Unknown", "NotYetPolled", "why"]], "now", no_answer("NotYetPolled: why")),
        ] {
            assert_eq!(progress(&seen(&given, echo, json!({})), &now()), expected, "{given:?} {echo}");
        }
        let suspended = seen(&[polled], "now", json!({ "suspend": true }));
        assert_eq!(progress(&suspended, &now()), Progress::Suspended);
    }

    fn now() -> Request {
        Request { value: "now".to_owned(), before: Some("before".to_owned()) }
    }

    #[test]
    fn whoever_asked_later_asked_for_us_too() {
        let polled = [["Ready", "True", "Polled", "x"]];
        for (annotation, echo, expected) in [
            ("now", "now", Progress::Answered),
            // The other's request came before ours was echoed, or after that.
            ("later", "later", Progress::Answered),
            ("later", "now", Progress::Answered),
            ("later", "before", Progress::NotTaken),
            // Whether this one came after ours nobody can tell.
            ("later", "another", Progress::NotTaken),
            ("now", "another", Progress::NotTaken),
            // Somebody has put back what was there.
            ("before", "before", Progress::NotTaken),
        ] {
            let mut watch = seen(&polled, echo, json!({}));
            watch.metadata = serde_json::from_value(
                json!({ "annotations": { "cce.backupwatch.io/requestedAt": annotation } }),
            )
            .unwrap();
            assert_eq!(progress(&watch, &now()), expected, "{annotation} {echo}");
        }
    }

    #[test]
    fn a_bad_backup_lets_nobody_through_and_neither_does_an_old_one() {
        let hour = Some(Duration::from_hours(1));
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let now = at(10_000);
        let judged = |healthy: [&str; 2], phase: &str, success: Option<i64>, limit| {
            let [status, reason] = healthy;
            let watch = watch(
                "prod",
                json!({}),
                json!({
                    "phase": phase, "lastSuccess": { "uid": "a", "time": success.map(at) },
                    "conditions": conditions(&[["Ready", "True", "Polled", ""], ["BackupHealthy", status, reason, ""]]),
                }),
            );
            outcome(&watch, limit, now)
        };
        let (good, none) = (["True", "BackupSucceeded"], ["Unknown", "NoBackup"]);
        let first = ["Unknown", "BackupRunning"];
        for (healthy, phase, success, limit, expected) in [
            (good, "Success", Some(1), None, PollResult::Passed),
            (none, "", None, None, PollResult::Passed),
            (first, "Running", None, None, PollResult::Passed),
            (["False", "BackupFailed"], "Failed", Some(9_999), None, PollResult::Bad),
            (["False", "BackupFailed"], "Failed", Some(9_999), hour, PollResult::Bad),
            (["False", "BackupStuck"], "Running", Some(9_999), hour, PollResult::Bad),
            // It was started because the one before failed, or became too old.
            (["False", "BackupFailed"], "Running", Some(1), hour, PollResult::Running),
            (["False", "BackupStale"], "Init", Some(1), hour, PollResult::Running),
            (["False", "BackupFailed"], "Running", Some(9_999), hour, PollResult::Running),
            (["False", "BackupFailed"], "Running", Some(9_999), None, PollResult::Bad),
            (good, "Success", Some(9_999), hour, PollResult::Passed),
            (good, "Success", Some(6_399), hour, PollResult::Bad),
            (good, "Success", None, hour, PollResult::Bad),
            // No backup ends in the future, but clocks differ a little.
            (good, "Success", Some(10_200), hour, PollResult::Passed),
            (good, "Success", Some(10_400), hour, PollResult::Bad),
            (none, "", None, hour, PollResult::Bad),
            (good, "Running", Some(1), hour, PollResult::Running),
            (good, "Running", Some(9_999), hour, PollResult::Passed),
            (first, "Init", None, hour, PollResult::Running),
        ] {
            assert_eq!(
                judged(healthy, phase, success, limit),
                expected,
                "{healthy:?} {phase} {success:?} {limit:?}"
            );
        }
    }
}
