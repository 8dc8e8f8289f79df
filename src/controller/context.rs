//! What every reconcile shares, and the view of one resource that the steps pass along.

use std::time::Duration;

use jiff::Timestamp;
use kube::{Client, ResourceExt};

use super::{
    identity::OperatorIdentity,
    pace::{Key, Paces},
    plan,
    plan::verdict,
    secrets::Secrets,
};
use crate::api::{ClusterBackupWatch, ClusterBackupWatchSpec, ClusterBackupWatchStatus, REQUESTED_AT};
use crate::cloud::share::Sharing;
use crate::serve::metrics::Metrics;

/// What every reconcile shares.
pub struct Context {
    /// Access to Kubernetes.
    pub client: Client,
    /// Who we are in the Events: the pod's name.
    pub instance: String,
    /// Fetches shared among watches.
    pub sharing: Sharing,
    /// Credentials from Secrets.
    pub secrets: Secrets,
    /// The operator's own identity.
    pub identity: OperatorIdentity,
    /// What is remembered between looks.
    pub paces: Paces,
    /// What is counted.
    pub metrics: Metrics,
}

/// One resource, as a look sees it.
pub struct Look<'a> {
    /// The resource.
    pub watch: &'a ClusterBackupWatch,
    /// `metadata.namespace`
    pub namespace: &'a str,
    /// `metadata.uid`
    pub uid: &'a str,
    /// `metadata.generation`
    pub generation: Option<i64>,
    /// What the user wants.
    pub spec: &'a ClusterBackupWatchSpec,
    /// What the resource says so far.
    pub status: &'a ClusterBackupWatchStatus,
    /// A request to poll that was not handled yet.
    pub request: Option<String>,
}

impl<'a> Look<'a> {
    /// The view of a resource; `nothing` stands in for a status that is not there.
    pub fn at(watch: &'a ClusterBackupWatch, nothing: &'a ClusterBackupWatchStatus) -> Self {
        let status = watch.status.as_ref().unwrap_or(nothing);
        // While suspended a request waits for the end of the suspension.
        let request = watch
            .annotations()
            .get(REQUESTED_AT)
            .filter(|_| !watch.spec.suspend)
            .map(|value| plan::echo(value))
            .filter(|value| status.last_handled_reconcile_at.as_ref() != Some(value));
        Self {
            watch,
            namespace: watch.metadata.namespace.as_deref().unwrap_or_default(),
            uid: watch.metadata.uid.as_deref().unwrap_or_default(),
            generation: watch.metadata.generation,
            spec: &watch.spec,
            status,
            request,
        }
    }

    /// Namespace and name.
    pub fn key(&self) -> Key {
        Key::new(Some(self.namespace), self.watch.metadata.name.as_deref())
    }

    /// Whether a task was running when the resource was last written.
    pub fn runs(&self) -> bool {
        verdict::runs(self.status.tasks.as_deref(), self.spec.stuck_after, Timestamp::now())
    }

    /// `metadata.creationTimestamp`
    pub fn created(&self) -> Option<Timestamp> {
        self.watch.metadata.creation_timestamp.as_ref().map(|time| time.0)
    }
}

/// How long the API server may take for a request. Without a limit a connection that has gone silent would hold one of
/// the places in which resources are worked on for ever.
const ANSWER: Duration = Duration::from_secs(10);

/// The answer of the API server, if it comes in time.
pub async fn answer<T>(request: impl Future<Output = Result<T, kube::Error>>) -> Result<T, kube::Error> {
    tokio::time::timeout(ANSWER, request)
        .await
        .unwrap_or_else(|_| Err(kube::Error::Service("the API server did not answer in time".into())))
}
