//! `make bench`: measures what a running operator costs, on a real API server and against a simulated cloud.
//!
//! It runs inside `hack/control-plane/run.sh` and starts the operator three times: without watches, with a few, and with
//! all of them. `docs/benchmarks.md` describes the method and has the results.

mod api_server;
mod cloud;
mod figures;
mod histogram;
mod operator;
mod watches;

use std::{error::Error, path::PathBuf, time::Duration};

use clap::Parser;

use self::{
    api_server::ApiServer, cloud::Cloud, figures::Figures, histogram::Histogram, operator::Operator,
    watches::Watches,
};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// How many watches the memory of many is compared with.
const FEW: usize = 100;
/// The time between two polls of a watch.
const INTERVAL: Duration = Duration::from_secs(10);
/// How long an operator is left alone before its memory is read: each watch is polled twice at least.
const SETTLE: Duration = Duration::from_secs(25);

/// Measures what a running operator costs.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// How many watches there are.
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(200..=20_000))]
    watches: u32,
    /// Over how many accounts they are spread.
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    accounts: u32,
    /// The operator to measure.
    #[arg(long, default_value = "target/release/cce-backup-watch", value_name = "PATH")]
    operator: PathBuf,
    /// How long the cloud takes for each answer, in milliseconds.
    #[arg(long, default_value_t = 50, value_name = "MS")]
    latency: u64,
    /// How long polls are counted, in seconds.
    #[arg(long, default_value_t = 60, value_name = "S", value_parser = clap::value_parser!(u64).range(10..))]
    window: u64,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    // The one TLS provider of the process. It can be installed only once, which is here.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let figures = measure(&arguments).await?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    } else {
        print!("{}", figures.table());
    }
    Ok(())
}

async fn measure(arguments: &Arguments) -> Result<Figures> {
    let cloud = Cloud::start(Duration::from_millis(arguments.latency)).await?;
    let api_server = ApiServer::prepare(&arguments.operator).await?;
    let all = usize::try_from(arguments.watches)?;
    let accounts = usize::try_from(arguments.accounts)?;

    eprintln!("bench: the operator without a watch");
    let operator = Operator::start(&arguments.operator, &cloud, &api_server).await?;
    tokio::time::sleep(SETTLE / 2).await;
    let idle = operator.memory()?;
    operator.stop().await?;

    eprintln!("bench: {FEW} watches");
    let few = Watches::create(&api_server, &cloud, FEW, accounts).await?;
    let operator = Operator::start(&arguments.operator, &cloud, &api_server).await?;
    few.have_a_phase().await?;
    tokio::time::sleep(SETTLE).await;
    let memory_of_few = operator.memory()?;
    operator.stop().await?;
    few.delete().await?;

    eprintln!("bench: {all} watches");
    let many = Watches::create(&api_server, &cloud, all, accounts).await?;
    let begun = std::time::Instant::now();
    let operator = Operator::start(&arguments.operator, &cloud, &api_server).await?;
    many.have_a_phase().await?;
    let all_have_a_phase = begun.elapsed();
    tokio::time::sleep(SETTLE).await;
    let memory_of_many = operator.memory()?;

    eprintln!("bench: polls of {} s", arguments.window);
    let (polls, cpu) = (cloud.polls(), operator.cpu_time()?);
    let requests = api_server.requests()?;
    let delays = Histogram::read(&operator.metrics().await?, "poll_delay_seconds");
    tokio::time::sleep(Duration::from_secs(arguments.window)).await;
    let (polls, cpu) = (cloud.polls() - polls, operator.cpu_time()?.saturating_sub(cpu));
    let requests = api_server.requests()? - requests;
    let delays = Histogram::read(&operator.metrics().await?, "poll_delay_seconds")
        .zip(delays)
        .map(|(after, before)| after.since(&before));
    operator.stop().await?;

    Ok(Figures {
        watches: all,
        binary_bytes: std::fs::metadata(&arguments.operator)?.len(),
        idle_bytes: idle,
        bytes_per_watch: figures::ratio(memory_of_many.saturating_sub(memory_of_few), all - FEW),
        seconds_until_all_have_a_phase: all_have_a_phase.as_secs_f64(),
        polls,
        cpu_seconds_per_1000_polls: cpu.as_secs_f64() * 1000.0 / figures::ratio(polls, 1),
        api_server_requests_per_1000_polls: figures::ratio(requests, 1) * 1000.0 / figures::ratio(polls, 1),
        poll_delay_p50_seconds: delays.as_ref().and_then(|delays| delays.quantile(0.5)),
        poll_delay_p99_seconds: delays.as_ref().and_then(|delays| delays.quantile(0.99)),
    })
}
