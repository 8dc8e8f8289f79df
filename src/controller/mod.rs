//! The controller: the status of a `ClusterBackupWatch` says what the cloud says of its cluster's backups.
//!
//! ```text
//! watch event, or outcome of the polling engine       (streams)
//!   → demand     the newest outcome                   (reconcile; no I/O)
//!   → plan       what that means                      (pure)
//!   → refresh    a live read, where the plan tells a transition or the copy is not the one written last
//!   → apply      Events, then the status
//!   → settle     what the watch wants from now on
//! ```
//!
//! A cloud fault is an outcome, not an error. [`shard`] is put around the reconciler from outside.

pub mod apply;
pub mod context;
pub mod error;
pub mod freshness;
pub mod identity;
pub mod invalid;
pub mod memory;
pub mod object;
pub mod plan;
pub mod reconcile;
pub mod shard;
mod stream_backoff;
pub mod streams;
