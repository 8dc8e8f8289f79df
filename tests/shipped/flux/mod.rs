//! What `docs/gitops.md` says of Flux, tried with Flux' own kustomize-controller and helm-controller. The manifests and the commands
//! are those of the pages, in other namespaces, so that the stories share no object.
//!
//!     hack/control-plane/run.sh --with-controller-manager -- cargo test --test shipped flux:
//!
//! The first run builds the controllers, which takes minutes and needs Go and its module proxy.

mod controllers;
mod fleet;
mod gates;
mod release;
mod sources;
mod watches;

use cbw_testkit::{operator::Operator, trial::Test};

use fleet::Fleet;

/// The stories, in the order of the page, and last that of `docs/gates/flux.yaml`.
pub fn tests() -> Vec<Test> {
    vec![
        Test::without_scene(
            "the operator comes from an OCI registry, and goes".into(),
            release::comes_and_goes,
        ),
        story("reconciles of unchanged watches ask the API server and write nothing", watches::unchanged),
        story("a wrong key fails the Kustomization, and a failed backup does not", watches::wrong_key),
        story("a Secret that comes late heals a Kustomization with retryInterval", watches::late_secret),
        story("a gate waits for the first backup, and what depends on it waits too", gates::waits),
        story("a failed and a stale backup block at the next reconcile of a gate", gates::blocks),
        story("a gate owns no watch, unlike a second Kustomization of the path", gates::owns_nothing),
        story("a changed immutable field is refused until it is forced", watches::immutable_field),
        story("the documented commands poll now, and Flux leaves one annotation of two", watches::poll_now),
        story("an upgrade waits for the Job of its commit to succeed", gates::upgrade_waits_for_job),
    ]
}

/// A story that begins with a good backup, and with an operator whose watch `prod` comes from the documented Kustomization.
fn story(name: &str, run: impl AsyncFn(&Fleet, &mut Operator) + Send + Sync + 'static) -> Test {
    Test::new(name.to_owned(), async move |scene| {
        let fleet = Fleet::new(scene, &["kustomize-controller"]).await;
        let mut operator = fleet.scene.operator().await;
        fleet.publish("operators", &[]).await;
        fleet.comes_to("backup-watches", "True", &[]).await;
        run(&fleet, &mut operator).await;
    })
}
