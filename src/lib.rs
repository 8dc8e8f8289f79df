//! The library behind the command `cce-backup-watch`: a Kubernetes operator that reports the control-plane backups of
//! Huawei Cloud CCE clusters.
//!
//! Read [`controller`] first: it reconciles a resource, which writes the cloud's answer into the status. [`poll`]
//! decides when each cluster is polled, and [`cloud`] makes the requests to Huawei Cloud. [`api`] defines the resource,
//! [`kubernetes`] gives access to the API server, and [`serve`] has what running the operator needs, such as metrics
//! and probes. [`operator`] puts them together. [`commands`] has what runs without the operator, and [`cli`] the flags of
//! every command. [`task`] is the vocabulary of tasks that all of them share, and [`upgrade`] that of upgrades.

pub mod api;
pub mod cli;
pub mod clock;
pub mod cloud;
pub mod commands;
pub mod controller;
pub mod kubernetes;
pub mod operator;
pub mod poll;
pub mod serve;
pub mod task;
pub mod upgrade;
