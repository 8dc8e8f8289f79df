//! The flags of `cce-backup-watch status`.

use clap::{Args, ValueEnum};

use super::{
    LogArgs,
    value::{namespace, selector},
    watch::WatchName,
};

// In ASCII and in short lines, because it is part of the man page too.
const HELP: &str = "\
Exit codes:
    0  nothing is known to be wrong
    1  a watch does not see its cluster, a backup is bad or stale, a watch that was named does not exist, or the operator is
       known to be away
    2  the flags cannot be used
    3  the API server does not say

The worst come first:
    blind        the watch does not see its cluster (Ready is False)
    bad          the newest backup failed or is stuck, or there is none (BackupHealthy is False)
    unprotected  an upgrade runs without a backup before it
    stale        the newest success is older than maxAge
    unknown      nothing is known yet; shown, and not counted
    suspended    nobody polls, because spec.suspend is set
    running      a backup runs, and nothing is wrong
    good         all is well

Whether an operator is alive is told by its Lease, where it elects a leader or is sharded, else by the ready pods of its \
Deployment. If neither can be read, the command says that it cannot tell. A watch keeps its last verdict while no operator \
is alive, so a good one proves nothing then.

Times are those of this machine's time zone, or of TZ. On a terminal, good watches that do not fit are counted and not \
listed. The command only reads: it needs the right to list clusterbackupwatches, and for the operator to list leases and \
deployments.

Examples:
  kubectl cbw status
  kubectl cbw status --all-namespaces
  kubectl cbw status platform/prod platform/test
  kubectl cbw status -A -o json | jq -r '.watches[] | select(.verdict != \"good\") | .name'";

/// Every watch on one screen.
#[derive(Debug, Args)]
#[command(after_long_help = HELP, after_help = "Exit codes, verdicts and examples: --help")]
pub struct StatusArgs {
    /// Only these watches.
    #[arg(value_name = "[NAMESPACE/]NAME", conflicts_with_all = ["all_namespaces", "selector"])]
    pub names: Vec<WatchName>,

    /// The namespace of the watches. Without it that of the current kubeconfig.
    #[arg(short, long, env = "CBW_NAMESPACE", value_parser = namespace)]
    pub namespace: Option<String>,

    /// The watches of all namespaces.
    #[arg(short = 'A', long, env = "CBW_ALL_NAMESPACES")]
    pub all_namespaces: bool,

    /// Only watches with these labels, such as `team=platform`.
    #[arg(short = 'l', long, env = "CBW_SELECTOR", value_name = "SELECTOR", value_parser = selector)]
    pub selector: Option<String>,

    /// How the result looks. json has the same in one object, with times in UTC.
    #[arg(short, long, env = "CBW_OUTPUT", value_enum, default_value_t)]
    pub output: StatusOutput,

    /// Where to look for the operator. Without it in all namespaces or, where the user may not, in `cce-backup-watch`.
    #[arg(long, env = "CBW_OPERATOR_NAMESPACE", value_name = "NAMESPACE", value_parser = namespace)]
    pub operator_namespace: Option<String>,

    /// What is logged.
    #[command(flatten)]
    pub log: LogArgs,
}

/// How the result of `status` is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum StatusOutput {
    /// For people.
    #[default]
    Table,
    /// One JSON object.
    Json,
}
