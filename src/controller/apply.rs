//! Apply: the Events, then the status.
//!
//! Events come first, and their names are derived from what they report: a crash between the two repeats harmlessly. The
//! status is replaced as a whole and carries the resourceVersion that it was planned from, so that a stale cache or a
//! deposed leader never moves a status backwards. When a failed write is tried again is left to [`super::memory`].

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event as EventObject},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::Resource;

use super::{
    context::{Context, View},
    error::Error,
    freshness,
    plan::{Event, Plan},
};
use crate::api::{CONTROLLER, condition::types};
use crate::kubernetes::{ApiServer, told};
use crate::serve::metrics::Metrics;

/// Publishes the Events, then writes the status. Afterwards the resource says what was planned. `refused` has the Events that the
/// API server has refused in this attempt: a second plan does not send them once more.
pub async fn apply<A: ApiServer>(
    context: &Context<A>,
    view: &View<'_>,
    plan: &Plan,
    refused: &mut BTreeSet<String>,
    now: Timestamp,
) -> Result<(), Error> {
    let mut lost = Vec::new();
    for event in plan.events.iter().filter(|event| !refused.contains(&event.name)) {
        if let Some(error) = publish(context, view, event, now).await? {
            lost.push((event, error));
        }
    }
    // Only here is an Event that was given up lost: if another one holds back the status, both are tried again.
    for (event, error) in lost {
        tracing::warn!(
            namespace = view.namespace,
            name = view.name,
            reason = event.reason,
            error = told(&error),
            "cannot publish an Event; it is lost, and the status is written without it"
        );
        context.metrics.event_published(event.reason, "error");
        refused.insert(event.name.clone()); // mark: refused event
    }
    let Some(status) = &plan.status else { return Ok(()) };
    let mut watch = view.watch.clone();
    let mut status = status.clone();
    let key = view.key();
    context.memory.freshness(&key, view.uid, |known| known.sends(freshness::hash(&status)));
    // Conditions of other types belong to other owners, so they are kept.
    let others =
        view.status.conditions.iter().filter(|condition| !types::ALL.contains(&condition.type_.as_str()));
    status.conditions.extend(others.cloned());
    watch.status = Some(status);
    let reply = context.api_server.replace_status(&watch).await;
    if let Ok(stored) = &reply {
        let stored = stored.as_ref().map(freshness::hash);
        context
            .memory
            .freshness(&key, view.uid, |known| stored.into_iter().for_each(|stored| known.wrote(stored)));
    }
    written(&context.metrics, reply.map(drop))
}

/// How a status write ended, by the reply to it; also counts it.
pub fn written(metrics: &Metrics, reply: Result<(), kube::Error>) -> Result<(), Error> {
    let (written, result) = match reply {
        Ok(()) => (Ok(()), "success"),
        Err(kube::Error::Api(error)) if error.code == 409 => (Err(Error::Conflict), "conflict"),
        Err(kube::Error::Api(error)) if error.code == 404 => (Err(Error::Gone), "gone"),
        Err(error) => (Err(error.into()), "error"),
    };
    metrics.status_written(result);
    written
}

/// Publishes one Event. "Already exists" is success, because the Event was published before. A failure that may pass is
/// an error, which holds back the status for a while. After that, or if the failure is lasting, the Event is given up for
/// the error that is returned, and the status is written, because verdicts and alerts are made from the status.
async fn publish<A: ApiServer>(
    context: &Context<A>,
    view: &View<'_>,
    event: &Event,
    now: Timestamp,
) -> Result<Option<kube::Error>, kube::Error> {
    let key = view.key();
    if context.memory.is_published(&key, &event.name) {
        return Ok(None);
    }
    let event_object = object(context, view, event, now);
    let mut created = context.api_server.create_event(&event_object).await;
    let at = context.clock.instant();
    let is_passing = |error| context.memory.is_passing(error, at); // mark: event held
    if let Err(error) = &created
        && !is_told(error)
        && is_passing(error)
    {
        if context.memory.holds_back(&key, &event.name, at) {
            return created.map(|()| None);
        }
        // At the end of a long outage this may be the last request that fails, and the status the first write that
        // succeeds. So the Event is given up only if the API server answers a read and then refuses it again.
        context.api_server.watch(view.namespace, view.name).await?;
        created = context.api_server.create_event(&event_object).await;
    }
    let result = match created {
        Ok(()) => "success",
        Err(error) if is_told(&error) => "exists",
        Err(error) => return Ok(Some(error)),
    };
    context.memory.published(&key, &event.name);
    context.metrics.event_published(event.reason, result);
    Ok(None)
}

/// Whether the error says that the Event was published before.
fn is_told(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_already_exists()) // mark: event exists
}

fn object<A>(context: &Context<A>, view: &View<'_>, event: &Event, now: Timestamp) -> EventObject {
    EventObject {
        metadata: ObjectMeta {
            name: Some(event.name.clone()),
            namespace: Some(view.namespace.to_owned()),
            ..Default::default()
        },
        // The reference has no resourceVersion, which would differ from try to try.
        regarding: Some(ObjectReference { resource_version: None, ..view.watch.object_ref(&()) }),
        reason: Some(event.reason.to_owned()),
        action: Some("Poll".to_owned()),
        note: Some(event.note.clone()),
        type_: Some(if event.warning { "Warning" } else { "Normal" }.to_owned()),
        event_time: Some(MicroTime(now)),
        reporting_controller: Some(CONTROLLER.to_owned()),
        reporting_instance: Some(context.instance.clone()),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use kube::core::{Status, response::StatusSummary};

    use super::*;

    #[test]
    fn a_write_that_somebody_else_foiled_is_no_fault_of_kubernetes() {
        let refused = |code| {
            let status = Status { code, status: Some(StatusSummary::Failure), ..Status::default() };
            written(&Metrics::default(), Err(kube::Error::Api(status.boxed()))).unwrap_err()
        };
        assert!(written(&Metrics::default(), Ok(())).is_ok());
        assert!(matches!(refused(409), Error::Conflict));
        assert!(matches!(refused(404), Error::Gone));
        assert!(matches!(refused(500), Error::Kubernetes(_)));
    }
}
