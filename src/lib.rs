//! The library behind the command `cce-backup-watch`: a Kubernetes operator that reports the control-plane backups of
//! Huawei Cloud CCE clusters.
//!
//! Read [`controller`] first: it reconciles a resource, which writes the cloud's answer into the status. [`poll`]
//! decides when each cluster is polled, and [`cloud`] makes the requests to Huawei Cloud. [`api`] defines the resource,
//! [`kubernetes`] gives access to the API server, and [`serve`] has what running the operator needs, such as metrics
//! and probes. [`operator`] puts them together. The other commands: [`tasks`] polls without a resource, [`backup`]
//! starts a backup, and [`discover`] makes watches from the list of clusters. [`cli`] has the flags of all commands.

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
