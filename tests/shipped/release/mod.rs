//! RELEASE.md is followed up to the step that needs an account. Then the commands of docs/verify.md are run on what was released:
//! verify, mirror with signatures, verify the mirror, install from there.
//!
//! `CBW_IMAGES` names the archives of hack/image.sh that are released. Without any, empty images stand in for them.

mod binaries;
mod released;

use std::{path::Path, process::Command};

use binaries::works;
use cbw_testkit::{
    control_plane::ControlPlane,
    program::{ROOT, run},
    trial::{Shared, Test, skip},
};
use released::{IMAGE, OFFLINE, Release, SIGNATURES, VERSION};

/// What is promised of a release, before its tag and after it.
pub fn tests() -> Vec<Test> {
    let mirrored = Shared::new(async || {
        let mut release = Release::push("release", &images()).await;
        release.runs("sign release; files").ended(0, "");
        release.is_mirrored().await;
        release
    });
    let refused = "image and chart are refused until the release workflow has signed them".to_owned();
    let mut tests = vec![
        Test::without_scene("one version is carried everywhere".to_owned(), carries_one_version),
        Test::without_scene(refused, is_refused_until_signed),
        mirrored.test("archives are verified, changed checksums refused".to_owned(), checks_archives),
        mirrored.test("the image is an index of amd64 and arm64".to_owned(), is_an_index),
        mirrored.test(
            "a mirror is verified with a trusted root that was taken along".to_owned(),
            verifies_mirror,
        ),
        mirrored.test("Helm 3 and Helm 4 install chart and image of the mirror".to_owned(), is_installed),
    ];
    for architecture in ["amd64", "arm64"] {
        let name = format!("the binary for {architecture} is in image and archive, and works");
        tests.push(mirrored.test(name, async move |release: &Release| works(release, architecture).await));
    }
    tests
}

/// The archives that are released, if any are given.
fn images() -> String {
    std::env::var("CBW_IMAGES").unwrap_or_default()
}

async fn carries_one_version() {
    run(Command::new(Path::new(ROOT).join("hack/version.sh")).arg("--check")).ended(0, "");
}

async fn is_refused_until_signed() {
    let mut release = Release::push("unsigned", "").await;
    let verify = ["cosign verify "];
    release.follows(SIGNATURES, &verify).ended(10, "no signatures found");
    release.runs("sign ci").ended(0, "");
    release.follows(SIGNATURES, &verify).ended(1, "no matching CertificateIdentity found");
    release.runs("sign release").ended(0, "");
    release.follows(SIGNATURES, &verify).ended(0, "");

    release.runs("echo another >chart; oras push --plain-http $REGISTRY/$CHART:$VERSION chart").ended(0, "");
    release.follows(SIGNATURES, &verify).ended(10, "no signatures found");

    // What the page warns of: this tells a person who mirrors that all is well.
    release.mirror += "/copied";
    release
        .runs("cosign copy --allow-http-registry $REGISTRY/$IMAGE:$VERSION $MIRROR/$IMAGE:$VERSION")
        .ended(0, "");
    release.follows(OFFLINE, &verify).ended(10, "no signatures found");
}

async fn checks_archives(release: &Release) {
    let verify = release.page(SIGNATURES, &["cosign verify-blob", "sha256sum"]);
    release.runs(&verify).ended(0, "");
    release.runs("rm -rf changed; cp -r dist changed; echo x >>changed/checksums.txt").ended(0, "");
    release.runs(&verify.replace("cd dist", "cd changed")).ended(1, "invalid signature");
}

async fn is_an_index(release: &Release) {
    if images().split_whitespace().count() == 1 {
        skip("one archive was given");
    }
    let platforms = "{{range .content.manifests}}{{.platform.os}}/{{.platform.architecture}} {{end}}";
    let fetch = "oras manifest fetch --plain-http $MIRROR/$IMAGE:$VERSION --format go-template=";
    let sorted = release.runs(&format!("{fetch}'{platforms}' | xargs -n 1 | sort | xargs"));
    assert_eq!(sorted.stdout, "linux/amd64 linux/arm64\n", "{}", sorted.stderr);
}

async fn verifies_mirror(release: &Release) {
    release.follows(OFFLINE, &["cosign verify"]).ended(0, "");
}

async fn is_installed(release: &Release) {
    let cluster = &ControlPlane::start("release").await.cluster;
    for helm in ["helm-3", "helm-4"] {
        let export = format!("export HELM={helm} KUBECONFIG={}\n", cluster.kubeconfig.display());
        release.runs(&format!("{export}{}", release.page(OFFLINE, &["helm install"]))).ended(0, "");
        let image = "--output=jsonpath={.spec.template.spec.containers[0].image}";
        let image =
            cluster.kubectl("cce-backup-watch", &["get", "deployment", "cce-backup-watch", image], "");
        assert_eq!(image, Ok(format!("{}/{IMAGE}:{VERSION}", release.mirror)), "{helm}");
        release
            .runs(&format!("{export}$HELM uninstall cce-backup-watch --namespace cce-backup-watch"))
            .ended(0, "");
    }
}
