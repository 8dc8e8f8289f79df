//! The flags of `cce-backup-watch tasks`, each parsed once into what it means.
//!
//! What clap cannot say of single flags, such as a variable of another name or flags that belong together, is checked
//! by [`TasksArgs::target`] and [`TasksArgs::mode`], with errors of the same kind.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{
    CloudArgs,
    value::{duration, log_filter},
};
use crate::cloud::{
    source::OperatorCredentials,
    target::{ClusterId, ClusterType, ProjectId, Region, Target},
};

/// Also the project of Huawei's own SDKs.
const SDK_PROJECT_ID: &str = "HUAWEICLOUD_SDK_PROJECT_ID";
/// As often as Huawei's own tools ask.
const TIMEOUT: Duration = Duration::from_mins(30);
/// Faster polls show nothing new and spend the account's rate.
const FASTEST: Duration = Duration::from_secs(1);

// In ASCII and in short lines, because it is part of the man page too.
const HELP: &str = "\
Exit codes:
    0  the newest backup has not failed; with --wait: it succeeded
    1  the newest backup failed, with or without --wait
    2  the flags cannot be used
    3  the poll failed; with --wait only where waiting is no remedy
  124  --timeout passed before the newest backup was finished
  130  ended by Ctrl-C, as --watch is; 143: by SIGTERM
  141  whoever read the output of --watch went away

The newest backup is the task created last, not counting those that put a backup back (master-backup-rollback). It is \
finished when its phase is Success or Failed. With --wait a cluster without any backup is waited for, a fault that may \
pass is asked past, and one that will not pass, such as a refused key, ends the command at once. A backup that was \
running and is no longer listed is not taken for an older one that succeeded.

Results go to standard output, everything else to standard error.

Examples:
  export HUAWEICLOUD_SDK_AK=... HUAWEICLOUD_SDK_SK=... CBW_REGION=cn-north-4 \\
    CBW_PROJECT_ID=0123456789abcdef0123456789abcdef \\
    CBW_CLUSTER_ID=11111111-2222-3333-4444-555555555555
  cce-backup-watch tasks --watch
  cce-backup-watch tasks --secret platform/huawei
  cce-backup-watch tasks --output json | jq -r .lastSuccess.time
  cce-backup-watch tasks --wait --timeout 45m && ./upgrade";

/// One poll of the snapshot-task API, or many.
#[derive(Debug, Args)]
#[command(after_long_help = HELP, after_help = "Exit codes and examples: --help")]
pub struct TasksArgs {
    /// The region of the cluster, such as cn-north-4.
    #[arg(long, env = "CBW_REGION")]
    pub region: Region,

    /// The project of the cluster: 32 lower-case hex digits. Also from `HUAWEICLOUD_SDK_PROJECT_ID`.
    #[arg(long, env = "CBW_PROJECT_ID")]
    pub project_id: Option<ProjectId>,

    /// The cluster: a UUID.
    #[arg(long, env = "CBW_CLUSTER_ID")]
    pub cluster_id: ClusterId,

    /// Which of CCE's products the cluster is.
    #[arg(long, env = "CBW_CLUSTER_TYPE", value_enum, default_value_t, ignore_case = true)]
    pub cluster_type: ClusterType,

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

    /// With --wait or --watch: the time between two polls, at least 1s. A longer one that the cloud asks for is kept.
    #[arg(long, env = "CBW_INTERVAL", value_name = "DURATION", default_value = "10s", value_parser = interval)]
    pub interval: Duration,

    /// Where the access key comes from.
    #[arg(long, env = "CBW_CREDENTIALS", value_enum, default_value_t, value_name = "SOURCE")]
    pub credentials: CredentialSource,

    /// A Secret with the access key, read with the current kubeconfig: keys accessKey, secretKey and, for temporary
    /// credentials, securityToken.
    #[arg(long, env = "CBW_SECRET", value_name = "NAMESPACE/NAME", conflicts_with = "credentials")]
    pub secret: Option<SecretName>,

    /// How the cloud is reached.
    #[command(flatten)]
    pub cloud: CloudArgs,

    /// What is logged to standard error, such as `debug` or `warn,kube_client=off`.
    #[arg(long, env = "CBW_LOG_FILTER", value_name = "FILTER", default_value = "warn,kube_client=off", value_parser = log_filter)]
    pub log_filter: String,
}

/// Flags that do not fit together, or a variable that stands for a flag and cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}; see --help")]
pub struct UsageError(String);

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
    /// The cluster to ask about.
    pub fn target(&self) -> Result<Target, UsageError> {
        let project_id = match &self.project_id {
            Some(project) => project.clone(),
            None => match std::env::var(SDK_PROJECT_ID).ok().filter(|value| !value.is_empty()) {
                Some(value) => ProjectId::parse(value.trim())
                    .map_err(|error| UsageError(format!("{SDK_PROJECT_ID}: {error}")))?,
                None => return Err(UsageError(format!("give --project-id, or set {SDK_PROJECT_ID}"))),
            },
        };
        Ok(Target {
            region: self.region.clone(),
            project_id,
            cluster_id: self.cluster_id.clone(),
            cluster_type: self.cluster_type,
        })
    }

    /// How long the command goes on.
    pub fn mode(&self) -> Result<Mode, UsageError> {
        match (self.wait, self.timeout) {
            (true, timeout) => Ok(Mode::Wait { timeout: timeout.unwrap_or(TIMEOUT), watch: self.watch }),
            // Whoever gives a time-out expects a gate; without --wait a running backup would pass it.
            (false, Some(_)) => Err(UsageError("--timeout is of use only with --wait".to_owned())),
            (false, None) if self.watch => Ok(Mode::Watch),
            (false, None) => Ok(Mode::Once),
        }
    }
}

/// Which identity of this process to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum CredentialSource {
    /// The first of the following that is set up.
    #[default]
    Auto,
    /// `HUAWEICLOUD_SDK_AK`, `HUAWEICLOUD_SDK_SK` and `HUAWEICLOUD_SDK_SECURITY_TOKEN`, or `CLOUD_SDK_AK` and
    /// `CLOUD_SDK_SK`.
    Environment,
    /// CCE pod identity, by `HC_CONTAINER_CREDENTIALS_FULL_URI`.
    PodIdentity,
    /// OIDC federation, by `HUAWEICLOUD_SDK_IDP_ID` and `HUAWEICLOUD_SDK_ID_TOKEN_FILE`.
    Oidc,
    /// The agency of the ECS that this runs on, by its metadata service.
    Metadata,
}

impl From<CredentialSource> for OperatorCredentials {
    fn from(source: CredentialSource) -> Self {
        match source {
            CredentialSource::Auto => Self::Auto,
            CredentialSource::Environment => Self::Environment,
            CredentialSource::PodIdentity => Self::PodIdentity,
            CredentialSource::Oidc => Self::Oidc,
            CredentialSource::Metadata => Self::Metadata,
        }
    }
}

/// A Secret of any namespace; nothing that could lead to another path of the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl FromStr for SecretName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_name = |part: &str| {
            let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
            let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
            part.len() <= 253
                && part.bytes().all(inner)
                && ends(part.chars().next())
                && ends(part.chars().last())
        };
        match text.split_once('/') {
            Some((namespace, name)) if is_name(namespace) && !namespace.contains('.') && is_name(name) => {
                Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            _ => Err("write it as NAMESPACE/NAME, such as platform/huawei".to_owned()),
        }
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = duration(text)?;
    if interval >= FASTEST { Ok(interval) } else { Err("must be at least 1s".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_name_is_a_namespace_and_a_name_and_no_other_path() {
        let name: SecretName = "platform/huawei.prod-1".parse().unwrap();
        assert_eq!(
            (name.namespace.as_str(), name.name.as_str(), name.to_string().as_str()),
            ("platform", "huawei.prod-1", "platform/huawei.prod-1")
        );
        for bad in [
            "", "/", "a", "a/", "/b", "a/b/c", "a/../b", "a/..", "A/b", "a/b?x", "a.b/c", "a/-b", "a/b%2f",
            "a/b\n",
        ] {
            assert!(bad.parse::<SecretName>().is_err(), "{bad:?}");
        }
    }
}
