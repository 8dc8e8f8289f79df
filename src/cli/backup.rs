//! The flags of `cce-backup-watch backup`.

use std::time::Duration;

use clap::Args;

use super::{CloudArgs, ClusterArgs, CredentialArgs, FollowArgs, LogArgs, value::duration};

// In ASCII and in short lines, because it is part of the man page too.
const HELP: &str = "\
Exit codes:
    0  the backup succeeded, or a success is young enough; with --no-wait: the backup is listed; with --dry-run: asked
    1  the backup failed
    2  the flags cannot be used
    3  the cloud refused, a poll failed where waiting is no remedy, or it is not known whether a backup was started
  124  --timeout passed before the backup was finished; the backup goes on
  130  ended by Ctrl-C; the backup goes on. 143: by SIGTERM

The request is sent once. If its answer is lost, the backup is looked for among the tasks: one that was not listed \
before the request and is younger than all that were is taken for the one that was started. If there is none, or more \
than one, the command says so and ends with 3 rather than start another.

With --if-older-than the command may be run again at any time, such as by a Job: it follows a backup that runs already, \
and starts none while a success is young enough.

Each backup is a full one of the cluster's control plane and takes storage that is paid for.

Results go to standard output, everything else to standard error.

Examples:
  export HUAWEICLOUD_SDK_AK=... HUAWEICLOUD_SDK_SK=... CBW_REGION=cn-north-4 \\
    CBW_PROJECT_ID=0123456789abcdef0123456789abcdef \\
    CBW_CLUSTER_ID=11111111-2222-3333-4444-555555555555
  cce-backup-watch backup --dry-run
  kubectl cbw backup platform/prod --secret platform/huawei-backup
  cce-backup-watch backup
  cce-backup-watch backup --if-older-than 2h --timeout 1h && ./upgrade";

/// One backup, from its start to its end.
#[derive(Debug, Args)]
#[command(after_long_help = HELP, after_help = "Exit codes and examples: --help")]
pub struct BackupArgs {
    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,

    /// Start a backup only if none runs and none succeeded within this time, such as 2h. One that runs is followed.
    #[arg(long, env = "CBW_IF_OLDER_THAN", value_name = "DURATION", value_parser = duration)]
    pub if_older_than: Option<Duration>,

    /// Ask for the tasks, say what would be done, and change nothing.
    #[arg(long, env = "CBW_DRY_RUN", conflicts_with = "watch")]
    pub dry_run: bool,

    /// End as soon as the backup is listed.
    #[arg(long, env = "CBW_NO_WAIT", conflicts_with_all = ["watch", "dry_run"])]
    pub no_wait: bool,

    /// How the tasks are polled and shown.
    #[command(flatten)]
    pub follow: FollowArgs,

    /// How long to wait at most, from the first request on, such as 45m. A backup of disks takes up to two hours.
    #[arg(long, env = "CBW_TIMEOUT", value_name = "DURATION", default_value = "2h", value_parser = duration)]
    pub timeout: Duration,

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
