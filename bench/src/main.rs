//! `make bench`, `make soak` and `cbw-bench answers`: measure what a running operator costs, on a real API server and against a simulated cloud.
//!
//! It runs inside of `hack/control-plane/run.sh`, on the testkit. `docs/benchmarks.md` describes the method and has the results.

mod answers;
mod bench;
mod check;
mod costs;
mod crowd;
mod figures;
mod metrics;
mod operator;
#[cfg(test)]
mod pages;
mod process;
mod report;
#[cfg(test)]
mod scale;
mod soak;
mod table;
mod watches;

use std::{collections::BTreeSet, error::Error, fs, path::PathBuf, process::ExitCode, time::Duration};

use cbw_testkit::setup::define_as;
use clap::{Args, Parser};

use self::{
    bench::Bench,
    report::{Build, Report},
    watches::Watches,
};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Measures what a running operator costs.
#[derive(Parser)]
#[command(version)]
enum Scenario {
    /// A start, a restart, unchanged polls, scrapes and backups at several numbers of watches.
    Costs(Costs),
    /// Hundreds of watches under churn: what the operator holds must stay the same.
    Soak {
        /// How long, in minutes; there are two cycles at least.
        #[arg(long, default_value_t = 20, value_name = "N")]
        minutes: u64,
        /// The operator: a program and its first arguments.
        #[arg(long, default_value = "target/release/cce-backup-watch", value_name = "CMD")]
        operator: String,
    },
    /// What answers of the largest size take: the peak of memory of `tasks`, `discover` and the operator.
    Answers {
        /// The operator: a program and its first arguments.
        #[arg(long, default_value = "target/release/cce-backup-watch", value_name = "CMD")]
        operator: String,
    },
}

#[derive(Args)]
struct Costs {
    /// How many watches there are, one number for each size; what is measured without a watch comes besides.
    #[arg(long, default_value = "100,1000", value_name = "N", value_delimiter = ',')]
    watches: Vec<usize>,
    /// How often each size is measured.
    #[arg(long, default_value_t = 3, value_name = "N")]
    runs: usize,
    /// In the end, start once with so many watches in one account, at the default rate and interval: the rate of the account, 5 a
    /// second, says how long that takes.
    #[arg(long, value_name = "N")]
    one_account: Option<usize>,
    /// The operator: a program and its first arguments.
    #[arg(long, default_value = "target/release/cce-backup-watch", value_name = "CMD")]
    operator: String,
    /// An older build or another operator, measured in turn with the first; may be given more than once. It is started with the
    /// same flags as the operator, and with KUBECONFIG.
    #[arg(long, value_name = "CMD")]
    against: Vec<String>,
    /// Print JSON instead of tables.
    #[arg(long)]
    json: bool,
    /// A report in JSON to compare with: bytes, requests and series, which hardly depend on the machine.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Write the report into this file.
    #[arg(long, value_name = "FILE")]
    write_record: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let scenario = Scenario::parse();
    if std::env::var_os("CBW_AUDIT_LOG").is_none() {
        return Err("there is no control plane: use `make bench`, or hack/control-plane/run.sh".into());
    }
    // The one TLS provider of the process. It can be installed only once, which is here.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let holds = match scenario {
        Scenario::Costs(costs) => costs.run().await?,
        Scenario::Answers { operator } => answers::run(&operator).await?,
        Scenario::Soak { minutes, operator } => soak::run(&operator, Duration::from_mins(minutes)).await?,
    };
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Costs {
    /// Measures, prints the report and writes it if asked to, and returns whether every bound holds.
    async fn run(&self) -> Result<bool> {
        // Read before anything is measured.
        let record = self.record.as_ref().map(fs::read_to_string).transpose()?;
        let record: Option<Report> = record.map(|text| serde_json::from_str(&text)).transpose()?;
        let report = self.measure().await?;
        let json = serde_json::to_string_pretty(&report)? + "\n";
        print!("{}", if self.json { json.clone() } else { table::tables(&report) });
        if let Some(path) = &self.write_record {
            fs::write(path, json)?;
        }
        let (build, others) = report.builds.split_first().ok_or("nothing was measured")?;
        let mut holds = check::judge("growth and memory", &check::bounds(build));
        if let Some(record) = record {
            let record = record.builds.first().ok_or("the record has no build")?;
            let title = "compared with the record, without what depends on the machine";
            holds &= check::judge(title, &check::compare(build, record, false));
        }
        for other in others {
            let title = format!("compared with `{}` in this run", other.command);
            holds &= check::judge(&title, &check::compare(build, other, true));
        }
        Ok(holds)
    }

    async fn measure(&self) -> Result<Report> {
        let machine = bench::machine()?;
        let mut builds = Vec::new();
        for command in std::iter::once(&self.operator).chain(&self.against) {
            let version =
                operator::print(command, "--version")?.lines().next().unwrap_or_default().to_owned();
            builds.push(Build { command: command.clone(), version, ..Build::default() });
        }
        let mut bench = Bench::new(&operator::print(&self.operator, "crd")?, costs::LATENCY).await?;
        let mut watches = Watches::new(&bench.scene);
        // From none to the most: watches are only ever added.
        let sizes: BTreeSet<_> = self.watches.iter().copied().chain([0]).collect();
        let (runs, mut turns) = (1..=self.runs, Vec::new());
        for size in sizes {
            turns.extend(runs.clone().map(|run| (size, costs::shape(size), format!("run {run}"))));
        }
        turns.extend(self.one_account.map(|size| (size, costs::ONE_ACCOUNT, "in one account".to_owned())));
        for (size, shape, what) in turns {
            // The builds take turns, so that a machine that becomes slower does so for all of them.
            for build in &mut builds {
                let command = &build.command;
                eprintln!("bench: {size} watches, {what}, `{command}`");
                define_as(&bench.scene.cluster, &operator::print(command, "crd")?);
                let sample = if size == 0 {
                    costs::idle(&bench, command).await?
                } else {
                    watches.renew(&bench, size, shape).await?;
                    if shape.accounts == costs::ONE_ACCOUNT.accounts {
                        costs::one_account(&bench, &watches, command).await?
                    } else {
                        costs::with_watches(&mut bench, &watches, command).await?
                    }
                };
                build.add(size, sample);
            }
        }
        Ok(Report { machine, builds })
    }
}
