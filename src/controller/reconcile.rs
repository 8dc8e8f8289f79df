//! One reconcile of one watch: `demand → plan → refresh → apply → settle`. It never waits for the cloud.
//!
//! The outcome comes from [`crate::poll`], which triggers another reconcile when there is a newer one. An `Err` means that
//! Kubernetes itself failed; [`super::memory`] says when to try again.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use kube::{ResourceExt, core::DeserializeGuard, runtime::controller::Action};

use super::{
    apply::apply,
    context::{Context, View},
    error::Error,
    invalid,
    object::{key_of, prune},
    plan::{self, Plan},
};
use crate::api::{
    ClusterBackupWatch, ClusterBackupWatchStatus, Guarded,
    condition::{self, types},
};
use crate::kubernetes::ApiServer;
use crate::poll::{Delivery, Outcome, Settled};

/// From which failed try in a row on a conflict, or a resource that is gone, is worth a line in the log.
const UNUSUAL: u32 = 3;
/// How often one reconcile reads the resource.
const READS: usize = 2;

/// Ensures that a watch says what the cloud says, with the signature that kube's runtime wants.
pub async fn reconcile<A: ApiServer>(
    object: Arc<Guarded>,
    context: Arc<Context<A>>,
) -> Result<Action, Error> {
    attempt(&object, &context).await.map(|wait| wait.map_or_else(Action::await_change, Action::requeue))
}

/// Ensures that a watch says what the cloud says. While the backoff of a failed attempt lasts, this does nothing and
/// returns the rest of the wait, so that new outcomes do not cause extra attempts.
pub async fn attempt<A: ApiServer>(
    object: &Guarded,
    context: &Context<A>,
) -> Result<Option<Duration>, Error> {
    let key = key_of(object);
    if let Some(wait) = context.memory.backs_off(&key, context.clock.instant()) {
        return Ok(Some(wait));
    }
    // One limit for all namespaces, so that more controllers do not make more concurrent requests to the API server.
    let _slot = context.slots.acquire().await;
    let begun = context.clock.instant();
    let work = async {
        match &object.0 {
            Ok(watch) => watch_over(watch, context).await,
            Err(undecodable) => invalid::report(context, undecodable).await,
        }
    };
    let result = AssertUnwindSafe(work).catch_unwind().await.unwrap_or(Err(Error::Panic));
    let took = context.clock.instant().duration_since(begun);
    context.metrics.reconciled(if result.is_ok() { "success" } else { "error" }, took);
    if result.is_ok() && context.memory.is_written(&key) {
        let (namespace, name) = (object.namespace(), object.name_any());
        tracing::info!(namespace, name, "reconciled again after a failure");
    }
    result.map(|()| None)
}

/// When to try again after an error, as kube's runtime wants it.
#[allow(clippy::needless_pass_by_value)] // the signature is kube's
pub fn on_error<A: ApiServer>(object: Arc<Guarded>, error: &Error, context: Arc<Context<A>>) -> Action {
    Action::requeue(retry_after(&object, error, &context))
}

/// When to try again after an error. Logs one error when a watch begins to fail, and not one for each try.
pub fn retry_after<A: ApiServer>(object: &Guarded, error: &Error, context: &Context<A>) -> Duration {
    let now = context.clock.instant();
    let is_passing = match error {
        Error::Kubernetes(error) => context.memory.is_passing(error, now),
        Error::Conflict | Error::Gone => true,
        Error::Panic => false,
    };
    let key = key_of(object);
    let (wait, tries) = context.memory.failed(&key, is_passing, now);
    let (namespace, name) = (object.namespace(), object.name_any());
    // A person who edits or deletes the watch just then causes it, and the next try or the stream ends it.
    let is_harmless = matches!(error, Error::Conflict | Error::Gone) && tries < UNUSUAL;
    if !is_harmless && context.memory.is_unlogged(&key) {
        tracing::error!(namespace, name, %error, "cannot reconcile; it is tried again, ever more rarely");
    } else {
        tracing::debug!(namespace, name, %error, "a try to reconcile failed");
    }
    context.poller.jitter(wait)
}

async fn watch_over<A: ApiServer>(watch: &ClusterBackupWatch, context: &Context<A>) -> Result<(), Error> {
    let nothing = ClusterBackupWatchStatus::default();
    let (mut copy, mut refused) = (Cow::Borrowed(watch), BTreeSet::new());

    // demand: registers what the watch wants, and takes the outcome that it has not taken over yet    (no I/O)
    let (delivery, is_polled) = demand(context, &View::of(&copy, &nothing));

    for reads in 0..=READS {
        let view = View::of(&copy, &nothing);
        let (key, status) = (view.key(), view.status_hash());
        let is_ours = context.memory.freshness(&key, view.uid, |known| match reads {
            0 => known.is_ours(status),
            _ => known.confirms(status),
        });
        let is_foreign = !is_ours && reads > 0; // mark: void outcome
        if is_foreign && void_outcome(context, &view, is_polled) {
            return Ok(());
        }

        // plan: what the outcome means for the resource                                                (pure)
        let plan = decide(context, &view, delivery.as_ref());

        // refresh: a write that tells a transition is planned from a live read. An Event carries no resourceVersion by
        // which the API server could refuse it. The first status of a watch has nothing to lose.        (one GET)
        let tells = !plan.events.is_empty() && !view.status.conditions.is_empty();
        let is_old = reads == 0 && (tells || !is_ours); // mark: live read

        // apply: the Events, then the status                                                            (writes)
        let applied = if is_old {
            Err(Error::Conflict)
        } else {
            apply(context, &view, &plan, &mut refused, context.clock.now()).await
        };
        match applied {
            // settle: the log, and what the watch wants from now on                                     (no I/O)
            Ok(()) => {
                settle(context, &view, &plan, delivery.as_ref(), reads > 0);
                return Ok(());
            }
            Err(Error::Conflict) if reads < READS => copy = Cow::Owned(refresh(context, &view).await?),
            Err(error) => return Err(error),
        }
    }
    Err(Error::Conflict)
}

/// Somebody else wrote the status, perhaps from a later answer than ours. So our outcome is void, and the cloud is asked anew,
/// whose answer replaces what was written. Returns whether it is: the fault of a spec that cannot be polled stays true.
fn void_outcome<A>(context: &Context<A>, view: &View<'_>, is_polled: bool) -> bool {
    let (key, status, now) = (view.key(), view.status_hash(), context.clock.instant());
    let rests = context.memory.freshness(&key, view.uid, |known| known.adopts(status, now));
    if is_polled {
        context.poller.ask_anew(&key, rests);
    }
    is_polled
}

/// What the watch wants is registered with the engine, which hands out the outcome that the watch has not taken over yet;
/// and whether polls are made for it at all.
fn demand<A>(context: &Context<A>, view: &View<'_>) -> (Option<Delivery>, bool) {
    if view.spec.suspend {
        context.poller.forget(&view.key());
        return (None, false);
    }
    match view.demand(&context.served, context.clock.now()) {
        Ok(demand) => (context.poller.demand(&view.key(), &demand), true),
        // No poll can be made for this spec, so the fault stands in for the outcome of one.
        Err(fault) => {
            context.poller.forget(&view.key());
            let outcome = Outcome::Fault { fault: Arc::new(fault), is_blind: true };
            (Some(Delivery { outcome, number: 0, for_request: true }), false)
        }
    }
}

fn decide<A>(context: &Context<A>, view: &View<'_>, delivery: Option<&Delivery>) -> Plan {
    let for_request = delivery.is_some_and(|delivery| delivery.for_request);
    let outcome = delivery.map(|delivery| &delivery.outcome);
    let upgrades = context.poller.upgrades(&view.key(), delivery.map(|delivery| delivery.number));
    plan::plan(&view.input(outcome, upgrades.as_ref(), for_request, context.clock.now()))
}

/// The resource as it is now, if it is still what the stream has delivered.
async fn refresh<A: ApiServer>(context: &Context<A>, view: &View<'_>) -> Result<ClusterBackupWatch, Error> {
    let mut live = context.api_server.watch(view.namespace, view.name).await?.ok_or(Error::Gone)?;
    prune(&mut live, &context.labels);
    match live {
        // With another label it may be another shard's.
        DeserializeGuard(Ok(live))
            if live.metadata.uid.as_deref() == Some(view.uid) && live.labels() == view.watch.labels() =>
        {
            Ok(live)
        }
        DeserializeGuard(_) => Err(Error::Gone),
    }
}

/// Logs the change, and tells the engine what the watch wants from now on.
fn settle<A>(context: &Context<A>, view: &View<'_>, plan: &Plan, delivery: Option<&Delivery>, is_live: bool) {
    report(view, plan, delivery.map(|delivery| &delivery.outcome));
    let settled = Settled {
        number: delivery.map(|delivery| delivery.number),
        cadence: plan.cadence,
        judge_after: plan.judge_after,
        // If a live resource has no request, only an older copy still does, and would ask again and again.
        has_request: view.request.is_some() || is_live,
    };
    context.poller.settle(&view.key(), &settled);
}

/// Logs one line for each change of the status; a fault that changed nothing is logged at debug.
fn report(view: &View<'_>, plan: &Plan, outcome: Option<&Outcome>) {
    let (namespace, name) = (view.namespace, view.name);
    if let Some(Outcome::Fault { fault, .. }) = outcome {
        // tracing fixes the level of a log line at compile time, so the level cannot be a variable.
        macro_rules! tell {
            ($level:ident) => {
                tracing::$level!(
                    namespace,
                    name,
                    reason = %fault.kind,
                    http = fault.http_status,
                    code = fault.code,
                    request_id = fault.request_id,
                    error = fault.message,
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
