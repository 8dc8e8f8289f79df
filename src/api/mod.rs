//! What users write and read: the `ClusterBackupWatch` resource, its conditions and their reasons.
//!
//! The Rust types are the source of the `CustomResourceDefinition`; [`crd`] finishes what the derive macros cannot say.

pub mod condition;
pub mod crd;
pub mod duration;
pub mod reason;
mod rule;
pub mod spec;
pub mod status;

use kube::core::DeserializeGuard;

pub use reason::{EventReason, Reason};
pub use spec::{ClusterBackupWatch, ClusterBackupWatchSpec, ClusterType, Credentials, SecretRef, Upgrades};
pub use status::{
    ClusterBackupWatchStatus, FailureRecord, ItemStatus, SuccessRecord, TaskStatus, UpgradeStatus,
};

/// A resource, or why it cannot be decoded: one that cannot be decoded must not stop the watch of all others.
pub type Guarded = DeserializeGuard<ClusterBackupWatch>;

/// The version of the resource, as its manifests name it.
pub const API_VERSION: &str = "cce.backupwatch.io/v1alpha1";

/// The kind of the resource.
pub const KIND: &str = "ClusterBackupWatch";

/// The annotation that requests a poll: each new value polls once, now, and is echoed into
/// `status.lastHandledReconcileAt`.
pub const REQUESTED_AT: &str = "cce.backupwatch.io/requestedAt";

/// The annotation that has the name under which people know the cluster, in any script. Event notes and tables show it.
pub const DISPLAY_NAME: &str = "cce.backupwatch.io/display-name";

/// The name under which this operator owns fields and reports Events.
pub const CONTROLLER: &str = "cce-backup-watch";
