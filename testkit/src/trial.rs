//! The test runner: makes a trial of each test, and runs the trials if there is a control plane.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use libtest_mimic::{Arguments, Trial};
use tokio::sync::OnceCell;

use super::{audit, scene::Scene};

type Pending<T> = Pin<Box<dyn Future<Output = T>>>;

/// A test: the sentence that it shows, and what it does.
pub struct Test {
    name: String,
    run: Box<dyn FnOnce() -> Pending<()> + Send>,
}

impl Test {
    /// A test in a scene of its own.
    pub fn new<F: Future<Output = ()> + 'static>(
        name: String,
        run: impl FnOnce(Scene) -> F + Send + 'static,
    ) -> Self {
        let scene: &'static str = name.clone().leak();
        Self::without_scene(name, async move || {
            let scene = Scene::new(scene).await;
            let namespace = scene.namespace.clone();
            run(scene).await;
            audit::check(&namespace);
        })
    }

    /// A test that needs no scene, or makes its own.
    pub fn without_scene<F: Future<Output = ()> + 'static>(
        name: String,
        run: impl FnOnce() -> F + Send + 'static,
    ) -> Self {
        Self { name, run: Box::new(|| Box::pin(run())) }
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
    pub fn test(&self, name: String, run: impl AsyncFnOnce(&T) + Send + 'static) -> Test {
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
    let trials = tests
        .into_iter()
        .flatten()
        .map(|Test { name, run }| {
            let handle = runtime.handle().clone();
            Trial::test(name, move || {
                handle.block_on(run());
                Ok(())
            })
            .with_ignored_flag(!control_plane)
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit();
}
