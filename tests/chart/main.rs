//! The chart and the kustomize bases on a real API server: installation, upgrade and removal, what the server takes of what
//! they render, what each account may then do, and whether the operator works with what its release gives it. How the templates
//! render is shown by helm-unittest.
//!
//!     hack/control-plane/run.sh -- cargo test --test chart [PART OF A NAME]

mod helm;
mod lifecycle;
mod operator;
mod permissions;
mod release;
mod rendered;

use cbw_testkit::trial;

/// How many tests run side by side: three of them have a control plane of their own.
const CONCURRENT_TESTS: usize = 4;

fn main() {
    let tests = [lifecycle::tests(), operator::tests(), permissions::tests(), rendered::tests()];
    trial::run(CONCURRENT_TESTS, tests);
}
