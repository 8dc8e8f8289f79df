//! Huawei Cloud: where a cluster's API is, how a request is signed, and what an answer says.
//!
//! Nothing here talks to Kubernetes. [`client`] polls the tasks and [`upgrades`] the upgrades; [`start_backup`] and
//! [`clusters`] are the calls of commands.
//! When a cluster is polled is left to [`crate::poll`], and what an answer *means* for a resource to
//! [`crate::controller::plan`].

pub(crate) mod bound;
pub mod client;
pub mod clusters;
mod connections;
pub mod credentials;
mod error_body;
pub mod fault;
pub(crate) mod field;
pub mod http;
mod list;
mod newest;
pub mod other_type;
pub mod proxy;
mod redact;
pub mod refusal;
pub mod region;
mod request;
pub mod retry_after;
pub mod sign;
pub mod skew;
pub mod start_backup;
pub mod tap;
pub mod target;
pub mod text;
pub mod time;
mod tls;
pub mod upgrades;
pub mod wire;

use jiff::Timestamp;

/// What one call to the snapshot-task API returned, decoded and cleaned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Answer {
    /// The tasks in the order of the answer, each uid once.
    pub tasks: Vec<Task>,
    /// The API's `status.latestBackupTime`; information only.
    pub latest_backup_time: Option<Timestamp>,
    /// Items that were no object, or had no usable uid, and so are not in `tasks`.
    pub left_out: usize,
    /// Tasks that are not in `tasks` because there are too many; the oldest ones.
    pub dropped: usize,
}

/// One snapshot task as the API reported it. Every field but the uid may be absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Task {
    /// 1 to 128 characters, cleaned.
    pub uid: String,
    /// Cleaned, at most 64 characters; cleaning never turns another phase into `Success` or `Failed`.
    pub phase: Option<String>,
    /// 0 to 100, absent for anything else.
    pub progress: Option<u8>,
    /// When the task was created.
    pub creation_time: Option<Timestamp>,
    /// When the task last changed.
    pub update_time: Option<Timestamp>,
    /// Proves nothing by itself: the API's own sample has one on a Running task.
    pub completion_time: Option<Timestamp>,
    /// The task's parts, from the `spec.items` that the API announces as going away.
    pub items: Vec<Item>,
}

/// One part of a task, such as the backup of etcd or of a disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Item {
    /// Cleaned, at most 128 characters.
    pub id: Option<String>,
    /// `master-backup` or `master-backup-rollback`; cleaned, at most 64 characters.
    pub type_: Option<String>,
    /// Init, Queuing, Running, Pause, Success or Failed; cleaned, at most 64 characters.
    pub status: Option<String>,
    /// When the part was created.
    pub creation_time: Option<Timestamp>,
    /// When the part last changed.
    pub update_time: Option<Timestamp>,
    /// Cleaned, at most 256 characters.
    pub message: Option<String>,
}
