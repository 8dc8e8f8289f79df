//! Searches histories of the operator for a broken promise, or runs one of them and prints what happens.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use cbw_histories::{history, script::Script, search};
use clap::Parser;

/// Searches made-up histories of the operator for a broken promise.
#[derive(Debug, Parser)]
struct Args {
    /// How many histories to run.
    #[arg(long, default_value_t = 10_000)]
    histories: u64,
    /// Stop after so many minutes, though histories are left.
    #[arg(long)]
    minutes: Option<u64>,
    /// The first seed. Those after it follow one by one.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads; none: one for each core.
    #[arg(long)]
    threads: Option<usize>,
    /// Run the history of --seed alone and print every line of it.
    #[arg(long)]
    show: bool,
    /// With --show: only these acts, by number, as a search printed them. Without: all.
    #[arg(long, value_delimiter = ',', num_args = 0.., requires = "show")]
    acts: Option<Vec<usize>>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.show {
        return show(args.seed, args.acts);
    }
    let threads = args.threads.or_else(|| std::thread::available_parallelism().ok().map(Into::into));
    let begun = Instant::now();
    let limit = args.minutes.map(|minutes| Duration::from_secs(minutes * 60));
    let goes_on = |n| n < args.histories && limit.is_none_or(|limit| begun.elapsed() < limit);
    let threads = threads.unwrap_or(1);
    let searched = search::search(args.seed, threads, goes_on);
    let seconds = begun.elapsed().as_secs_f64();
    #[allow(clippy::cast_precision_loss)] // a rate for people
    let rate = searched.histories as f64 / seconds;
    println!(
        "{} histories from seed {} on, {} events, {seconds:.0} s on {threads} threads: {rate:.0} histories/s",
        searched.histories, args.seed, searched.events,
    );
    let Some(found) = searched.found else {
        println!("no promise was broken");
        return ExitCode::SUCCESS;
    };
    let acts: Vec<_> = found.acts.iter().map(ToString::to_string).collect();
    println!("broken: {}", found.finding);
    println!("to see it: --show --seed {} --acts {}", found.seed, acts.join(","));
    ExitCode::FAILURE
}

fn show(seed: u64, acts: Option<Vec<usize>>) -> ExitCode {
    let mut script = Script::new(seed);
    if let Some(acts) = acts {
        let acts: BTreeSet<_> = acts.into_iter().collect();
        script = script.only(|n, _| acts.contains(&n));
    }
    println!("{script:#?}");
    let ending = history::run(&script, true);
    match ending.finding {
        Some(finding) => {
            println!("broken: {finding}");
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}
