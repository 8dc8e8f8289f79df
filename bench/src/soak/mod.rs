//! `make soak`: hundreds of watches under churn, for a given time. Checks that the operator holds no more memory, files
//! and series after the last cycle than after the first, and that the churn explains every warning in its log.
//!
//! A cycle replaces watches, edits others, rotates Secrets, strikes clusters with every fault that the cloud has, runs
//! backups, and ends when every watch is well again. Cycle 0 warms up and is not compared. [`churn`] runs the cycles,
//! [`bounds`] and [`log`] judge, and [`crowd`] is the cache of the watches.

mod bounds;
mod churn;
mod crowd;
mod log;

use std::time::{Duration, Instant};

use crate::{
    Result,
    api_server::ApiServer,
    check::{self, Finding},
    cloud::Cloud,
    command::Command,
    exposition,
    operator::Operator,
    statistics::count,
};
use bounds::Reading;
use churn::Churn;
use crowd::Crowd;

/// The latency of the simulated cloud.
const LATENCY: Duration = Duration::from_millis(20);
/// How many cycles there are at least: one to warm up, since an allocator keeps what the busiest moment needed, and two to compare.
const CYCLES: usize = 3;
/// How much stronger the cycle to warm up is, so that no later one is the busiest.
const WARM_UP: usize = 3;
/// Flags of the operator: a short time-out, so that a fault is over soon, and a rate that does not limit so many
/// watches.
const FLAGS: [&str; 6] = ["--request-timeout", "2s", "--account-rate", "50", "--account-burst", "50"];

/// Runs the soak, prints what it finds, and returns whether every bound holds.
pub async fn run(command: &Command, watches: usize, length: Duration) -> Result<bool> {
    let cloud = Cloud::start(LATENCY).await?;
    let api_server = ApiServer::prepare().await?;
    api_server.define(command).await?;
    let crowd = Crowd::new(&api_server);
    let mut churn = Churn::new(&cloud, &api_server, &crowd, watches);
    churn.create().await?;
    let operator = Operator::start(command, &cloud, &api_server, &FLAGS).await?;
    churn.all_are_well().await?;

    println!("{}", bounds::HEAD);
    let begun = Instant::now();
    let mut readings = Vec::new();
    while readings.len() < CYCLES || begun.elapsed() < length {
        operator.process.forget_peak()?;
        let pace = churn.cycle(if readings.is_empty() { WARM_UP } else { 1 }).await?;
        let reading = read(&operator).await?;
        println!("{}", reading.row(readings.len(), begun.elapsed(), pace));
        readings.push(reading);
    }

    let [_warm_up, first, .., last] = readings.as_slice() else {
        return Err("there were too few cycles".into());
    };
    let mut findings = bounds::judge(first, last);
    findings.push(Finding {
        text: "the operator says that it is alive".to_owned(),
        holds: operator.is_alive().await?,
    });
    findings.extend(log::judge(&operator.log()?));
    let (text, holds) = check::judge("soak", &findings);
    print!("{text}");
    operator.stop().await?;
    Ok(holds)
}

/// What the operator holds while all is well, and its peak in the cycle.
async fn read(operator: &Operator) -> Result<Reading> {
    let files = operator.process.files()?;
    let metrics = operator.metrics().await?;
    let own_series = exposition::own_series(&metrics);
    let status = operator.process.status()?;
    Ok(Reading {
        peak: count(status.peak),
        memory: count(status.resident),
        sockets: files.sockets,
        files: files.others,
        threads: status.threads,
        series: exposition::series(&metrics) - own_series.len(),
        own_series,
    })
}
