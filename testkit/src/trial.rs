//! The test runner: makes a trial of each test, and runs the trials if there is a control plane.
//!
//! A test that fails while the machine stalled proves nothing, so it is run again, and the output says so. Any other failure is one.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use libtest_mimic::{Arguments, Completion, Trial};
use tokio::sync::OnceCell;

use super::{audit, scene::Scene, stalls::Stalls};

type Pending<T> = Pin<Box<dyn Future<Output = T>>>;

/// Why a test that has begun is not run on.
struct Skipped(String);

/// Ends a test that this machine cannot run, and says so beside its name, so that it is not taken for shown.
pub fn skip(reason: &str) -> ! {
    // No panic, whose message would look like that of a failure.
    resume_unwind(Box::new(Skipped(reason.to_owned())))
}

/// A test: the sentence that it shows, and what it does.
pub struct Test {
    name: String,
    run: Box<dyn Fn() -> Pending<()> + Send>,
}

/// How often a test is run at most.
const RUNS: usize = 3;
/// How long the machine must have been well before that.
const CALM: Duration = Duration::from_secs(10);

impl Test {
    /// A test in a scene of its own.
    pub fn new(name: String, run: impl AsyncFn(Scene) + Send + Sync + 'static) -> Self {
        let scene: &'static str = name.clone().leak();
        Self::without_scene(name, async move || {
            let scene = Scene::new(scene).await;
            let namespace = scene.namespace.clone();
            run(scene).await;
            audit::check(&namespace);
        })
    }

    /// A test that needs no scene, or makes its own.
    pub fn without_scene(name: String, run: impl AsyncFn() + Send + Sync + 'static) -> Self {
        let run = Arc::new(run);
        let run = move || {
            let run = Arc::clone(&run);
            Box::pin(async move { run().await }) as Pending<()>
        };
        Self { name, run: Box::new(run) }
    }

    /// Runs it, and again if the machine stalled while it failed.
    fn judge(&self, runtime: &tokio::runtime::Handle, stalls: &Stalls) -> Completion {
        let mut runs = 1;
        loop {
            let begun = Instant::now();
            let Err(panic) = catch_unwind(AssertUnwindSafe(|| runtime.block_on((self.run)()))) else {
                return Completion::Completed;
            };
            if let Some(Skipped(reason)) = panic.downcast_ref() {
                return Completion::ignored_with(reason);
            }
            match stalls.since(begun) {
                Some(stall) if runs < RUNS => {
                    println!(
                        "{}: the machine stalled meanwhile, for {stall:.1?}, so it is run again",
                        self.name
                    );
                    runtime.block_on(stalls.ended());
                    runs += 1;
                }
                _ => resume_unwind(panic),
            }
        }
    }
}

/// Something that takes long to make and that several tests read. The first of them makes it, and when the last has ended
/// it is dropped.
pub struct Shared<T>(Arc<Inner<T>>);

struct Inner<T> {
    made: OnceCell<T>,
    begun: AtomicBool,
    make: Box<dyn Fn() -> Pending<T> + Send + Sync>,
}

impl<T: Send + Sync + 'static> Shared<T> {
    /// How it is made.
    pub fn new<F: Future<Output = T> + 'static>(make: impl Fn() -> F + Send + Sync + 'static) -> Self {
        let make = Box::new(move || Box::pin(make()) as Pending<T>);
        Self(Arc::new(Inner { made: OnceCell::new(), begun: AtomicBool::new(false), make }))
    }

    /// A test that reads it.
    pub fn test(&self, name: String, run: impl AsyncFn(&T) + Send + Sync + 'static) -> Test {
        let shared = Arc::clone(&self.0);
        Test::without_scene(name, async move || {
            let made = shared.made.get_or_init(|| {
                let first = !shared.begun.swap(true, Ordering::Relaxed);
                assert!(first, "another test failed to make what this one reads");
                (shared.make)()
            });
            run(made.await).await;
        })
    }
}

/// The tests of these functions, beside those of a table.
#[macro_export]
macro_rules! each {
    ($($name:ident),+ $(,)?) => {
        vec![$($crate::trial::Test::new(stringify!($name).to_owned(), $name)),+]
    };
}

/// Defines `pub fn tests()`, which lists these functions. The compiler reports a function that is not listed as unused.
#[macro_export]
macro_rules! tests {
    ($($name:ident),+ $(,)?) => {
        /// The tests of this file.
        pub fn tests() -> Vec<$crate::trial::Test> {
            $crate::each![$($name),+]
        }
    };
}

pub use crate::{each, tests};

/// The tests of one part of a program, by whose name, with a colon, they are chosen.
pub fn part(name: &str, tests: Vec<Test>) -> Vec<Test> {
    tests.into_iter().map(|test| Test { name: format!("{name}: {}", test.name), ..test }).collect()
}

/// Runs the tests, so many side by side unless the command line says otherwise, or lists them as ignored.
pub fn run(side_by_side: usize, tests: impl IntoIterator<Item = Vec<Test>>) {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(side_by_side);
    let control_plane = std::env::var_os("CBW_AUDIT_LOG").is_some();
    if !control_plane {
        println!("\nno control plane, so nothing is run here: use `make test`, or hack/control-plane/run.sh");
    }
    // kube and reqwest share the one TLS provider of the process.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let stalls = Arc::new(Stalls::new(CALM));
    if control_plane {
        let stalls = Arc::clone(&stalls);
        runtime.spawn(async move { stalls.watch().await });
    }
    let trials = tests
        .into_iter()
        .flatten()
        .map(|test| {
            let (handle, stalls) = (runtime.handle().clone(), Arc::clone(&stalls));
            Trial::ignorable_test(test.name.clone(), move || Ok(test.judge(&handle, &stalls)))
                .with_ignored_flag(!control_plane)
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit();
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// How often a test is run of which the first so many runs fail, and whether it passes.
    fn judged(failures: usize, stalled: bool) -> (usize, bool) {
        let (runs, stalls) = (Arc::new(AtomicUsize::new(0)), Arc::new(Stalls::new(Duration::ZERO)));
        let (counted, seen) = (Arc::clone(&runs), Arc::clone(&stalls));
        let test = Test::without_scene("a test".to_owned(), async move || {
            let now = Instant::now();
            if stalled {
                seen.answered(now, now + Duration::from_secs(2));
            }
            assert!(counted.fetch_add(1, Ordering::Relaxed) >= failures, "on purpose");
        });
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let passes = catch_unwind(AssertUnwindSafe(|| test.judge(runtime.handle(), &stalls))).is_ok();
        (runs.load(Ordering::Relaxed), passes)
    }

    #[test]
    fn a_failure_counts_unless_the_machine_stalled_and_never_more_than_twice() {
        assert_eq!(judged(0, true), (1, true));
        assert_eq!(judged(1, false), (1, false));
        assert_eq!(judged(1, true), (2, true));
        assert_eq!(judged(2, true), (3, true));
        assert_eq!(judged(3, true), (3, false));
    }

    #[test]
    fn what_a_machine_cannot_run_is_skipped_with_its_reason() {
        let test = Test::without_scene("a test".to_owned(), async || skip("no such program"));
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let ended = test.judge(runtime.handle(), &Stalls::new(Duration::ZERO));
        assert!(matches!(ended, Completion::Ignored { reason: Some(reason) } if reason == "no such program"));
    }
}
