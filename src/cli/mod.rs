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
pub mod poll;
mod probe;
pub mod status;
pub mod tasks;
mod value;
pub mod watch;

use std::ffi::OsStr;
use std::path::Path;

use clap::{ArgMatches, CommandFactory, Parser, Subcommand, error::ErrorKind};

use backup::BackupArgs;
pub use cloud::CloudArgs;
pub use cluster::ClusterArgs;
pub use controller::ControllerArgs;
pub use credentials::CredentialArgs;
use discover::DiscoverArgs;
pub use follow::{FollowArgs, LogArgs, Output};
use manual::{Page, Shell};
use poll::PollArgs;
pub use probe::ProbeArgs;
use status::StatusArgs;
use tasks::TasksArgs;
pub use value::is_namespace;

/// Reports the control-plane backups of Huawei Cloud CCE clusters as Kubernetes resources.
#[derive(Debug, Parser)]
#[command(name = "cce-backup-watch", version, about, propagate_version = true, arg_required_else_help = true)]
#[command(
    after_help = "The resources themselves are read with plain kubectl: `kubectl get cbw`.\nUnder the name kubectl-cbw this is a \
plugin of kubectl: `kubectl cbw status`."
)]
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
    /// Show every watch on one screen, the worst first, and whether an operator is alive.
    Status(Box<StatusArgs>),
    /// Ask the operator to poll a watch now, and say how its backup stands.
    Poll(Box<PollArgs>),
    /// Ask for the snapshot tasks of one cluster without the operator: once, or until its newest backup is finished.
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

    /// Refuses what clap cannot by itself: a flag and a watch that both name a cluster.
    pub fn checked(matches: ArgMatches) -> Result<ArgMatches, clap::Error> {
        let beside = matches.subcommand().and_then(|(_, of_command)| cluster::beside_a_watch(of_command));
        let Some(flag) = beside else { return Ok(matches) };
        let text =
            format!("the watch says which cluster: leave out --{}, or the watch", flag.replace('_', "-"));
        Err(Self::command().error(ErrorKind::ArgumentConflict, text))
    }
}

/// Flags that do not fit together, or a variable that stands for a flag and cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}; see --help")]
pub struct UsageError(String);

impl UsageError {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

/// The name under which kubectl finds a plugin `cbw`.
pub const PLUGIN: &str = "kubectl-cbw";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_stands_for_the_flags_of_its_cluster() {
        let said = |arguments: &[&str]| {
            let all = ["cce-backup-watch", "tasks"].iter().chain(arguments);
            let matches = Cli::command().try_get_matches_from(all).and_then(Cli::checked);
            matches.map_or_else(|error| error.to_string(), |_| String::new())
        };
        let id = "11111111-2222-3333-4444-555555555555";
        assert_eq!(said(&["platform/prod"]), "");
        assert_eq!(said(&["prod", "--watch", "--secret", "platform/other"]), "");
        assert_eq!(said(&["--region", "cn-north-4", "--cluster-id", id]), "");
        assert!(said(&["prod", "--cluster-id", id]).contains("leave out --cluster-id"));
        assert!(said(&["prod", "--cluster-type", "Standard"]).contains("leave out --cluster-type"));
        assert!(said(&[]).contains("--region"));
        assert!(said(&["a/b/c"]).contains("NAMESPACE/NAME"));
    }

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
