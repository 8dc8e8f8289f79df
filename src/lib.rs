//! The library behind the command `cce-backup-watch`: a Kubernetes operator that reports the control-plane backups of
//! Huawei Cloud CCE clusters.
//!
//! Read [`watch`] first: it is the controller. [`api`] is what users see, [`cloud`] is how Huawei Cloud is asked, and
//! [`serve`] is what those who run the operator need. [`controller`] puts them together. [`tasks`] is the same poll
//! without Kubernetes.

pub mod api;
pub mod cli;
pub mod cloud;
pub mod controller;
pub mod manual;
pub mod serve;
pub mod tasks;
pub mod watch;
