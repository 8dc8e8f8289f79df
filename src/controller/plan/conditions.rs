//! The conditions that state the verdicts, in the way of kstatus: Ready is always there; Reconciling and Stalled only
//! while they are true, and never both.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{Input, verdict::Verdict};
use crate::api::{
    Reason,
    condition::{self, Truth, types},
};
use crate::poll::Outcome;

/// The generation that the status answers. It moves with a verdict on that generation: what is merely carried over from
/// an older one, because the first polls of the new one failed, must not pass for the answer to it.
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
pub fn build(input: &Input<'_>, ready: &Verdict, healthy: &Verdict) -> Vec<Condition> {
    let generation = observed_generation(input, ready);
    let condition = |type_: &str, truth: Truth, reason: &str, message: &str| {
        let old = condition::find(&input.status.conditions, type_);
        condition::build(old, type_, truth, reason, message.to_owned(), generation, input.now)
    };
    let mut conditions = vec![
        condition(types::READY, ready.truth, &ready.reason, &ready.message),
        condition(types::BACKUP_HEALTHY, healthy.truth, &healthy.reason, &healthy.message),
    ];
    match ready.truth {
        Truth::True => {}
        Truth::False if stalls(&ready.reason) => {
            conditions.push(condition(types::STALLED, Truth::True, &ready.reason, &ready.message));
        }
        Truth::False | Truth::Unknown => {
            conditions.push(condition(types::RECONCILING, Truth::True, &ready.reason, &ready.message));
        }
    }
    conditions
}

/// Whether a reason of Ready means that only a change by a person helps.
pub fn stalls(reason: &str) -> bool {
    Reason::parse(reason).is_some_and(Reason::stalls)
}
