//! The commands that run without the operator: [`tasks`] polls one cluster, [`backup`] starts a backup, [`discover`] makes
//! watches from the list of clusters, and [`probe`] asks a running operator whether it is well.
//!
//! They share one [`error`] type with the exit codes, and one way to write [`output`]; [`run`] runs them.

pub mod backup;
pub mod discover;
pub mod error;
pub mod output;
pub mod probe;
mod recording;
pub mod run;
pub mod tasks;
