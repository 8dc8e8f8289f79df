//! A release from its installation to its removal, and the definition, which outlives it. Each test has a control plane of
//! its own, because the definition is everybody's.

use std::{fs, path::Path};

use cbw_testkit::{
    chart,
    cluster::Cluster,
    control_plane::ControlPlane,
    program::ROOT,
    scene::{Scene, watch},
    trial::tests,
};
use serde_json::{Value, json};

use crate::helm::{CHART, SKIPPED_WHERE_MISSING, kustomize, server_takes, surroundings, values};

tests![
    the_definition_and_its_watches_outlive_releases_that_come_and_go,
    monitors_come_when_the_prometheus_operator_does,
];

/// The namespace of the release, and its name.
const SYSTEM: &str = "cce-backup-watch";
const DEFINITION: &str = "crd/clusterbackupwatches.cce.backupwatch.io";

/// An empty cluster: without the definition.
struct Empty {
    cluster: Cluster,
    _control_plane: ControlPlane,
}

impl Empty {
    async fn new(scene: &Scene) -> Self {
        let control_plane = ControlPlane::start(scene.test).await;
        let this = Self { cluster: control_plane.cluster.clone(), _control_plane: control_plane };
        surroundings(&this.cluster);
        this
    }

    fn kubectl(&self, arguments: &[&str]) -> String {
        self.cluster.kubectl("default", arguments, "").unwrap()
    }

    fn helm(&self, arguments: &[&str]) -> Result<String, String> {
        self.cluster.helm(SYSTEM, arguments)
    }

    fn refuses(&self, words: &str, arguments: &[&str]) {
        let said = self.helm(arguments).expect_err("this must be refused");
        assert!(said.contains(words), "{said}");
    }

    /// The definition serves, and the watch that was made at first is still there.
    fn keeps(&self) {
        self.kubectl(&["wait", "--for=condition=Established", DEFINITION, "--timeout=30s"]);
        self.kubectl(&["get", "clusterbackupwatch", "kept"]);
    }
}

/// The examples that Artifact Hub shows.
fn examples() -> String {
    let chart: Value =
        serde_saphyr::from_str(&fs::read_to_string(Path::new(ROOT).join(CHART).join("Chart.yaml")).unwrap())
            .unwrap();
    let text = chart["annotations"]["artifacthub.io/crdsExamples"].as_str().unwrap();
    let examples: Vec<Value> = serde_saphyr::from_str(text).unwrap();
    assert!(!examples.is_empty());
    json!({ "apiVersion": "v1", "kind": "List", "items": examples }).to_string()
}

async fn the_definition_and_its_watches_outlive_releases_that_come_and_go(scene: Scene) {
    let empty = Empty::new(&scene).await;
    empty.helm(&["install", SYSTEM, CHART]).unwrap();
    empty.kubectl(&["wait", "--for=condition=Established", DEFINITION, "--timeout=30s"]);
    let kept = watch("kept", &json!({ "upgrades": "Watch" })).to_string();
    empty.cluster.kubectl("default", &["create", "--validate=strict", "--filename=-"], &kept).unwrap();
    server_takes(&empty.cluster, &examples()).unwrap();

    empty.helm(&["upgrade", SYSTEM, chart::changed().to_str().unwrap()]).unwrap();
    let columns = "--output=jsonpath={.spec.versions[0].additionalPrinterColumns[*].name}";
    assert!(empty.kubectl(&["get", DEFINITION, columns]).contains("Changed"));
    empty.keeps();
    empty.helm(&["rollback", SYSTEM, "1"]).unwrap();
    empty.helm(&["uninstall", SYSTEM]).unwrap();
    empty.keeps();

    // The definition belongs to the release that is gone.
    let other = empty.helm(&["install", "other", CHART]).expect_err("this must be refused");
    assert!(other.contains("cannot be imported") || other.contains("invalid ownership"), "{other}");
    empty.helm(&["install", "other", CHART, "--take-ownership"]).unwrap();
    empty.helm(&["uninstall", "other"]).unwrap();
    empty.keeps();

    empty.helm(&["install", SYSTEM, CHART, "--take-ownership"]).unwrap();
    empty.helm(&["upgrade", SYSTEM, CHART, "--set", "crds.keep=false"]).unwrap();
    empty.helm(&["uninstall", SYSTEM]).unwrap();
    // "kubectl wait" fails where the deletion is done already.
    let _ = empty.cluster.kubectl("default", &["wait", "--for=delete", DEFINITION, "--timeout=30s"], "");
    let gone =
        empty.cluster.kubectl("default", &["get", DEFINITION], "").expect_err("the definition is gone");
    assert!(gone.contains("NotFound"), "{gone}");

    empty.helm(&["install", SYSTEM, CHART]).unwrap();
    empty.kubectl(&["wait", "--for=condition=Established", DEFINITION, "--timeout=30s"]);
    // With the flags that the documentation gives for a release that may exist or not.
    let second = ["upgrade", "--install", "second", CHART, "--set", "crds.enabled=false"];
    empty.helm(&[&second[..], &["--reset-then-reuse-values"]].concat()).unwrap();
    for (name, file) in values() {
        let values = ["--values", file.to_str().unwrap()];
        let upgraded = empty.helm(&[&second[..], &values, &SKIPPED_WHERE_MISSING].concat());
        assert!(upgraded.is_ok(), "{name}: {upgraded:?}");
    }
    empty.helm(&[&second[..], &["--reset-values"]].concat()).unwrap();
}

async fn monitors_come_when_the_prometheus_operator_does(scene: Scene) {
    let empty = Empty::new(&scene).await;
    empty.helm(&["install", SYSTEM, CHART, "--set", "serviceMonitor.enabled=true"]).unwrap();
    let strictly =
        ["--set", "serviceMonitor.enabled=true", "--set", "serviceMonitor.renderMode=failIfMissing"];
    empty.refuses(
        "does not know the kind ServiceMonitor",
        &[&["upgrade", SYSTEM, CHART], &strictly[..]].concat(),
    );
    chart::define_monitors(&empty.cluster);
    let all = ["--set", "prometheusRule.enabled=true", "--set", "dashboard.enabled=true"];
    empty.helm(&[&["upgrade", SYSTEM, CHART], &strictly[..], &all].concat()).unwrap();
    empty.kubectl(&["get", "servicemonitor", SYSTEM, "--namespace", SYSTEM]);
    server_takes(&empty.cluster, &kustomize(&empty.cluster, "monitoring")).unwrap();
}
