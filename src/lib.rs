//! The library behind the command `cce-backup-watch`: a Kubernetes operator that reports the control-plane backups of
//! Huawei Cloud CCE clusters.
//!
//! Read [`controller`] first: it turns what the cloud says into a resource's status. [`poll`] decides which cluster is asked
//! when, and [`cloud`] is how Huawei Cloud is asked. [`api`] is what users see, and [`serve`] is what those who run the
//! operator need. [`operator`] puts them together. The other commands: [`tasks`] is the same poll without Kubernetes,
//! [`backup`] starts a backup, and [`discover`] makes watches from the list of clusters. [`cli`] has the flags of all.

pub mod api;
pub mod backup;
pub mod cli;
pub mod clock;
pub mod cloud;
pub mod controller;
pub mod discover;
pub mod kubernetes;
pub mod metrics;
pub mod operator;
pub mod poll;
pub mod probe;
pub mod serve;
pub mod tasks;
