//! The start of an operator with default flags on many watches of one account, which takes as long as the account's
//! rate limit makes it take.

use std::time::{Duration, Instant};

use crate::{
    Result, bench::Bench, command::Command, operator::Operator, report::Sample, statistics::count,
    watches::Shape,
};

/// The default interval, in seconds.
const INTERVAL: u64 = 300;
/// The slowest rate, in polls a second of watches that were never polled, at which the run is still waited for. Watches that were
/// polled have their share of the account, too.
const SLOWEST: u64 = 2;

/// All watches of one account.
pub fn shape() -> Shape {
    Shape { accounts: 1, interval: INTERVAL }
}

/// Measures the time from the start of an operator with default flags until each of the bench's watches has a phase.
pub async fn measure(bench: &mut Bench, command: &Command) -> Result<Sample> {
    let watches = bench.watches.count();
    let limit = Duration::from_mins(2) + Duration::from_secs(u64::try_from(watches)? / SLOWEST);
    bench.cloud.simulator.reset_counts();
    let all_have_a_phase = bench.watches.have_a_phase(limit);
    let begun = Instant::now();
    let operator = Operator::start(command, &bench.cloud, &bench.api_server, &[]).await?;
    let mut progress = tokio::time::interval(Duration::from_mins(1));
    progress.tick().await;
    let mut all_have_a_phase = std::pin::pin!(all_have_a_phase);
    loop {
        tokio::select! {
            done = &mut all_have_a_phase => {
                done??;
                break;
            }
            _ = progress.tick() => {
                let polled = bench.cloud.polled_clusters();
                eprintln!("bench: {polled} of {watches} clusters polled after {} s", begun.elapsed().as_secs());
            }
        }
    }
    let (elapsed, polls) = (begun.elapsed().as_secs_f64(), count(bench.cloud.polls()));
    let sample = Sample::from([
        ("accountSeconds", elapsed),
        ("accountPollsPerSecond", polls / elapsed),
        ("accountRepeats", polls - count(bench.cloud.polled_clusters())),
        ("accountMemoryBytes", count(operator.process.status()?.resident)),
    ]);
    operator.stop().await?;
    Ok(sample)
}
