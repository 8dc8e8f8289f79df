//! The flags of `cce-backup-watch tasks`, each parsed once into what it means.
//!
//! What clap cannot say of single flags, such as a variable of another name or flags that belong together, is checked
//! by [`ClusterArgs::target`] and [`TasksArgs::mode`], with errors of the same kind.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{
    CloudArgs, ClusterArgs, CredentialArgs, UsageError,
    value::{duration, log_filter},
};

/// How long `--wait` waits without `--timeout`.
const TIMEOUT: Duration = Duration::from_mins(30);
/// The shortest interval: faster polls show nothing new and use up the account's rate limit.
const FASTEST: Duration = Duration::from_secs(1);

// In ASCII and in short lines, because it is part of the man page too.
const HELP: &str = "\
Exit codes:
    0  the newest backup has not failed; with --wait or --newer-than: it succeeded
    1  the newest backup failed; with --newer-than and without --wait: or is no success of that age
    2  the flags cannot be used
    3  the poll failed; with --wait only where waiting is no remedy
  124  --timeout passed before the newest backup was finished
  130  ended by Ctrl-C, as --watch is; 143: by SIGTERM
  141  whoever read the output of --watch went away

The newest backup is the task created last, not counting those that put a backup back (master-backup-rollback). It is \
finished when its phase is Success or Failed. With --wait the command also waits for a first backup, and polls again after \
a fault that may pass; one that will not pass, such as a refused key, ends the command at once. If a running backup is \
no longer listed, an older one that succeeded does not end the wait.

With --newer-than a backup that ended longer ago counts for nothing, and neither does a success without a readable time. \
Without --wait a backup that still runs is no success yet and gives 1.

Results go to standard output, everything else to standard error.

Examples:
  export HUAWEICLOUD_SDK_AK=... HUAWEICLOUD_SDK_SK=... CBW_REGION=cn-north-4 \\
    CBW_PROJECT_ID=0123456789abcdef0123456789abcdef \\
    CBW_CLUSTER_ID=11111111-2222-3333-4444-555555555555
  cce-backup-watch tasks --watch
  cce-backup-watch tasks --secret platform/huawei
  cce-backup-watch tasks --output json | jq -r .lastSuccess.time
  cce-backup-watch tasks --newer-than 2h --wait --timeout 45m && ./upgrade";

/// One poll of the snapshot-task API, or many.
#[derive(Debug, Args)]
#[command(after_long_help = HELP, after_help = "Exit codes and examples: --help")]
pub struct TasksArgs {
    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,

    /// How the result looks. json and yaml have the fields of the resource's status; with --watch there is one document
    /// for each change.
    #[arg(short, long, env = "CBW_OUTPUT", value_enum, default_value_t)]
    pub output: Output,

    /// Follow the tasks until Ctrl-C: a progress bar on a terminal, elsewhere a line for each change. With --wait, until
    /// the newest backup is finished.
    #[arg(short, long, env = "CBW_WATCH")]
    pub watch: bool,

    /// Wait until the newest backup is finished. One that is finished already is not waited for.
    #[arg(long, env = "CBW_WAIT")]
    pub wait: bool,

    /// With --wait: how long to wait at most, such as 45m. 30m when absent.
    #[arg(long, env = "CBW_TIMEOUT", value_name = "DURATION", value_parser = duration)]
    pub timeout: Option<Duration>,

    /// Count only what ended within this time, such as 2h: an older success lets nobody through. With --wait, wait for a
    /// newer one.
    #[arg(long, env = "CBW_NEWER_THAN", value_name = "DURATION", value_parser = duration)]
    pub newer_than: Option<Duration>,

    /// With --wait or --watch: the time between two polls, at least 1s. A longer one that the cloud asks for is kept.
    #[arg(long, env = "CBW_INTERVAL", value_name = "DURATION", default_value = "10s", value_parser = interval)]
    pub interval: Duration,

    /// Where the access key comes from.
    #[command(flatten)]
    pub credential: CredentialArgs,

    /// How the cloud is reached.
    #[command(flatten)]
    pub cloud: CloudArgs,

    /// What is logged to standard error, such as `debug` or `warn,kube_client=off`.
    #[arg(long, env = "CBW_LOG_FILTER", value_name = "FILTER", default_value = "warn,kube_client=off", value_parser = log_filter)]
    pub log_filter: String,
}

/// How a result is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Table,
    /// One JSON object.
    Json,
    /// The same as YAML.
    Yaml,
}

/// How long the command goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One poll.
    Once,
    /// Until a signal.
    Watch,
    /// Until the newest backup is finished.
    Wait {
        /// At most this long.
        timeout: Duration,
        /// Whether each change is a result.
        watch: bool,
    },
}

impl TasksArgs {
    /// How long the command goes on.
    pub fn mode(&self) -> Result<Mode, UsageError> {
        match (self.wait, self.timeout) {
            (true, timeout) => Ok(Mode::Wait { timeout: timeout.unwrap_or(TIMEOUT), watch: self.watch }),
            // Whoever gives a time-out expects a gate; without --wait a running backup would pass it.
            (false, Some(_)) => Err(UsageError::new("--timeout is of use only with --wait")),
            (false, None) if self.watch => Ok(Mode::Watch),
            (false, None) => Ok(Mode::Once),
        }
    }
}

/// The time between two polls.
pub(super) fn interval(text: &str) -> Result<Duration, String> {
    let interval = duration(text)?;
    if interval >= FASTEST { Ok(interval) } else { Err("must be at least 1s".to_owned()) }
}
