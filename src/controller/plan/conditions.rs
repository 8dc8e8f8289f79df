//! Builds the conditions from the verdicts, by the rules of kstatus: Ready is always present; Reconciling and Stalled are
//! present only while they are True, and never both. UpgradeProtected, which kstatus ignores, is present where upgrades are
//! watched. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{Input, upgrade::Upgrade, verdict::Verdict};
use crate::api::{
    Reason,
    condition::{self, Truth, types},
};
use crate::poll::Outcome;

/// The generation that the status is about. It advances only with a verdict on the new generation: while the first polls
/// after a change of the spec fail, the conditions are those of the old generation and must not be taken for the new one.
pub fn observed_generation(input: &Input<'_>, ready: &Verdict) -> Option<i64> {
    if input.outcome.is_some_and(Outcome::is_decisive)
        || input.spec.suspend
        || ready.reason == Reason::NotYetPolled
    {
        input.generation
    } else {
        input.status.observed_generation
    }
}

/// The conditions of the resource, those of other owners left out.
pub fn build(
    input: &Input<'_>,
    ready: &Verdict,
    healthy: &Verdict,
    upgrade: Option<&Upgrade>,
) -> Vec<Condition> {
    // -1 stands for a resource that nobody looked at, and a condition cannot have it.
    let generation = observed_generation(input, ready).filter(|generation| *generation >= 0);
    let condition = |type_: &str, truth: Truth, reason: &str, message: &str| {
        let old = condition::find(&input.status.conditions, type_);
        condition::build(old, type_, truth, reason, message.to_owned(), generation, input.now)
    };
    let mut conditions = vec![
        condition(types::READY, ready.truth, &ready.reason, &ready.message),
        condition(types::BACKUP_HEALTHY, healthy.truth, &healthy.reason, &healthy.message),
    ];
    if let Some(Upgrade { protected, .. }) = upgrade {
        let type_ = types::UPGRADE_PROTECTED;
        conditions.push(condition(type_, protected.truth, &protected.reason, &protected.message));
    }
    match ready.truth {
        Truth::True => {
            if let Some((reason, message)) = unanswered(input) {
                conditions.push(condition(types::RECONCILING, Truth::True, reason, message));
            }
        }
        Truth::False if stalls(&ready.reason) => {
            conditions.push(condition(types::STALLED, Truth::True, &ready.reason, &ready.message));
        }
        Truth::False | Truth::Unknown => {
            conditions.push(condition(types::RECONCILING, Truth::True, &ready.reason, &ready.message));
        }
    }
    conditions
}

/// Why a request to poll, which counts as handled, has brought no answer yet: its poll failed, or what protects others
/// held it back, and too few polls have failed in a row for Ready to say so. Whoever waited for the echo would otherwise
/// take what is on record for what the cloud says now. The reason stays until an answer comes, Ready says it, or polling is
/// suspended.
fn unanswered<'a>(input: &Input<'a>) -> Option<(&'a str, &'a str)> {
    if input.spec.suspend {
        return None;
    }
    match input.outcome {
        Some(outcome) if outcome.is_decisive() => None,
        Some(Outcome::Fault { fault, .. }) if input.request.is_some() => {
            Some((fault.kind.reason().as_str(), &fault.message))
        }
        _ => {
            let old = condition::find(&input.status.conditions, types::RECONCILING)?;
            Some((&old.reason, &old.message))
        }
    }
}

/// Whether a reason of Ready means that only a change by a person helps.
pub fn stalls(reason: &str) -> bool {
    Reason::parse(reason).is_some_and(Reason::stalls)
}
