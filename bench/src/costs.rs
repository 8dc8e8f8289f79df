//! The main scenario: measures one build at one number of watches.
//!
//! It starts the operator on watches that were never polled, starts it again once all have a phase, waits until each is polled
//! once more, and then measures polls that find nothing new, scrapes and backups.

use std::time::{Duration, Instant};

use crate::{
    Result,
    bench::Bench,
    command::Command,
    exposition::{self, Histogram},
    operator::{LIFTED, Operator},
    report::Sample,
    statistics::{count, median},
    watches::Shape,
};

/// How long it may take until each watch has a phase.
const LIMIT: Duration = Duration::from_mins(10);
/// How long an operator without a watch is left alone before its memory is read.
const IDLE: Duration = Duration::from_secs(10);
/// How long the operator is left alone after all watches have a phase, so that its last writes are done.
const SETTLE: Duration = Duration::from_secs(2);
/// The shortest interval that the resource allows, in seconds. Backups are measured at it, because they would be seen
/// too late at a longer one, and the cost of a backup does not depend on the number of watches.
const SHORTEST: u64 = 10;
/// How many scrapes are timed; the figure is their median.
const SCRAPES: usize = 5;

/// What the runs have in common.
pub struct Load {
    /// Polls a second of all watches together, as far as the shortest interval allows. It is the same at each size, so
    /// that only the number of watches differs between the sizes.
    pub polls_per_second: u32,
    /// Over how many accounts the watches are spread.
    pub accounts: usize,
    /// How long unchanged polls are measured.
    pub window: Duration,
}

impl Load {
    /// The shape of so many watches that makes this load.
    pub fn shape(&self, watches: usize) -> Shape {
        let interval = watches.div_ceil(usize::try_from(self.polls_per_second).unwrap_or(usize::MAX));
        Shape { accounts: self.accounts, interval: u64::try_from(interval).unwrap_or(u64::MAX).max(SHORTEST) }
    }
}

/// Measures the operator without a watch.
pub async fn idle(bench: &Bench, command: &Command) -> Result<Sample> {
    let operator = Operator::start(command, &bench.cloud, &bench.api_server, &LIFTED).await?;
    tokio::time::sleep(IDLE).await;
    let sample = Sample::from([
        ("memoryBytes", count(operator.process.status()?.resident)),
        ("binaryBytes", count(operator.process.program_bytes()?)),
    ]);
    operator.stop().await?;
    Ok(sample)
}

/// Measures the operator with the watches that the bench has.
pub async fn with_watches(bench: &mut Bench, command: &Command, load: &Load) -> Result<Sample> {
    let mut sample = Sample::new();
    start(bench, command, &mut sample).await?;
    let operator = restart(bench, command, &mut sample).await?;
    unchanged_polls(bench, &operator, load.window, &mut sample).await?;
    scrapes(&operator, &mut sample).await?;
    sample.insert("resourceBytes", bench.api_server.resource_bytes().await?);
    if load.shape(bench.watches.count()).interval == SHORTEST {
        backups(bench, &mut sample).await?;
    }

    let status = operator.process.status()?;
    let files = operator.process.files()?;
    sample.insert("files", count(files.sockets + files.others));
    sample.insert("threads", count(status.threads));
    // The peak of the fresh start or that of the process after the restart, whichever is higher.
    sample.entry("peakMemoryBytes").and_modify(|peak| *peak = peak.max(count(status.peak)));
    bench.peaks(operator.process, &mut sample)?;
    operator.stop().await?;
    Ok(sample)
}

/// Measures from the start of the process until each watch has a phase.
async fn start(bench: &mut Bench, command: &Command, sample: &mut Sample) -> Result<()> {
    let (requests, servers) = (bench.api_server.audit.requests()?, bench.servers_cpu()?);
    let all_have_a_phase = bench.watches.have_a_phase(LIMIT);
    let begun = Instant::now();
    let operator = Operator::start(command, &bench.cloud, &bench.api_server, &LIFTED).await?;
    all_have_a_phase.await??;
    sample.insert("startSeconds", begun.elapsed().as_secs_f64());
    sample.insert("startCpuSeconds", operator.process.cpu_seconds()?);
    sample.insert("startServersCpuSeconds", bench.servers_cpu()? - servers);
    tokio::time::sleep(SETTLE).await;
    sample.insert("startRequests", count(bench.api_server.audit.requests()? - requests));
    sample.insert("peakMemoryBytes", count(operator.process.status()?.peak));
    operator.stop().await
}

/// Measures from the start of a process that takes over until each watch was polled once more.
async fn restart(bench: &mut Bench, command: &Command, sample: &mut Sample) -> Result<Operator> {
    bench.cloud.simulator.reset_counts();
    let requests = bench.api_server.audit.requests()?;
    let begun = Instant::now();
    let operator = Operator::start(command, &bench.cloud, &bench.api_server, &LIFTED).await?;
    operator.ready().await?;
    sample.insert("restartReadySeconds", begun.elapsed().as_secs_f64());
    while bench.cloud.polls() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    sample.insert("restartPollSeconds", begun.elapsed().as_secs_f64());
    let (mut most, mut before) = (0, 0);
    while bench.cloud.polled_clusters() < bench.watches.count() {
        if begun.elapsed() > LIMIT {
            return Err("some watches are not polled after a restart".into());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let polls = bench.cloud.polls();
        most = most.max(polls - before);
        before = polls;
    }
    sample.insert("restartMostPolls", count(most));
    sample.insert("restartCpuSeconds", operator.process.cpu_seconds()?);
    sample.insert("restartRequests", count(bench.api_server.audit.requests()? - requests));
    Ok(operator)
}

/// Measures polls whose answer is the same as the one before.
async fn unchanged_polls(
    bench: &mut Bench,
    operator: &Operator,
    window: Duration,
    sample: &mut Sample,
) -> Result<()> {
    let delays = Histogram::read(&operator.metrics().await?, "poll_delay_seconds");
    let (polls, cpu) = (bench.cloud.polls(), operator.process.cpu_seconds()?);
    let requests = bench.api_server.audit.requests()?;
    tokio::time::sleep(window).await;
    let (polls, cpu) = (bench.cloud.polls() - polls, operator.process.cpu_seconds()? - cpu);
    let requests = bench.api_server.audit.requests()? - requests;
    let thousands = count(polls) / 1000.0;
    sample.insert("cpuSecondsPer1000Polls", cpu / thousands);
    sample.insert("requestsPer1000Polls", count(requests) / thousands);
    sample.insert("memoryBytes", count(operator.process.status()?.resident));
    let after = Histogram::read(&operator.metrics().await?, "poll_delay_seconds");
    if let Some(delays) = after.zip(delays).map(|(after, before)| after.since(&before)) {
        let quantiles = [("delayP50Seconds", 0.5), ("delayP99Seconds", 0.99)];
        sample.extend(quantiles.iter().filter_map(|(key, part)| Some((*key, delays.quantile(*part)?))));
    }
    Ok(())
}

async fn scrapes(operator: &Operator, sample: &mut Sample) -> Result<()> {
    let (mut times, mut text) = (Vec::new(), String::new());
    for _ in 0..SCRAPES {
        let begun = Instant::now();
        text = operator.metrics().await?;
        times.push(begun.elapsed().as_secs_f64());
    }
    if !text.is_empty() {
        sample.insert("scrapeBytes", count(text.len()));
        sample.insert("series", count(exposition::series(&text)));
        sample.extend(median(&times).map(|time| ("scrapeSeconds", time)));
    }
    Ok(())
}

/// Measures backups of some clusters, each seen in three steps. A poll that finds nothing new makes no request to the
/// API server, so all requests in this time are for the backups.
async fn backups(bench: &mut Bench, sample: &mut Sample) -> Result<()> {
    let requests = bench.api_server.audit.requests()?;
    let clusters = bench.watches.run_backups(&bench.cloud).await?;
    sample.insert("backupRequests", count(bench.api_server.audit.requests()? - requests) / count(clusters));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_polls_a_second_are_the_same_at_each_size_that_allows_it() {
        let load = Load { polls_per_second: 100, accounts: 20, window: IDLE };
        let intervals = [100, 1000, 5000, 10_000].map(|watches| load.shape(watches).interval);
        assert_eq!(intervals, [10, 10, 50, 100]);
    }
}
