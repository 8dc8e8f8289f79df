//! The test runner: makes a trial of each test function, and runs the trials if there is a control plane.

use std::{future::Future, pin::Pin};

use libtest_mimic::{Arguments, Trial};

use super::{audit, scene::Scene};

/// What a test does.
pub type Run = Box<dyn FnOnce(Scene) -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// A test: its name and what it does in a scene of its own.
pub struct Test {
    /// The name of the function, which is the sentence that the test shows.
    pub name: &'static str,
    /// The function.
    pub run: Run,
}

impl Test {
    /// One of a table of tests, which has its name from a row.
    pub fn new<F: Future<Output = ()> + 'static>(
        name: String,
        run: impl FnOnce(Scene) -> F + Send + 'static,
    ) -> Self {
        Self { name: name.leak(), run: Box::new(|scene| Box::pin(run(scene))) }
    }
}

/// The tests of these functions, beside those of a table.
#[macro_export]
macro_rules! each {
    ($($name:ident),+ $(,)?) => {
        vec![$($crate::trial::Test { name: stringify!($name), run: Box::new(|scene| Box::pin($name(scene))) }),+]
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

/// Runs the tests, or lists them as ignored.
pub fn run(arguments: &Arguments, tests: Vec<Test>) {
    let control_plane = std::env::var_os("CBW_AUDIT_LOG").is_some();
    if !control_plane {
        println!("\nno control plane, so nothing is run here: use `make test`, or hack/control-plane/run.sh");
    }
    // kube and reqwest share the one TLS provider of the process.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let trials = tests
        .into_iter()
        .map(|test| {
            let handle = runtime.handle().clone();
            Trial::test(test.name, move || {
                handle.block_on(async {
                    let scene = Scene::new(test.name).await;
                    let namespace = scene.namespace.clone();
                    (test.run)(scene).await;
                    audit::check(&namespace);
                });
                Ok(())
            })
            .with_ignored_flag(!control_plane)
        })
        .collect();
    libtest_mimic::run(arguments, trials).exit();
}
