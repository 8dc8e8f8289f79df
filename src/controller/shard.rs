//! This process as a shard of a ring of `kubernetes-controller-sharding`: which resources are its own, and how it gives one
//! up that the sharder wants to move.
//!
//! The sharder assigns a resource by a label that names the shard. To move it, it adds a second label, and waits until the
//! shard has removed both with one write. [`around`] puts this before the reconciler, which knows of no shards. A resource has
//! at most one reconcile at a time, so that the one that acknowledges the move comes after the last write of this shard.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::{ResourceExt, runtime::controller::Action};
use serde_json::{Value, json};

use super::{context::Context, error::Error, object::key_of, reconcile};
use crate::api::Guarded;
use crate::kubernetes::ApiServer;

/// The label of a shard's Lease; its value is the name of the ring.
pub const RING_LABEL: &str = "alpha.sharding.timebertt.dev/controllerring";
/// What the keys of the labels of a resource begin with; the name of the ring follows.
const SHARD_PREFIX: &str = "shard.alpha.sharding.timebertt.dev/";
const DRAIN_PREFIX: &str = "drain.alpha.sharding.timebertt.dev/";

/// One shard of a ring.
#[derive(Clone, Debug)]
pub struct Ring {
    name: String,
    shard: String,
    shard_label: String,
    drain_label: String,
}

impl Ring {
    /// The shard of this name in a ring of this name.
    pub fn new(name: &str, shard: &str) -> Self {
        Self {
            name: name.to_owned(),
            shard: shard.to_owned(),
            shard_label: format!("{SHARD_PREFIX}{name}"),
            drain_label: format!("{DRAIN_PREFIX}{name}"),
        }
    }

    /// The labels of the Lease by which the sharder knows the shard.
    pub fn lease_labels(&self) -> BTreeMap<String, String> {
        [(RING_LABEL.to_owned(), self.name.clone())].into()
    }

    /// The selector of the resources that are assigned to the shard.
    pub fn selector(&self) -> String {
        format!("{}={}", self.shard_label, self.shard)
    }

    /// The labels by which a resource says whose it is.
    pub fn labels(&self) -> [String; 2] {
        [self.shard_label.clone(), self.drain_label.clone()]
    }

    /// Whether a resource with these labels is assigned to the shard.
    pub fn has(&self, labels: &BTreeMap<String, String>) -> bool {
        labels.get(&self.shard_label) == Some(&self.shard)
    }

    /// Whether the sharder waits for the shard to give up a resource with these labels. The label's value is ignored.
    pub fn drains(&self, labels: &BTreeMap<String, String>) -> bool {
        self.has(labels) && labels.contains_key(&self.drain_label)
    }

    /// Removes both labels from the resource of this version.
    fn acknowledgement(&self, resource_version: Option<&str>) -> Value {
        json!({ "metadata": {
            "resourceVersion": resource_version,
            "labels": { &self.shard_label: null, &self.drain_label: null },
        } })
    }
}

/// The reconciler of a shard: a resource that the sharder asks for is given up, and any other is reconciled. Then the stream
/// reports it as deleted, or delivers it again if it is still or again this shard's.
pub async fn around<A: ApiServer>(
    ring: Option<&Ring>,
    object: Arc<Guarded>,
    context: Arc<Context<A>>,
) -> Result<Action, Error> {
    let Some(ring) = ring.filter(|ring| ring.drains(object.labels())) else {
        return reconcile::reconcile(object, context).await;
    };
    // First, so that nothing is polled for the resource from now on.
    context.poller.forget(&key_of(&object));
    if give_up(ring, &context.api_server, &object).await? {
        let (namespace, name) = (object.namespace(), object.name_any());
        tracing::info!(namespace, name, ring = ring.name, "gave the watch up for another shard");
    }
    Ok(Action::await_change())
}

/// Removes both labels; false if the resource is no longer this shard's to give up.
async fn give_up(ring: &Ring, api_server: &impl ApiServer, object: &Guarded) -> Result<bool, Error> {
    if acknowledge(ring, api_server, object).await? {
        return Ok(true);
    }
    // Somebody has written the resource, perhaps this shard a moment ago, so one more try is made from a live read.
    let live = api_server.watch(&object.namespace().unwrap_or_default(), &object.name_any()).await?;
    match live.filter(|live| ring.drains(live.labels())) {
        Some(live) if !acknowledge(ring, api_server, &live).await? => Err(Error::Conflict),
        live => Ok(live.is_some()),
    }
}

/// Removes both labels from this version of a resource; false if it has another version or is gone.
async fn acknowledge(ring: &Ring, api_server: &impl ApiServer, object: &Guarded) -> Result<bool, Error> {
    let patch = ring.acknowledgement(object.resource_version().as_deref());
    let namespace = object.namespace().unwrap_or_default();
    match api_server.patch_metadata(&namespace, &object.name_any(), &patch).await {
        Ok(()) => Ok(true),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex};

    use axum::http::{Method, Request, Response};
    use kube::{Client, client::Body};

    use super::*;

    const SHARD: &str = "shard.alpha.sharding.timebertt.dev/hub";
    const DRAIN: &str = "drain.alpha.sharding.timebertt.dev/hub";

    fn labels(of: &[(&str, &str)]) -> BTreeMap<String, String> {
        of.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_shard_has_what_is_assigned_to_it_and_gives_up_what_it_has() {
        let ring = Ring::new("hub", "pod-1");
        for (of, has, drains) in [
            (&[][..], false, false),
            (&[(SHARD, "pod-1")], true, false),
            (&[(SHARD, "pod-2")], false, false),
            (&[(SHARD, "pod-1"), (DRAIN, "true")], true, true),
            (&[(SHARD, "pod-1"), (DRAIN, "")], true, true),
            (&[(SHARD, "pod-2"), (DRAIN, "true")], false, false),
            (&[(DRAIN, "true")], false, false),
            (&[("shard.alpha.sharding.timebertt.dev/other", "pod-1")], false, false),
        ] {
            let labels = labels(of);
            assert_eq!((ring.has(&labels), ring.drains(&labels)), (has, drains), "{of:?}");
        }
    }

    #[test]
    fn the_sharder_knows_the_shard_by_the_names_of_its_documents() {
        let ring = Ring::new("hub", "pod-1");
        assert_eq!(ring.selector(), "shard.alpha.sharding.timebertt.dev/hub=pod-1");
        assert_eq!(ring.lease_labels(), labels(&[("alpha.sharding.timebertt.dev/controllerring", "hub")]));
    }

    #[test]
    fn both_labels_go_with_one_write_that_fits_one_version_only() {
        let expected = json!({ "metadata": {
            "resourceVersion": "7", "labels": { SHARD: null, DRAIN: null },
        } });
        assert_eq!(Ring::new("hub", "pod-1").acknowledgement(Some("7")), expected);
    }

    /// What an API server was asked.
    type Asked = Arc<Mutex<Vec<(Method, Value)>>>;

    /// An API server that gives these answers in turn.
    fn api_server(answers: Vec<(u16, Value)>) -> (Client, Asked) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (keep, answers) = (asked.clone(), Arc::new(Mutex::new(VecDeque::from(answers))));
        let service = tower::service_fn(move |request: Request<Body>| {
            let (keep, answers) = (keep.clone(), answers.clone());
            async move {
                let method = request.method().clone();
                let body = request.into_body().collect_bytes().await?;
                keep.lock().unwrap().push((method, serde_json::from_slice(&body).unwrap_or_default()));
                let (status, body) = answers.lock().unwrap().pop_front().expect("nothing more is asked");
                let response = Response::builder().status(status);
                Ok::<_, kube::Error>(response.body(Body::from(body.to_string().into_bytes())).unwrap())
            }
        });
        (Client::new(service, "platform"), asked)
    }

    fn refused(code: u16) -> (u16, Value) {
        let reason = if code == 404 { "NotFound" } else { "Conflict" };
        (
            code,
            json!({ "kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": "" }),
        )
    }

    /// A resource without a spec, because one that cannot be decoded is given up too.
    fn stored(version: &str, labels: &[(&str, &str)]) -> (u16, Value) {
        let metadata = json!({ "name": "prod", "resourceVersion": version, "labels": self::labels(labels) });
        let api_version = "cce.backupwatch.io/v1alpha1";
        (200, json!({ "apiVersion": api_version, "kind": "ClusterBackupWatch", "metadata": metadata }))
    }

    #[tokio::test]
    async fn a_watch_that_was_written_in_between_is_given_up_from_what_is_there_now() {
        let drained = [(SHARD, "pod-1"), (DRAIN, "true")];
        for (answers, given, patches) in [
            (vec![stored("8", &[])], Some(true), &["7"][..]),
            (vec![refused(409), stored("9", &drained), stored("10", &[])], Some(true), &["7", "9"]),
            // It was given up before, and is another shard's.
            (vec![refused(409), stored("9", &[(SHARD, "pod-2")])], Some(false), &["7"]),
            (vec![refused(404), refused(404)], Some(false), &["7"]),
            // The reconcile is tried again.
            (vec![refused(409), stored("9", &drained), refused(409)], None, &["7", "9"]),
        ] {
            let (api_server, asked) = api_server(answers);
            let ring = Ring::new("hub", "pod-1");
            let object = serde_json::from_value(stored("7", &drained).1).unwrap();
            assert_eq!(give_up(&ring, &api_server, &object).await.ok(), given);
            let asked = asked.lock().unwrap();
            let sent: Vec<_> = asked.iter().filter(|(method, _)| method == Method::PATCH).collect();
            let expected: Vec<_> =
                patches.iter().map(|version| ring.acknowledgement(Some(version))).collect();
            assert_eq!(
                sent.iter().map(|(_, patch)| patch).collect::<Vec<_>>(),
                expected.iter().collect::<Vec<_>>()
            );
        }
    }
}
