//! The flags of `cce-backup-watch controller`.

use std::net::SocketAddr;

use clap::Args;

use super::{
    CloudArgs,
    value::{log_filter, namespace, namespace_or_all, object_name, rate, ring, selector},
};
use crate::cloud::credentials::OperatorCredentials;
use crate::controller::shard::Ring;
use crate::poll::account::Limit;
use crate::serve::logs::LogFormat;

/// The flags of the operator.
#[derive(Debug, Args)]
pub struct ControllerArgs {
    /// A namespace to watch; may be given more than once. None means all.
    #[arg(long, env = "CBW_WATCH_NAMESPACE", value_name = "NAMESPACE", value_delimiter = ',', value_parser = namespace)]
    pub watch_namespace: Vec<String>,

    /// Watch only resources with these labels, such as `team=platform`.
    #[arg(long, env = "CBW_WATCH_LABEL_SELECTOR", value_name = "SELECTOR", value_parser = selector)]
    pub watch_label_selector: Option<String>,

    /// Work as one shard of this `ControllerRing` of kubernetes-controller-sharding, on the watches that its sharder assigns to
    /// this host's name.
    #[arg(long, env = "CBW_SHARDING_RING", value_name = "NAME", conflicts_with = "leader_elect", value_parser = ring)]
    pub sharding_ring: Option<String>,

    /// How the cloud is reached.
    #[command(flatten)]
    pub cloud: CloudArgs,

    /// Requests a second to the cloud for each account (a project in a region).
    #[arg(long, env = "CBW_ACCOUNT_RATE", value_name = "RATE", default_value = "5", value_parser = rate)]
    pub account_rate: f64,

    /// How many requests an account may make at once after a quiet time.
    #[arg(long, env = "CBW_ACCOUNT_BURST", value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub account_burst: u32,

    /// Requests to the cloud in flight at the same time, for the whole process. No endpoint gets more than a quarter of
    /// them and no account more than an eighth, so that one that hangs holds up no other.
    #[arg(long, env = "CBW_CONCURRENCY", value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: u16,

    /// Where the operator's own identity comes from.
    #[arg(long, env = "CBW_OPERATOR_CREDENTIALS", value_name = "SOURCE", value_enum, default_value_t)]
    pub operator_credentials: OperatorCredentials,

    /// A namespace whose watches may use the operator's own identity; may be given more than once. None means nobody,
    /// `*` everybody: then whoever may create a watch reads with the operator's rights.
    #[arg(long, env = "CBW_OPERATOR_CREDENTIALS_NAMESPACE", value_name = "NAMESPACE", value_delimiter = ',', value_parser = namespace_or_all)]
    pub operator_credentials_namespace: Vec<String>,

    /// Where /metrics, /livez and /readyz are served. `[::]` takes IPv4 as well, and is `0.0.0.0` where a node has no IPv6.
    #[arg(long, env = "CBW_LISTEN", value_name = "ADDRESS", default_value = "[::]:8080")]
    pub listen: SocketAddr,

    /// Let only one of several replicas work; the others stand by.
    #[arg(long, env = "CBW_LEADER_ELECT")]
    pub leader_elect: bool,

    /// The namespace of the Lease; the pod's own by default.
    #[arg(long, env = "CBW_LEASE_NAMESPACE", value_name = "NAMESPACE", value_parser = namespace)]
    pub lease_namespace: Option<String>,

    /// The name of the leader's Lease. That of a shard is named after its host.
    #[arg(long, env = "CBW_LEASE_NAME", value_name = "NAME", default_value = "cce-backup-watch", value_parser = object_name)]
    pub lease_name: String,

    /// How log lines look.
    #[arg(long, env = "CBW_LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,

    /// What is logged, in the syntax of tracing's EnvFilter, such as `info,cce_backup_watch=debug`.
    #[arg(long, env = "CBW_LOG_FILTER", value_name = "FILTER", default_value = "info", value_parser = log_filter)]
    pub log_filter: String,
}

impl ControllerArgs {
    /// This process as a shard that is named after its host; `None` without `--sharding-ring`.
    pub fn shard(&self, host: &str) -> Result<Option<Ring>, String> {
        let Some(name) = &self.sharding_ring else { return Ok(None) };
        Ok(Some(Ring::new(name, &ring(host)?)))
    }

    /// The rate limit of an account.
    pub fn limit(&self) -> Limit {
        Limit { rate: self.account_rate, burst: self.account_burst }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::{Cli, Command};
    use super::*;

    fn parse(flags: &[&str]) -> Result<ControllerArgs, clap::Error> {
        let cli = Cli::try_parse_from(["cce-backup-watch", "controller"].iter().chain(flags))?;
        let Command::Controller(args) = cli.command else { unreachable!("it was called so") };
        Ok(*args)
    }

    #[test]
    fn a_process_is_a_shard_or_a_replica_that_may_lead() {
        assert!(parse(&["--leader-elect"]).unwrap().shard("pod-1").unwrap().is_none());
        let ring = parse(&["--sharding-ring", "hub"]).unwrap().shard("pod-1").unwrap().unwrap();
        assert_eq!(ring.selector(), "shard.alpha.sharding.timebertt.dev/hub=pod-1");
        assert!(parse(&["--sharding-ring", "hub", "--leader-elect"]).is_err());
    }

    #[test]
    fn a_shard_needs_a_host_whose_name_fits_a_label() {
        let args = parse(&["--sharding-ring", "hub"]).unwrap();
        for host in ["", "Host", &"a".repeat(64)] {
            assert!(args.shard(host).is_err(), "{host}");
        }
    }
}
