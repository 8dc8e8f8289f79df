//! The flags of the commands that follow a backup, and the log of every command but the operator.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::value::{duration, log_filter};

/// The shortest interval: faster polls show nothing new and use up the account's rate limit.
const FASTEST: Duration = Duration::from_secs(1);

/// How tasks are polled and shown.
#[derive(Debug, Args)]
pub struct FollowArgs {
    /// How the result looks. json and yaml have the fields of the resource's status; with --watch there is one document
    /// for each change.
    #[arg(short, long, env = "CBW_OUTPUT", value_enum, default_value_t)]
    pub output: Output,

    /// Make each change a result: a line or a document on standard output, or a progress bar on a terminal. `tasks`
    /// without --wait then goes on until Ctrl-C.
    #[arg(short, long, env = "CBW_WATCH")]
    pub watch: bool,

    /// The time between two polls, at least 1s. A longer one that the cloud asks for is kept.
    #[arg(long, env = "CBW_INTERVAL", value_name = "DURATION", default_value = "10s", value_parser = interval)]
    pub interval: Duration,
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

/// The log of a command whose output is its result.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// What is logged to standard error, such as `debug` or `warn,kube_client=off`.
    #[arg(long, env = "CBW_LOG_FILTER", value_name = "FILTER", default_value = "warn,kube_client=off", value_parser = log_filter)]
    pub log_filter: String,
}

/// The time between two polls.
fn interval(text: &str) -> Result<Duration, String> {
    let interval = duration(text)?;
    if interval >= FASTEST { Ok(interval) } else { Err("must be at least 1s".to_owned()) }
}
