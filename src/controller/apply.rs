//! Apply: the Events, then the status. The only writes.
//!
//! Events come first, and their names are derived from what they report: a crash between the two repeats harmlessly.
//! The status is written by server-side apply with the resourceVersion that was looked at, so that a stale cache or a
//! deposed leader never moves a status backwards.

use jiff::Timestamp;
use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event as EventObject},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;

use super::{
    context::{Context, Look, answer},
    plan::{Event, Plan},
};
use crate::api::{CONTROLLER, ClusterBackupWatch};

/// How a status write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// The resource says now what was planned.
    Done,
    /// The resource is no longer what was looked at: look again.
    Conflict,
    /// The resource is gone.
    Gone,
}

/// Publishes the Events, then writes the status.
pub async fn apply(context: &Context, look: &Look<'_>, plan: &Plan) -> Result<Written, kube::Error> {
    for event in &plan.events {
        publish(context, look, event).await;
    }
    let Some(status) = &plan.status else { return Ok(Written::Done) };
    let patch = json!({
        "apiVersion": ClusterBackupWatch::api_version(&()),
        "kind": ClusterBackupWatch::kind(&()),
        "metadata": { "resourceVersion": look.watch.resource_version() },
        "status": status,
    });
    let api: Api<ClusterBackupWatch> = Api::namespaced(context.client.clone(), look.namespace);
    let params = PatchParams::apply(CONTROLLER).force();
    let (written, result) =
        match answer(api.patch_status(&look.watch.name_any(), &params, &Patch::Apply(&patch))).await {
            Ok(_) => (Ok(Written::Done), "success"),
            Err(kube::Error::Api(error)) if error.code == 409 => (Ok(Written::Conflict), "conflict"),
            Err(kube::Error::Api(error)) if error.code == 404 => (Ok(Written::Gone), "gone"),
            Err(error) => (Err(error), "error"),
        };
    context.metrics.status_written(result);
    written
}

/// Publishes one Event. "Already exists" is success: it was published before. A failure is logged and counted, and the
/// status moves on: it is what verdicts and alerts are made from.
async fn publish(context: &Context, look: &Look<'_>, event: &Event) {
    let api: Api<EventObject> = Api::namespaced(context.client.clone(), look.namespace);
    let object = object(context, look, event);
    let result = match answer(api.create(&PostParams::default(), &object)).await {
        Ok(_) => "success",
        Err(kube::Error::Api(error)) if error.code == 409 => "exists",
        Err(error) => {
            tracing::warn!(
                namespace = look.namespace, name = look.watch.name_any(), reason = event.reason, %error,
                "cannot publish an Event"
            );
            "error"
        }
    };
    context.metrics.event_published(event.reason, result);
}

fn object(context: &Context, look: &Look<'_>, event: &Event) -> EventObject {
    EventObject {
        metadata: ObjectMeta {
            name: Some(event.name.clone()),
            namespace: Some(look.namespace.to_owned()),
            ..Default::default()
        },
        // Of the resource as it is, without the resourceVersion, which would change from try to try.
        regarding: Some(ObjectReference { resource_version: None, ..look.watch.object_ref(&()) }),
        reason: Some(event.reason.to_owned()),
        action: Some("Poll".to_owned()),
        note: Some(event.note.clone()),
        type_: Some(if event.warning { "Warning" } else { "Normal" }.to_owned()),
        event_time: Some(MicroTime(Timestamp::now())),
        reporting_controller: Some(CONTROLLER.to_owned()),
        reporting_instance: Some(context.instance.clone()),
        ..Default::default()
    }
}
