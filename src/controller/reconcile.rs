//! One look at one watch: `observe → plan → apply`.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use jiff::Timestamp;
use kube::{ResourceExt, core::DeserializeGuard, runtime::controller::Action};

use super::{
    apply::{Written, apply},
    context::{Context, Look},
    observe::{Observation, observe},
    pace::{Pace, jitter},
    plan::{self, Input, Plan, Seen},
};
use crate::api::{
    ClusterBackupWatch, ClusterBackupWatchStatus,
    condition::{self, types},
};

/// How soon to look again at a resource that changed under our hands.
const AFTER_CONFLICT: Duration = Duration::from_millis(500);
/// How soon to look again when Kubernetes failed.
const AFTER_ERROR: Duration = Duration::from_secs(5);
/// How soon to look again at a resource whose reconcile panicked.
const AFTER_PANIC: Duration = Duration::from_mins(1);

/// Kubernetes itself failed, or the reconcile did.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A request to the API server failed.
    #[error("a request to the API server failed")]
    Kubernetes(#[from] kube::Error),
    /// A bug; it fails this one resource alone.
    #[error("the reconcile panicked")]
    Panic,
}

/// Ensures that a watch says what the cloud says.
pub async fn reconcile(
    watch: Arc<DeserializeGuard<ClusterBackupWatch>>,
    context: Arc<Context>,
) -> Result<Action, Error> {
    let begun = Instant::now();
    let watch = match &watch.0 {
        Ok(watch) => watch,
        Err(invalid) => {
            let (namespace, name) = (invalid.metadata.namespace.as_deref(), invalid.metadata.name.as_deref());
            tracing::warn!(namespace, name, error = %invalid.error, "cannot decode a resource; it is left alone");
            context.metrics.reconciled("undecodable", begun.elapsed());
            return Ok(Action::await_change());
        }
    };
    let result = AssertUnwindSafe(look(watch, &context)).catch_unwind().await.unwrap_or(Err(Error::Panic));
    context.metrics.reconciled(if result.is_ok() { "success" } else { "error" }, begun.elapsed());
    result
}

/// When to look again after an error.
#[allow(clippy::needless_pass_by_value)] // the signature is kube's
pub fn on_error(watch: Arc<DeserializeGuard<ClusterBackupWatch>>, error: &Error, _: Arc<Context>) -> Action {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    tracing::error!(namespace = watch.namespace(), name = watch.name_any(), %error, cause, "cannot reconcile");
    Action::requeue(jitter(match error {
        Error::Kubernetes(_) => AFTER_ERROR,
        Error::Panic => AFTER_PANIC,
    }))
}

async fn look(watch: &ClusterBackupWatch, context: &Context) -> Result<Action, Error> {
    let nothing = ClusterBackupWatchStatus::default();
    let look = Look::at(watch, &nothing);
    let mut pace =
        context.paces.recall(&look.key(), look.uid).unwrap_or_else(|| Pace::first(&look, Instant::now()));

    let (observation, plan) = see(context, &look, &mut pace).await?; // (cloud), (pure)
    match apply(context, &look, &plan).await? {
        // (Kubernetes)
        Written::Done => {}
        Written::Gone => {
            context.paces.forget(&look.key());
            return Ok(Action::await_change());
        }
        Written::Conflict => {
            // Whoever wrote in between may have seen more than we did: what we saw must not come after it.
            context.paces.refresh(&look.key());
            return Ok(Action::requeue(AFTER_CONFLICT));
        }
    }
    report(&look, &plan, &observation);
    let wake = next(&observation, &plan, &mut pace, look.spec.suspend);
    context.paces.remember(&look.key(), Pace { generation: look.generation, ..pace });
    Ok(wake.map_or_else(Action::await_change, Action::requeue))
}

/// Observes and plans; twice where time alone would change a verdict: then the cloud is asked first, since it may know of
/// a backup that we do not.
async fn see(
    context: &Context,
    look: &Look<'_>,
    pace: &mut Pace,
) -> Result<(Observation, Plan), kube::Error> {
    let before = pace.clone();
    loop {
        let observation = observe(context, look, pace).await?;
        // Whatever comes next, what was fetched stays: looking again then costs no request.
        let (carried_out, shared) = (pace.carried_out.clone(), pace.shared.clone());
        context.paces.remember(&look.key(), Pace { carried_out, shared, ..before.clone() });

        let plan = decide(look, &observation, pace);
        let unasked = matches!(observation, Observation::NotDue) && plan.status.is_some();
        if !unasked || look.spec.suspend {
            return Ok((observation, plan));
        }
        pace.next_poll = Instant::now();
    }
}

fn decide(look: &Look<'_>, observation: &Observation, pace: &mut Pace) -> Plan {
    let seen = match observation {
        Observation::NotDue | Observation::Later(_) => Seen::Nothing,
        Observation::Answer(answer, _) => {
            (pace.failures, pace.failed) = (0, None);
            pace.answered = Some(Timestamp::now());
            Seen::Answer(answer)
        }
        Observation::Fault(fault, at) => {
            if pace.failed.replace(*at) != Some(*at) {
                pace.failures += 1;
            }
            Seen::Fault(fault)
        }
    };
    plan::plan(&Input {
        name: &look.watch.name_any(),
        uid: look.uid,
        generation: look.generation,
        created: look.created(),
        spec: look.spec,
        status: look.status,
        request: look.request.as_deref().filter(|_| !matches!(seen, Seen::Nothing)),
        seen,
        failures: pace.failures,
        now: Timestamp::now(),
    })
}

/// When to look again: at the next poll, or when time alone changes the verdict.
fn next(observation: &Observation, plan: &Plan, pace: &mut Pace, suspended: bool) -> Option<Duration> {
    let now = Instant::now();
    if suspended {
        // So that the first look after the suspension polls.
        pace.next_poll = now;
        return None;
    }
    if let Observation::Later(wait) = observation {
        pace.next_poll = now + jitter(*wait);
    } else if let (Some(delay), Observation::Answer(_, at) | Observation::Fault(_, at)) =
        (plan.poll_after, observation)
    {
        pace.delay = delay;
        let asked_for = match observation {
            Observation::Fault(fault, _) => fault.retry_after,
            _ => None,
        };
        // The cloud would not be asked before; looking earlier would be for nothing.
        pace.next_poll = *at + jitter(delay).max(asked_for.unwrap_or_default());
    }
    let poll = pace.next_poll.saturating_duration_since(now);
    Some(plan.look_after.map_or(poll, |look| look.min(poll)))
}

/// One line for each change of what a watch says; faults that changed nothing at debug.
fn report(look: &Look<'_>, plan: &Plan, observation: &Observation) {
    let (namespace, name) = (look.namespace, look.watch.name_any());
    if let Observation::Fault(fault, _) = observation {
        // A level is part of what tracing makes at compile time, so it cannot be a value.
        macro_rules! tell {
            ($level:ident) => {
                tracing::$level!(
                    namespace,
                    name,
                    reason = fault.kind.reason().as_str(),
                    http = fault.http_status,
                    code = fault.code,
                    request_id = fault.request_id,
                    message = fault.message,
                    "poll failed"
                )
            };
        }
        if plan.status.is_some() { tell!(warn) } else { tell!(debug) }
    }
    if let Some(status) = &plan.status {
        let reason = |type_| condition::find(&status.conditions, type_).map(|c| c.reason.as_str());
        tracing::info!(
            namespace,
            name,
            phase = status.phase,
            progress = status.progress,
            ready = reason(types::READY),
            backup = reason(types::BACKUP_HEALTHY),
            "status changed"
        );
    }
}
