//! The operator as a process, against a real kube-apiserver and etcd, and a cloud that checks signatures.
//!
//!     hack/control-plane/run.sh -- cargo test --test e2e [PART OF A NAME]
//!
//! Without a control plane every test is listed as ignored and nothing is run. The tests share one control plane and
//! run side by side: each has a namespace, an operator that watches nothing else, and a simulated cloud of its own.
//! `testkit` runs the servers and programs, `shared` holds what several cases share; every other file holds cases.

mod shared;

mod api_server_trouble;
mod canary;
mod chaos;
mod commands;
mod concurrent_writers;
mod credentials;
mod definition;
mod events;
mod explained;
mod faults;
mod following;
mod hostile;
mod hosts;
mod kubectl;
mod large_resources;
mod long_list;
mod one_trouble;
mod outage;
mod own_identity;
mod pauses;
mod port;
mod process;
mod recording;
mod replicas;
mod request_budget;
mod requests;
mod restored_status;
mod ring;
mod rotation;
mod scope;
mod testkit_works;
mod upgrades;
mod verdicts;

use cbw_testkit::trial;

/// How many tests run side by side. They wait for timers most of the time, so there may be more than there are cores. With twelve
/// the one API server of two slow cores did not answer for up to eight seconds.
const CONCURRENT_TESTS: usize = 8;

fn main() {
    // The longest tests start first, so that none of them runs alone at the end.
    let tests = [
        own_identity::tests(),
        chaos::tests(),
        one_trouble::tests(),
        api_server_trouble::tests(),
        commands::tests(),
        rotation::tests(),
        upgrades::tests(),
        outage::tests(),
        pauses::tests(),
        recording::tests(),
        canary::tests(),
        hostile::tests(),
        request_budget::tests(),
        credentials::tests(),
        events::tests(),
        explained::tests(),
        replicas::tests(),
        large_resources::tests(),
        long_list::tests(),
        ring::tests(),
        verdicts::tests(),
        faults::tests(),
        concurrent_writers::tests(),
        restored_status::tests(),
        scope::tests(),
        testkit_works::tests(),
        port::tests(),
        process::tests(),
        requests::tests(),
        following::tests(),
        hosts::tests(),
        kubectl::tests(),
        definition::tests(),
    ];
    trial::run(CONCURRENT_TESTS, tests);
}
