//! The operator as a process, against a real kube-apiserver and etcd, and a cloud that checks signatures.
//!
//!     hack/control-plane/run.sh -- cargo test --test e2e [PART OF A NAME]
//!
//! Without a control plane every test is listed as ignored and nothing is run. The tests share one control plane and
//! run side by side: each has a namespace, an operator that watches nothing else, and a simulated cloud of its own.

mod following;
mod kubectl;
mod operator;
mod scene;
mod trial;
mod wait;

use libtest_mimic::Arguments;

/// How many tests run side by side. They wait for timers most of the time, so there may be more than there are cores.
const TOGETHER: usize = 12;

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(TOGETHER);
    let tests = [following::tests(), kubectl::tests()];
    trial::run(&arguments, tests.into_iter().flatten().collect());
}
