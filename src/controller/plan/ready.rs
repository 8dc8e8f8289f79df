//! The verdict on the watch itself: `Ready` says whether it works, and what is in the way where it does not.

use super::{
    Input,
    verdict::{Verdict, recorded},
};
use crate::api::{
    ClusterBackupWatchSpec, REQUESTED_AT, Reason,
    condition::{Truth, types},
};
use crate::cloud::fault::{Fault, FaultKind};
use crate::poll::Outcome;

/// Whether the watch works.
pub fn ready(input: &Input<'_>) -> Verdict {
    if input.spec.suspend {
        return Verdict::new(
            Truth::True,
            Reason::Suspended,
            "polling is suspended; set spec.suspend to false to resume",
        );
    }
    match input.outcome {
        Some(Outcome::Answer(_)) => Verdict::new(Truth::True, Reason::Polled, "the last poll was answered"),
        Some(outcome @ Outcome::Fault { fault, .. }) if outcome.is_decisive() => {
            Verdict::new(Truth::False, fault.kind.reason(), told(input.spec, fault))
        }
        // Too early to decide: there is no new outcome, or a fault that may pass by itself.
        Some(Outcome::Fault { .. }) | None => match recorded(input, types::READY) {
            Some(old) if old.reason == Reason::Suspended => not_yet_polled(input, "resumed; "),
            Some(old) if old.reason != Reason::NotYetPolled || input.outcome.is_none() => old,
            Some(_) | None => not_yet_polled(input, ""),
        },
    }
}

/// A fault as the condition states it. Whoever corrects a Secret must know when that is seen.
fn told(spec: &ClusterBackupWatchSpec, fault: &Fault) -> String {
    let is_reread = matches!(
        fault.kind,
        FaultKind::AuthenticationFailed | FaultKind::SecretNotFound | FaultKind::SecretInvalid
    );
    if is_reread && spec.credentials.is_some() {
        format!(
            "{}; the Secret is read again within 5 minutes, at once when {REQUESTED_AT} asks for it",
            fault.message
        )
    } else {
        fault.message.clone()
    }
}

/// No poll was answered yet. Whoever has just written a manifest learns from the first try on what is in the way, such as a
/// region that is spelled wrong, though it is too early to call the watch blind.
fn not_yet_polled(input: &Input<'_>, resumed: &str) -> Verdict {
    let message = match input.outcome {
        Some(Outcome::Fault { fault, .. }) => {
            format!("no poll is answered yet, and the next one follows: {}", fault.message)
        }
        _ => format!("{resumed}the first poll is still to be answered"),
    };
    Verdict::new(Truth::Unknown, Reason::NotYetPolled, message)
}
