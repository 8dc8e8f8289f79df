//! Why a reconcile failed: Kubernetes itself did, never the cloud, whose faults are outcomes.

use crate::kubernetes;

/// Kubernetes itself failed, or the reconcile did.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A request to the API server failed.
    #[error("a request to the API server failed: {}", kubernetes::told(.0))]
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
