//! One reconcile of one watch: `newest outcome → plan → apply`. It never waits for the cloud.
//!
//! The outcome comes from [`crate::poll`], which triggers another reconcile when there is a newer one. The plan is
//! pure. An `Err` means that Kubernetes itself failed, not the cloud; [`super::retry`] says when to try again.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use kube::{ResourceExt, core::DeserializeGuard, runtime::controller::Action};

use super::{
    apply::{Written, apply},
    context::{Context, View},
    drain, invalid, key_of,
    plan::{self, Plan},
};
use crate::api::{
    ClusterBackupWatch, ClusterBackupWatchStatus, Guarded,
    condition::{self, types},
};
use crate::kubernetes::ApiServer;
use crate::poll::{Basis, News, Outcome, Settled};

/// From which failed try in a row on a conflict, or a resource that is gone, is worth a line in the log.
const UNUSUAL: u32 = 3;

/// Kubernetes itself failed, or the reconcile did.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A request to the API server failed.
    #[error("a request to the API server failed: {0}")]
    Kubernetes(#[from] kube::Error),
    /// Both tries of one reconcile to write the resource met a write of somebody else.
    #[error("the resource was changed by somebody else at the same time")]
    Conflict,
    /// The resource was deleted, created anew, moved to another shard, or cannot be decoded now, and the cached copy does
    /// not show it yet. The stream reports each of these, and then the watch is forgotten. It is not forgotten here: a copy
    /// that is still cached would join again at once, and be told at once of a fault that the engine has at hand.
    #[error("the resource is no longer what the watch stream has delivered")]
    Gone,
    /// A bug; it fails this one resource alone.
    #[error("the reconcile panicked")]
    Panic,
}

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
    // A watch that the sharder waits for is given up without regard to the backoff of other writes.
    if !drain::is_asked_for(object, context)
        && let Some(wait) = context.retries.backs_off(&key, context.clock.instant())
    {
        return Ok(Some(wait));
    }
    // One limit for all namespaces, so that more controllers do not make more concurrent requests to the API server.
    let _slot = context.slots.acquire().await;
    let begun = context.clock.instant();
    let work = async {
        if drain::acknowledged(object, context).await? {
            return Ok(());
        }
        match &object.0 {
            Ok(watch) => watch_over(watch, context).await,
            Err(undecodable) => invalid::report(context, undecodable).await,
        }
    };
    let result = AssertUnwindSafe(work).catch_unwind().await.unwrap_or(Err(Error::Panic));
    let took = context.clock.instant().duration_since(begun);
    context.metrics.reconciled(if result.is_ok() { "success" } else { "error" }, took);
    if result.is_ok() && context.retries.ended(&key) {
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
        Error::Kubernetes(error) => context.retries.is_passing(error, now),
        Error::Conflict | Error::Gone => true,
        Error::Panic => false,
    };
    let key = key_of(object);
    let (wait, tries) = context.retries.failed(&key, is_passing, now);
    let (namespace, name) = (object.namespace(), object.name_any());
    // A person who edits or deletes the watch just then causes it, and the next try or the stream ends it.
    let is_harmless = matches!(error, Error::Conflict | Error::Gone) && tries < UNUSUAL;
    if !is_harmless && context.retries.is_unlogged(&key) {
        tracing::error!(namespace, name, %error, "cannot reconcile; it is tried again, ever more rarely");
    } else {
        tracing::debug!(namespace, name, %error, "a try to reconcile failed");
    }
    context.poller.jitter(wait)
}

async fn watch_over<A: ApiServer>(watch: &ClusterBackupWatch, context: &Context<A>) -> Result<(), Error> {
    let nothing = ClusterBackupWatchStatus::default();
    let view = View::of(watch, &nothing);
    let news = newest(context, &view);
    let plan = decide(context, &view, news.as_ref());
    // Nothing is written from a copy that lags behind our own last write, and no outcome is taken over because such a
    // copy says it already. Nor is a transition published that was found by comparison with a stale copy: an Event
    // carries no resourceVersion by which the API server could refuse it.
    let tells = !plan.events.is_empty() && !view.status.conditions.is_empty();
    let (key, version) = (view.key(), view.version());
    if ((news.is_some() || !plan.is_empty()) && context.poller.is_behind(&key, version))
        || (tells && !context.poller.is_live(&key, version))
    {
        return from_live(context, &view, &plan, news.as_ref()).await;
    }
    match apply(context, &view, &plan, context.clock.now()).await? {
        Written::Done(basis) => {
            settle(context, &view, &plan, news.as_ref(), (basis, plan.status.is_some()));
        }
        Written::Gone => return Err(Error::Gone),
        Written::Conflict => return from_live(context, &view, &plan, news.as_ref()).await,
    }
    Ok(())
}

/// Reads the resource live, once, and plans again from that. If somebody else has written its status since, that status
/// may be of a later answer than ours: then our outcome is discarded, and the cluster is polled again.
async fn from_live<A: ApiServer>(
    context: &Context<A>,
    view: &View<'_>,
    planned: &Plan,
    news: Option<&News>,
) -> Result<(), Error> {
    let live = match context.api_server.watch(view.namespace, view.name).await? {
        Some(DeserializeGuard(Ok(live)))
            if live.metadata.uid.as_deref() == Some(view.uid)
                && context.ring.as_ref().is_none_or(|ring| ring.has(live.labels())) =>
        {
            live
        }
        Some(_) | None => return Err(Error::Gone),
    };
    let nothing = ClusterBackupWatchStatus::default();
    let live = View::of(&live, &nothing);
    let basis = live.basis();
    // A status that is equal to the planned one counts as ours: the reply to our write may have been lost.
    let is_ours =
        context.poller.is_ours(&view.key(), basis.status) || Some(live.status) == planned.status.as_ref();
    if !is_ours {
        context.poller.discard(&view.key(), &basis);
        return Ok(());
    }
    let plan = decide(context, &live, news);
    match apply(context, &live, &plan, context.clock.now()).await? {
        Written::Done(basis) => settle(context, &live, &plan, news, (basis, true)),
        Written::Gone => return Err(Error::Gone),
        Written::Conflict => return Err(Error::Conflict),
    }
    Ok(())
}

/// The outcome that the watch has not taken over yet.
fn newest<A>(context: &Context<A>, view: &View<'_>) -> Option<News> {
    if view.spec.suspend {
        context.poller.forget(&view.key());
        return None;
    }
    match view.demand(&context.served, context.clock.now()) {
        Ok(demand) => context.poller.demand(&view.key(), &demand),
        // No poll can be made for this spec, so the fault stands in for the outcome of one.
        Err(fault) => {
            context.poller.forget(&view.key());
            let outcome = Outcome::Fault { fault: Arc::new(fault), failures: 1 };
            Some(News { outcome, number: 0, for_request: true })
        }
    }
}

fn decide<A>(context: &Context<A>, view: &View<'_>, news: Option<&News>) -> Plan {
    let for_request = news.is_some_and(|news| news.for_request);
    plan::plan(&view.input(news.map(|news| &news.outcome), for_request, context.clock.now()))
}

/// Logs the change, and tells the engine that the resource says what was planned.
fn settle<A>(
    context: &Context<A>,
    view: &View<'_>,
    plan: &Plan,
    news: Option<&News>,
    (basis, is_live): (Basis, bool),
) {
    report(view, plan, news.map(|news| &news.outcome));
    let number = news.map(|news| news.number);
    let settled = Settled {
        number,
        has_request: view.request.is_some(),
        cadence: plan.cadence,
        judge_after: plan.judge_after,
        basis,
        is_live,
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
