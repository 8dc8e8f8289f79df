//! The flags of `cce-backup-watch poll`.

use std::time::Duration;

use clap::Args;

use super::{
    LogArgs,
    value::{duration, namespace},
    watch::WatchName,
};

// In ASCII and in short lines, because it is part of the man page too.
const HELP: &str = "\
Exit codes:
    0  the cloud answered, and the backup is not bad; with --newer-than: a backup succeeded within that time
    1  the cloud answered, and the backup is bad; with --newer-than: or no backup succeeded within that time
    2  the flags cannot be used
    3  there is no answer: the cloud's fault, a suspended watch, no such watch, or no operator answered; the message says which

The verdict goes to standard output in one line, everything else to standard error.

The command sets the annotation cce.backupwatch.io/requestedAt and waits until the operator has polled for that very \
request, so it does not trust a verdict that is older. It needs no key of the cloud, only the right to get and patch the \
watch. With --newer-than it waits for the end of a backup that runs, as long as --timeout allows; it starts none.

Examples:
  kubectl cbw poll platform/prod
  kubectl cbw poll prod --namespace platform --timeout 3m
  kubectl cbw poll platform/prod --newer-than 2h --timeout 45m && ./upgrade";

/// One poll now, by the operator.
#[derive(Debug, Args)]
#[command(after_long_help = HELP, after_help = "Exit codes and examples: --help")]
pub struct PollArgs {
    /// The watch.
    #[arg(value_name = "[NAMESPACE/]NAME")]
    pub watch: WatchName,

    /// The namespace of the watch, if its name has none. Without it that of the current kubeconfig.
    #[arg(short, long, env = "CBW_NAMESPACE", value_parser = namespace)]
    pub namespace: Option<String>,

    /// Let through only if a backup succeeded within this time, such as 2h.
    #[arg(long, env = "CBW_NEWER_THAN", value_name = "DURATION", value_parser = duration)]
    pub newer_than: Option<Duration>,

    /// How long to wait for the answer, and with --newer-than for the end of a backup that runs.
    #[arg(long, env = "CBW_TIMEOUT", value_name = "DURATION", default_value = "1m", value_parser = duration)]
    pub timeout: Duration,

    /// What is logged.
    #[command(flatten)]
    pub log: LogArgs,
}
