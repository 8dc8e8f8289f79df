//! `make bench` and `make soak`: measure what a running operator costs, on a real API server and against a simulated cloud.
//!
//! It runs inside of `hack/control-plane/run.sh`. `docs/benchmarks.md` describes the method and has the results.

mod account;
mod api_server;
mod audit;
mod bench;
mod check;
mod cli;
mod cloud;
mod command;
mod costs;
mod exposition;
mod figures;
mod kernel;
mod made_up;
mod operator;
#[cfg(test)]
mod pages;
mod report;
mod scale;
mod soak;
mod statistics;
mod table;
mod watches;

use std::{error::Error, fs, path::Path, process::ExitCode, time::Duration};

use clap::Parser;

use self::{
    bench::Bench,
    cli::{Arguments, Builds, Output, Scenario, Sizes},
    command::Command,
    costs::Load,
    report::{Build, Report},
};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    // The one TLS provider of the process. It can be installed only once, which is here.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match arguments.scenario {
        Scenario::Costs { sizes, load, builds, output } => {
            let record = output.record()?;
            let report = measure(&sizes, &load.into(), &builds).await?;
            finish(&report, record.as_ref(), &output)
        }
        Scenario::Scale { record } => {
            let record = read_record(&record)?;
            print!("{}", scale::table(record.builds.first().ok_or("the record has no build")?)?);
            Ok(ExitCode::SUCCESS)
        }
        Scenario::Soak { minutes, watches, operator } => {
            let holds =
                soak::run(&operator, usize::try_from(watches)?, Duration::from_secs(60 * minutes)).await?;
            Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

async fn measure(sizes: &Sizes, load: &Load, builds: &Builds) -> Result<Report> {
    let machine = bench::machine()?;
    let (commands, mut measured) = builds.all().await?;
    let mut bench = Bench::new(builds.latency(), load.shape(0)).await?;
    for size in sizes.ascending() {
        for run in 1..=sizes.runs {
            // The builds take turns, so that a machine that becomes slower does so for all of them.
            for (command, build) in commands.iter().zip(&mut measured) {
                eprintln!("bench: {size} watches, run {run} of {}, `{command}`", sizes.runs);
                bench.api_server.define(command).await?;
                let sample = if size == 0 {
                    costs::idle(&bench, command).await?
                } else {
                    bench.watches.renew(&bench.cloud, size, load.shape(size)).await?;
                    costs::with_watches(&mut bench, command, load).await?
                };
                build.add(size, sample);
            }
        }
    }
    if let Some(watches) = sizes.one_account {
        for (command, build) in commands.iter().zip(&mut measured) {
            eprintln!("bench: {watches} watches in one account, `{command}`");
            bench.api_server.define(command).await?;
            bench.watches.renew(&bench.cloud, watches, account::shape()).await?;
            build.add(watches, account::measure(&mut bench, command).await?);
        }
    }
    Ok(Report { machine, builds: measured })
}

/// Prints the report, judges it, and writes it into a record if asked to.
fn finish(report: &Report, record: Option<&Report>, output: &Output) -> Result<ExitCode> {
    if output.json {
        println!("{}", serde_json::to_string_pretty(report)?);
    } else {
        print!("{}", table::tables(report));
    }
    let [build, others @ ..] = report.builds.as_slice() else { return Err("nothing was measured".into()) };
    let mut judgements = vec![check::judge("growth and memory", &check::bounds(build))];
    if let Some(record) = record {
        let record = record.builds.first().ok_or("the record has no build")?;
        let title = "compared with the record, without what depends on the machine";
        judgements.push(check::judge(title, &check::with_record(build, record)));
    }
    for other in others {
        let title = format!("compared with `{}` in this run", other.command);
        judgements.push(check::judge(&title, &check::side_by_side(build, other)));
    }
    for (text, _) in &judgements {
        eprint!("{text}");
    }
    let all_hold = judgements.iter().all(|(_, holds)| *holds);
    if let Some(path) = &output.write_record {
        let mut new = Report { machine: report.machine.clone(), builds: vec![build.clone()] };
        if path.exists() {
            new = new.merged_into(read_record(path)?);
        }
        fs::write(path, serde_json::to_string_pretty(&new)? + "\n")?;
    }
    Ok(if all_hold { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read_record(path: &Path) -> Result<Report> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?)
}

impl Output {
    /// The record to compare with, read before anything is measured.
    fn record(&self) -> Result<Option<Report>> {
        self.record.as_deref().map(read_record).transpose()
    }
}

impl Builds {
    fn latency(&self) -> Duration {
        Duration::from_millis(self.latency)
    }

    /// The operator and those that it is compared with, as commands and as builds of which nothing is measured yet.
    async fn all(&self) -> Result<(Vec<Command>, Vec<Build>)> {
        let commands: Vec<_> = std::iter::once(&self.operator).chain(&self.against).cloned().collect();
        let mut builds = Vec::new();
        for command in &commands {
            builds.push(Build::new(command.to_string(), command.version().await?));
        }
        Ok((commands, builds))
    }
}
