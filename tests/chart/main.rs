//! The chart and the kustomize bases on a real API server: installation, upgrade and removal, what the server takes of what
//! they render, and what each account may then do. How the templates render is shown by helm-unittest.
//!
//!     hack/control-plane/run.sh -- cargo test --test chart [PART OF A NAME]

mod helm;
mod lifecycle;
mod permissions;
mod rendered;

use cbw_testkit::trial;

/// How many tests run side by side: two of them have a control plane of their own.
const CONCURRENT_TESTS: usize = 4;

fn main() {
    let tests = [lifecycle::tests(), permissions::tests(), rendered::tests()];
    trial::run(CONCURRENT_TESTS, tests);
}
