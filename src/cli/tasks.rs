//! The flags of `cce-backup-watch tasks`, each parsed once into what it means.
//!
//! What clap cannot say of single flags, such as a variable of another name or flags that belong together, is checked
//! by [`ClusterArgs::target`] and [`TasksArgs::mode`], with errors of the same kind.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{CloudArgs, ClusterArgs, CredentialArgs, FollowArgs, LogArgs, UsageError, value::duration};

/// How long `--wait` waits without `--timeout`.
const TIMEOUT: Duration = Duration::from_mins(30);

// In ASCII and in short lines, because it is part of the man page too.
const HELP: &str = "\
Exit codes:
    0  the newest backup has not failed; with --wait or --newer-than: it succeeded
    1  the newest backup failed; with --newer-than and without --wait: or is no success of that age
    2  the flags cannot be used
    3  the poll failed; with --wait only where waiting is no remedy. Or a good result cannot be written
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
  kubectl cbw tasks platform/prod
  cce-backup-watch tasks --output json | jq -r .lastSuccess.time
  cce-backup-watch tasks --newer-than 2h --wait --timeout 45m && ./upgrade";

/// One poll of the snapshot-task API, or many.
#[derive(Debug, Args)]
#[command(after_long_help = HELP, after_help = "Exit codes and examples: --help")]
pub struct TasksArgs {
    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,

    /// How the tasks are polled and shown.
    #[command(flatten)]
    pub follow: FollowArgs,

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

    /// Append each answer of the cloud to this new file, a line of JSON each. What could tell whose cluster it is is replaced.
    #[arg(long, env = "CBW_RECORD", value_name = "FILE")]
    pub record: Option<PathBuf>,

    /// Where the access key comes from.
    #[command(flatten)]
    pub credential: CredentialArgs,

    /// How the cloud is reached.
    #[command(flatten)]
    pub cloud: CloudArgs,

    /// What is logged.
    #[command(flatten)]
    pub log: LogArgs,
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
            (true, timeout) => {
                Ok(Mode::Wait { timeout: timeout.unwrap_or(TIMEOUT), watch: self.follow.watch })
            }
            // Whoever gives a time-out expects a gate; without --wait a running backup would pass it.
            (false, Some(_)) => Err(UsageError::new("--timeout is of use only with --wait")),
            (false, None) if self.follow.watch => Ok(Mode::Watch),
            (false, None) => Ok(Mode::Once),
        }
    }
}
