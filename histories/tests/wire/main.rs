//! Histories on the wire: kube's client and runtime, hyper and the operator on top of them, with an API server at the other
//! end of pipes in memory and with a made-up clock. What breaks is what the other histories cannot break: connections,
//! answers and lines. A seed decides what users, the cloud and the wire do; the order of what happens in one moment is decided
//! by kube and tokio, so a seed that breaks a promise may have to be run more than once.

mod acts;
mod fault;
mod history;
mod http;
mod network;
mod server;

use history::run;

/// They take seven seconds of one core without optimisation.
const HISTORIES: u64 = 60;

/// `SEED=7 HISTORIES=20` runs the history of seed 7 and the nineteen after it.
#[test]
fn once_the_wire_is_well_the_store_and_every_status_are_right() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let first = number("SEED").unwrap_or(1);
    for seed in first..first + number("HISTORIES").unwrap_or(HISTORIES) {
        let ending = run(seed);
        if let Some(broken) = ending.broken {
            panic!("{}\nseed {seed}: {broken}", ending.trace.join("\n"));
        }
    }
}
