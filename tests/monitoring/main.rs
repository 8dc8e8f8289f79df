//! A Prometheus that scrapes the operator and evaluates every alert and every query of the dashboard: each must return data
//! in the state that it is for.
//!
//!     hack/control-plane/run.sh -- cargo test --test monitoring [PART OF A NAME]
//!
//! Alerts wait for minutes and hours, so here a minute becomes a second (`rules`); promtool tests them with their real times
//! (`alerts_test.yaml`). Most tests only read, and share a stage: an operator, and watches in every state. The API server has a
//! control plane of its own, because the definition is loosened.

mod alerts;
mod dashboard;
mod notifications;
mod panels;
mod rules;
mod stage;
mod states;

use cbw_testkit::trial;

/// How many tests run side by side. They wait for Prometheus most of the time.
const CONCURRENT_TESTS: usize = 16;

fn main() {
    let stages = stage::Stages::new();
    let tests = [alerts::tests(&stages), dashboard::tests(&stages), notifications::tests()];
    // What the tests that are run do not hold is not kept.
    drop(stages);
    trial::run(CONCURRENT_TESTS, tests);
}
