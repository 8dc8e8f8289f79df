//! The gates of `docs/backup.md`, the chart's scheduled backups and `discover | kubectl apply` on a real API server, with
//! the Job controller and a simulated cloud.
//!
//!     hack/control-plane/run.sh --with-controller-manager -- cargo test --test gates [PART OF A NAME]
//!
//! Whatever lets an upgrade begin is tried in every state of the backups: it must open after a fresh success and after no
//! other end, and never start a backup that nobody asked for. There is no kubelet: `testkit` runs the command of each pod.

mod cloud;
mod clusters;
mod job_files;
mod operator;
mod pipelines;
mod schedule;

use cbw_testkit::trial;

/// How many tests run side by side. They wait for controllers and backups most of the time.
const CONCURRENT_TESTS: usize = 8;

fn main() {
    let tests =
        [job_files::tests(), schedule::tests(), operator::tests(), clusters::tests(), pipelines::tests()];
    trial::run(CONCURRENT_TESTS, tests);
}
