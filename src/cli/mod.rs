//! The command line: every command's flags, their values, and what is made from their definition.
//!
//! Nothing here runs a command: [`crate::operator`] and [`crate::commands`] take the parsed flags. Each flag can also be set in the environment, as `CBW_` and the
//! flag in upper snake case; that of the probe has the prefix `CBW_PROBE_`.

pub mod backup;
mod cloud;
mod cluster;
mod controller;
pub mod credentials;
pub mod discover;
pub mod environment;
mod follow;
pub mod manual;
mod probe;
pub mod tasks;
mod value;

use std::ffi::OsStr;
use std::path::Path;

use clap::{CommandFactory, Parser, Subcommand};

use backup::BackupArgs;
pub use cloud::CloudArgs;
pub use cluster::ClusterArgs;
pub use controller::ControllerArgs;
pub use credentials::CredentialArgs;
use discover::DiscoverArgs;
pub use follow::{FollowArgs, LogArgs, Output};
use manual::{Page, Shell};
pub use probe::ProbeArgs;
use tasks::TasksArgs;
pub use value::is_namespace;

/// Reports the control-plane backups of Huawei Cloud CCE clusters as Kubernetes resources.
#[derive(Debug, Parser)]
#[command(name = "cce-backup-watch", version, about, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "The resources themselves are read with plain kubectl: `kubectl get cbw`.")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the operator: poll the cloud for every ClusterBackupWatch and write what it says into its status.
    Controller(Box<ControllerArgs>),
    /// Ask for the snapshot tasks of one cluster without Kubernetes: once, or until its newest backup is finished.
    Tasks(Box<TasksArgs>),
    /// Start one backup of a cluster and follow it to its end. The only command that changes anything in the cloud.
    Backup(Box<BackupArgs>),
    /// List the clusters of projects and print a ClusterBackupWatch for each, or what differs from those there are.
    Discover(Box<DiscoverArgs>),
    /// Ask a URL until it answers with success: what `helm test` does, in an image without a shell.
    Probe(ProbeArgs),
    /// Print the CustomResourceDefinition as YAML.
    Crd,
    /// Print the completions for a shell.
    Completion {
        /// The shell.
        shell: Shell,
    },
    /// Print a man page, such as `cce-backup-watch man tasks | man -l -`.
    Man {
        /// The command whose page it is; the page of the program itself when absent.
        command: Option<Page>,
    },
}

impl Cli {
    /// The definition, under the name that it was called by: `kubectl cbw` when it runs as kubectl's plugin.
    pub fn called(argv0: Option<&OsStr>) -> clap::Command {
        let name = argv0.and_then(|path| Path::new(path).file_name());
        let command = Self::command();
        if name.is_some_and(|name| name == PLUGIN) { command.bin_name("kubectl cbw") } else { command }
    }
}

/// Flags that do not fit together, or a variable that stands for a flag and cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}; see --help")]
pub struct UsageError(String);

impl UsageError {
    fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

/// The name under which kubectl finds a plugin `cbw`.
pub const PLUGIN: &str = "kubectl-cbw";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
