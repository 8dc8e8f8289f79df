//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};

use crate::{command::Command, costs::Load};

/// Measures what a running operator costs.
#[derive(Parser)]
#[command(version)]
pub struct Arguments {
    /// What to measure.
    #[command(subcommand)]
    pub scenario: Scenario,
}

/// What to measure.
#[derive(Subcommand)]
pub enum Scenario {
    /// A start, a restart, unchanged polls, scrapes and backups at several numbers of watches.
    Costs {
        /// How many watches there are.
        #[command(flatten)]
        sizes: Sizes,
        /// What the polls are like.
        #[command(flatten)]
        load: LoadArguments,
        /// What is measured.
        #[command(flatten)]
        builds: Builds,
        /// What becomes of the figures.
        #[command(flatten)]
        output: Output,
    },
    /// What 100, 10,000 and 1,000,000 watches cost, from the lines through the figures of a record.
    Scale {
        /// A file that `--write-record` wrote.
        record: PathBuf,
    },
    /// Hundreds of watches under churn: what the operator holds must stay the same.
    Soak {
        /// How long, in minutes; there are two cycles at least.
        #[arg(long, default_value_t = 20, value_name = "N")]
        minutes: u64,
        /// How many watches there are.
        #[arg(long, default_value_t = 500, value_name = "N", value_parser = clap::value_parser!(u32).range(200..))]
        watches: u32,
        /// The operator: a program and its first arguments.
        #[arg(long, default_value = "target/release/cce-backup-watch", value_name = "CMD")]
        operator: Command,
    },
}

/// How many watches there are.
#[derive(Args)]
pub struct Sizes {
    /// How many watches there are, one number for each size; what is measured without a watch comes besides.
    #[arg(long, default_value = "100,1000", value_name = "N", value_delimiter = ',')]
    watches: Vec<usize>,
    /// How often each size is measured.
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub runs: usize,
    /// In the end, start once with so many watches in one account, at the default rate and interval: the rate of the account, 5 a
    /// second, says how long that takes.
    #[arg(long, value_name = "N")]
    pub one_account: Option<usize>,
}

impl Sizes {
    /// From none to the most, each once: watches are only ever added.
    pub fn ascending(&self) -> Vec<usize> {
        let mut sizes = self.watches.clone();
        sizes.push(0);
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }
}

/// What the polls are like.
#[derive(Args)]
pub struct LoadArguments {
    /// Polls a second of all watches together; an interval is never below 10 s.
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    polls_per_second: u32,
    /// Over how many accounts the watches are spread.
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    accounts: u16,
    /// How long unchanged polls are measured, in seconds.
    #[arg(long, default_value_t = 20, value_name = "S", value_parser = clap::value_parser!(u64).range(10..))]
    window: u64,
}

impl From<LoadArguments> for Load {
    fn from(arguments: LoadArguments) -> Self {
        Self {
            polls_per_second: arguments.polls_per_second,
            accounts: arguments.accounts.into(),
            window: Duration::from_secs(arguments.window),
        }
    }
}

/// What is measured.
#[derive(Args)]
pub struct Builds {
    /// The operator: a program and its first arguments.
    #[arg(long, default_value = "target/release/cce-backup-watch", value_name = "CMD")]
    pub operator: Command,
    /// An older build or another operator, measured in turn with the first; may be given more than once. It is started with the
    /// same flags as the operator, and with KUBECONFIG.
    #[arg(long, value_name = "CMD")]
    pub against: Vec<Command>,
    /// How long the cloud takes for each answer, in milliseconds.
    #[arg(long, default_value_t = 50, value_name = "MS")]
    pub latency: u64,
}

/// What becomes of the figures.
#[derive(Args)]
pub struct Output {
    /// Print JSON instead of tables.
    #[arg(long)]
    pub json: bool,
    /// A report in JSON to compare with: bytes, requests and series, which hardly depend on the machine.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Write the figures of the operator into this file; figures in it that were not measured now stay.
    #[arg(long, value_name = "FILE")]
    pub write_record: Option<PathBuf>,
}
