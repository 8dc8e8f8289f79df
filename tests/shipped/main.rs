//! What is shipped, used as people use it: the commands and manifests of the pages, the image, a release, the playground.
//!
//!     hack/control-plane/run.sh -- cargo test --test shipped PART: [--test-threads N]
//!
//! Each part has a line in the Makefile, which says what it needs. A part whose program is missing on this machine and cannot be
//! installed, or that needs more of the machine than it gives, is skipped by name.

mod flux;
mod helm;
mod image;
mod node;
mod page;
mod playground;
mod release;
mod templates;

use cbw_testkit::trial;

/// One after the other: what a part installs, it installs for the whole cluster.
const CONCURRENT_TESTS: usize = 1;

fn main() {
    let parts = [
        ("flux", flux::tests()),
        ("helm", helm::tests()),
        ("image", image::tests()),
        ("node", node::tests()),
        ("playground", playground::tests()),
        ("release", release::tests()),
        ("templates", templates::tests()),
    ];
    trial::run(CONCURRENT_TESTS, parts.map(|(name, tests)| trial::part(name, tests)));
}
