//! `make soak`: hundreds of watches under churn, for a given time. Checks that the operator holds no more memory, files
//! and series after the last cycle than after the first, and that the churn explains every warning in its log.
//!
//! A cycle replaces watches, edits others, rotates Secrets, strikes clusters with every fault that the cloud has, runs
//! backups, and ends when every watch is well again. Cycle 0 warms up and is not compared. [`churn`] runs the cycles, and
//! [`reading`] and [`log`] judge.

mod churn;
mod log;
mod reading;

use std::time::{Duration, Instant};

use crate::{
    Result,
    bench::Bench,
    check::{self, Finding},
    operator::{self, Operator},
};
use churn::Churn;
use reading::Reading;

/// The latency of the simulated cloud.
const LATENCY: Duration = Duration::from_millis(20);
/// How many watches there are.
const WATCHES: usize = 500;
/// How many cycles there are at least: one to warm up, since an allocator keeps what the busiest moment needed, and two to compare.
const CYCLES: usize = 3;
/// How much stronger the cycle to warm up is, so that no later one is the busiest.
const WARM_UP: usize = 3;
/// Flags of the operator: a short time-out, so that a fault is over soon, and a rate that does not limit so many
/// watches.
const FLAGS: [&str; 6] = ["--request-timeout", "2s", "--account-rate", "50", "--account-burst", "50"];

/// Runs the soak, prints what it finds, and returns whether every bound holds.
pub async fn run(command: &str, length: Duration) -> Result<bool> {
    let bench = Bench::new(&operator::print(command, "crd")?, LATENCY).await?;
    let mut churn = Churn::new(&bench, WATCHES);
    churn.create().await?;
    let operator = Operator::start(command, &bench, &FLAGS).await?;
    churn.all_are_well().await?;

    println!("{}", reading::HEAD);
    let begun = Instant::now();
    let mut readings = Vec::new();
    while readings.len() < CYCLES || begun.elapsed() < length {
        operator.process.forget_peak()?;
        let (shown, well) = churn.cycle(if readings.is_empty() { WARM_UP } else { 1 }).await?;
        let reading = Reading::of(&operator).await?;
        let [shown, well, end] = [shown, well, begun.elapsed()].map(|time| time.as_secs());
        println!("| {} | {shown} | {well} | {end} | {reading} |", readings.len());
        readings.push(reading);
    }

    let mut findings = reading::judge(&readings[1], &readings[readings.len() - 1]);
    let (holds, text) = (operator.is_alive().await?, "the operator says that it is alive".to_owned());
    findings.push(Finding { holds, text });
    findings.extend(log::judge(&operator.log()));
    operator.stop().await;
    Ok(check::judge("soak", &findings))
}
