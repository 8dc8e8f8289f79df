//! The command line. Each flag can also be set in the environment: `CBW_` and the flag in upper snake case.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, CommandFactory, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::cloud::{rate::Limit, region::RegionEndpoint, source::OperatorCredentials};
use crate::manual::{Page, Shell};
use crate::serve::telemetry::LogFormat;
use crate::tasks::args::TasksArgs;
use crate::watch::Shard;

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

/// The name under which kubectl finds a plugin `cbw`.
pub const PLUGIN: &str = "kubectl-cbw";

/// How the cloud is reached.
#[derive(Debug, Args)]
pub struct CloudArgs {
    /// The address of a region's API instead of Huawei's own, for private clouds and the simulator; may be given more
    /// than once. Plain http:// is accepted only here.
    #[arg(long, env = "CBW_REGION_ENDPOINT", value_name = "REGION=URL", value_delimiter = ',')]
    pub region_endpoint: Vec<RegionEndpoint>,

    /// Certificates (PEM) to trust besides the system's. There is no way to switch certificate checks off.
    #[arg(long, env = "CBW_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,

    /// How long a request to the cloud may take, from the connection to the last byte.
    #[arg(long, env = "CBW_REQUEST_TIMEOUT", value_name = "DURATION", default_value = "15s", value_parser = duration)]
    pub request_timeout: Duration,
}

/// The flags of the operator.
#[derive(Debug, Args)]
pub struct ControllerArgs {
    /// A namespace to watch; may be given more than once. None means all.
    #[arg(long, env = "CBW_WATCH_NAMESPACE", value_name = "NAMESPACE", value_delimiter = ',')]
    pub watch_namespace: Vec<String>,

    /// Watch only resources with these labels, such as `team=platform`.
    #[arg(long, env = "CBW_WATCH_LABEL_SELECTOR", value_name = "SELECTOR")]
    pub watch_label_selector: Option<String>,

    /// Take on only the I-th of N shards of the clusters, I from 0 to N-1; the others are for other operators.
    #[arg(long, env = "CBW_SHARD", value_name = "I/N", default_value = "0/1", value_parser = shard)]
    pub shard: Shard,

    /// How the cloud is reached.
    #[command(flatten)]
    pub cloud: CloudArgs,

    /// Requests a second to the cloud for each account (a project in a region).
    #[arg(long, env = "CBW_ACCOUNT_RATE", value_name = "RATE", default_value = "5", value_parser = rate)]
    pub account_rate: f64,

    /// How many requests an account may make at once after a quiet time.
    #[arg(long, env = "CBW_ACCOUNT_BURST", value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub account_burst: u32,

    /// How many resources are worked on at the same time.
    #[arg(long, env = "CBW_CONCURRENCY", value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: u16,

    /// Where the operator's own identity comes from.
    #[arg(long, env = "CBW_OPERATOR_CREDENTIALS", value_name = "SOURCE", value_enum, default_value_t)]
    pub operator_credentials: OperatorCredentials,

    /// A namespace whose watches may use the operator's own identity; may be given more than once. None means nobody,
    /// `*` everybody: then whoever may create a watch reads with the operator's rights.
    #[arg(long, env = "CBW_OPERATOR_CREDENTIALS_NAMESPACE", value_name = "NAMESPACE", value_delimiter = ',')]
    pub operator_credentials_namespace: Vec<String>,

    /// Where /metrics, /livez and /readyz are served.
    #[arg(long, env = "CBW_LISTEN", value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,

    /// Let only one of several replicas work; the others stand by.
    #[arg(long, env = "CBW_LEADER_ELECT")]
    pub leader_elect: bool,

    /// The namespace of the Lease; the pod's own by default.
    #[arg(long, env = "CBW_LEASE_NAMESPACE", value_name = "NAMESPACE")]
    pub lease_namespace: Option<String>,

    /// The name of the Lease.
    #[arg(long, env = "CBW_LEASE_NAME", value_name = "NAME", default_value = "cce-backup-watch")]
    pub lease_name: String,

    /// How log lines look.
    #[arg(long, env = "CBW_LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,

    /// What is logged, in the syntax of tracing's EnvFilter, such as `info,cce_backup_watch=debug`.
    #[arg(long, env = "CBW_LOG_FILTER", value_name = "FILTER", default_value = "info", value_parser = log_filter)]
    pub log_filter: String,
}

impl ControllerArgs {
    /// The rate of an account.
    pub fn limit(&self) -> Limit {
        Limit { rate: self.account_rate, burst: self.account_burst }
    }
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let parsed = crate::api::duration::parse(text).ok_or_else(|| "write it as 15s or 1m30s".to_owned())?;
    let zero = kube::core::Duration::from(Duration::ZERO);
    if parsed > zero { Ok(parsed.into()) } else { Err("must be above 0s".to_owned()) }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(rate),
        _ => Err("must be a decimal above 0, such as 5 or 0.5".to_owned()),
    }
}

fn shard(text: &str) -> Result<Shard, String> {
    let parts = text.split_once('/').and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
    match parts {
        Some((index, of)) if index < of => Ok(Shard { index, of }),
        _ => Err("write it as I/N with I from 0 to N-1, such as 0/3".to_owned()),
    }
}

pub(crate) fn log_filter(text: &str) -> Result<String, String> {
    EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_rate_is_any_decimal_above_zero() {
        assert_eq!([rate("5"), rate("0.1")], [Ok(5.0), Ok(0.1)]);
        for bad in ["0", "-1", "NaN", "inf", "five", ""] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_shard_is_one_of_so_many() {
        assert_eq!(shard("2/3"), Ok(Shard { index: 2, of: 3 }));
        for bad in ["3/3", "0/0", "1", "-1/2", "a/b", "1/2/3"] {
            assert!(shard(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_duration_is_above_zero_and_has_a_unit() {
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        for bad in ["0s", "15", "-1s", "soon", ""] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
