//! The main scenario: measures one build at one number of watches.
//!
//! It starts the operator on watches that were never polled, starts it again once all have a phase, waits until each is polled
//! once more, and then measures polls that find nothing new, scrapes and backups.

use std::time::{Duration, Instant};

use kube::{api::ListParams, core::Request};
use serde_json::Value;

use crate::{
    Result,
    bench::Bench,
    metrics,
    operator::{LIFTED, Operator},
    process::Process,
    report::{Sample, count, median},
    watches::{Shape, Watches},
};

/// How long the cloud takes for each answer.
pub const LATENCY: Duration = Duration::from_millis(50);
/// All watches in one account, at the default interval.
pub const ONE_ACCOUNT: Shape = Shape { accounts: 1, interval: 300 };
/// Over how many accounts the watches are spread otherwise.
const ACCOUNTS: usize = 20;
/// Polls a second of all watches together, as far as the shortest interval allows. It is the same at each size, so that
/// only the number of watches differs between the sizes.
const POLLS_PER_SECOND: usize = 100;
/// The shortest interval that the resource allows, in seconds. Backups are measured at it, because they would be seen
/// too late at a longer one, and the cost of a backup does not depend on the number of watches.
const SHORTEST: u64 = 10;
/// How long unchanged polls are measured.
const WINDOW: Duration = Duration::from_secs(20);
/// How long it may take until each watch has a phase.
const LIMIT: Duration = Duration::from_mins(10);
/// How long an operator without a watch is left alone before its memory is read.
const IDLE: Duration = Duration::from_secs(10);
/// How long the operator is left alone after all watches have a phase, so that its last writes are done.
const SETTLE: Duration = Duration::from_secs(2);
/// How many scrapes are timed; the figure is their median.
const SCRAPES: usize = 5;
/// The slowest rate, in polls a second of watches that were never polled, at which those of one account are still waited for.
/// Watches that were polled have their share of the account, too.
const SLOWEST: u64 = 2;

/// The shape of so many watches.
pub fn shape(watches: usize) -> Shape {
    let interval = u64::try_from(watches.div_ceil(POLLS_PER_SECOND)).unwrap_or(u64::MAX);
    Shape { accounts: ACCOUNTS, interval: interval.max(SHORTEST) }
}

/// Measures the operator without a watch.
pub async fn idle(bench: &Bench, command: &str) -> Result<Sample> {
    let operator = Operator::start(command, bench, &LIFTED).await?;
    tokio::time::sleep(IDLE).await;
    let (memory, program) = (operator.process.memory()?, count(operator.process.program_bytes()?));
    operator.stop().await;
    Ok(Sample::from([("memoryBytes", memory), ("binaryBytes", program)]))
}

/// Measures the operator with these watches, none of which was ever polled.
pub async fn with_watches(bench: &mut Bench, watches: &Watches, command: &str) -> Result<Sample> {
    let mut sample = Sample::new();
    let start_peak = start(bench, watches, command, &mut sample).await?;
    let operator = restart(bench, watches, command, &mut sample).await?;
    unchanged_polls(bench, &operator, &mut sample).await?;
    scrapes(&operator, &mut sample).await?;
    sample.insert("resourceBytes", resource_bytes(bench).await?);
    if watches.shape.interval == SHORTEST {
        // A poll that finds nothing new makes no request to the API server, so all requests in this time are for the backups.
        bench.new_requests();
        let clusters = watches.run_backups(bench).await?;
        sample.insert("backupRequests", count(bench.new_requests()) / count(clusters));
    }
    let (sockets, others) = operator.process.files()?;
    sample.insert("files", count(sockets + others));
    sample.insert("threads", count(operator.process.threads()?));
    let peak = operator.process.peak()?;
    // That of the fresh start or that of the process after the restart, whichever is higher.
    sample.insert("peakMemoryBytes", peak.max(start_peak));
    // The parts may have peaked at different times, so the sum is an upper bound.
    let [api_server, etcd] = bench.servers;
    let parts = [api_server.peak()?, etcd.peak()?, Process(std::process::id()).peak()?];
    sample.extend(["apiServerPeakBytes", "etcdPeakBytes", "cloudPeakBytes"].into_iter().zip(parts));
    sample.insert("everythingPeakBytes", peak + parts.iter().sum::<f64>());
    operator.stop().await;
    Ok(sample)
}

/// Measures from the start of the process until each watch has a phase, and returns its peak memory.
async fn start(bench: &mut Bench, watches: &Watches, command: &str, sample: &mut Sample) -> Result<f64> {
    bench.new_requests();
    let servers = bench.servers_cpu()?;
    let all_have_a_phase = watches.have_a_phase(LIMIT);
    let begun = Instant::now();
    let operator = Operator::start(command, bench, &LIFTED).await?;
    all_have_a_phase.await??;
    sample.insert("startSeconds", begun.elapsed().as_secs_f64());
    sample.insert("startCpuSeconds", operator.process.cpu_seconds()?);
    sample.insert("startServersCpuSeconds", bench.servers_cpu()? - servers);
    tokio::time::sleep(SETTLE).await;
    sample.insert("startRequests", count(bench.new_requests()));
    let peak = operator.process.peak()?;
    operator.stop().await;
    Ok(peak)
}

/// Measures from the start of a process that takes over until each watch was polled once more.
async fn restart(
    bench: &mut Bench,
    watches: &Watches,
    command: &str,
    sample: &mut Sample,
) -> Result<Operator> {
    bench.scene.cloud.reset_counts();
    bench.new_requests();
    let begun = Instant::now();
    let mut operator = Operator::start(command, bench, &LIFTED).await?;
    operator.ready().await?;
    sample.insert("restartReadySeconds", begun.elapsed().as_secs_f64());
    while bench.polls() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    sample.insert("restartPollSeconds", begun.elapsed().as_secs_f64());
    let (mut most, mut before) = (0, 0);
    while bench.polled_clusters() < watches.count {
        if begun.elapsed() > LIMIT {
            return Err("some watches are not polled after a restart".into());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let polls = bench.polls();
        most = most.max(polls - before);
        before = polls;
    }
    sample.insert("restartMostPolls", count(most));
    sample.insert("restartCpuSeconds", operator.process.cpu_seconds()?);
    sample.insert("restartRequests", count(bench.new_requests()));
    Ok(operator)
}

/// Measures polls whose answer is the same as the one before.
async fn unchanged_polls(bench: &mut Bench, operator: &Operator, sample: &mut Sample) -> Result<()> {
    let before = metrics::delays(&operator.metrics().await?);
    let (polls, cpu) = (bench.polls(), operator.process.cpu_seconds()?);
    bench.new_requests();
    tokio::time::sleep(WINDOW).await;
    let (polls, cpu) = (bench.polls() - polls, operator.process.cpu_seconds()? - cpu);
    let thousands = count(polls) / 1000.0;
    sample.insert("cpuSecondsPer1000Polls", cpu / thousands);
    sample.insert("requestsPer1000Polls", count(bench.new_requests()) / thousands);
    sample.insert("memoryBytes", operator.process.memory()?);
    let after = metrics::delays(&operator.metrics().await?);
    for (key, part) in [("delayP50Seconds", 0.5), ("delayP99Seconds", 0.99)] {
        sample.extend(metrics::quantile(&before, &after, part).map(|delay| (key, delay)));
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
        sample.insert("series", count(metrics::series(&text).count()));
        sample.insert("scrapeSeconds", median(&times));
    }
    Ok(())
}

/// The mean size of a resource in JSON, which is how the API server stores it in etcd.
async fn resource_bytes(bench: &Bench) -> Result<f64> {
    let namespace = &bench.scene.namespace;
    let path = format!("/apis/cce.backupwatch.io/v1alpha1/namespaces/{namespace}/clusterbackupwatches");
    let some = Request::new(path).list(&ListParams::default().limit(200))?;
    let list: Value = bench.scene.client.request(some).await?;
    let items = list["items"].as_array().filter(|items| !items.is_empty()).ok_or("there are no watches")?;
    let bytes: usize = items.iter().map(|item| item.to_string().len()).sum();
    Ok(count(bytes) / count(items.len()))
}

/// Measures the time from the start of an operator with default flags until each of these watches of one account has a phase,
/// which takes as long as the account's rate limit makes it take.
pub async fn one_account(bench: &Bench, watches: &Watches, command: &str) -> Result<Sample> {
    let limit = Duration::from_mins(2) + Duration::from_secs(u64::try_from(watches.count)? / SLOWEST);
    bench.scene.cloud.reset_counts();
    let all_have_a_phase = watches.have_a_phase(limit);
    let begun = Instant::now();
    let operator = Operator::start(command, bench, &[]).await?;
    all_have_a_phase.await??;
    let (elapsed, polls) = (begun.elapsed().as_secs_f64(), count(bench.polls()));
    let memory = operator.process.memory()?;
    operator.stop().await;
    Ok(Sample::from([
        ("accountSeconds", elapsed),
        ("accountPollsPerSecond", polls / elapsed),
        ("accountRepeats", polls - count(bench.polled_clusters())),
        ("accountMemoryBytes", memory),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_polls_a_second_are_the_same_at_each_size_that_allows_it() {
        assert_eq!([100, 1000, 5000, 10_000].map(|watches| shape(watches).interval), [10, 10, 50, 100]);
    }
}
