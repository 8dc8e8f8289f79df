//! The commands that run without the operator: [`tasks`] polls one cluster, [`backup`] starts a backup, [`discover`] makes
//! watches from the list of clusters, and [`probe`] asks a running operator whether it is well.

pub mod backup;
pub mod discover;
pub mod probe;
pub mod tasks;
