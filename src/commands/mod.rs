//! The commands that run without the operator: [`tasks`] polls one cluster, [`backup`] starts a backup, [`discover`] makes
//! watches from the list of clusters, and [`probe`] asks a running operator whether it is well. [`status`] and [`poll`] ask the
//! API server how the watches stand, and the operator to look again.
//!
//! They share one [`error`] type with the exit codes, one way to write [`output`], one [`table`] and one clock ([`moment`]); [`run`]
//! runs them. [`watch`] is a watch as they read it, and [`which`] the cluster that a watch or the flags
//! name.

pub mod backup;
pub mod discover;
pub mod error;
pub mod moment;
pub mod output;
pub mod poll;
pub mod probe;
mod recording;
pub mod run;
pub mod status;
pub mod table;
pub mod tasks;
pub mod watch;
pub mod which;
