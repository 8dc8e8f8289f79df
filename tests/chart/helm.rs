//! helm and kubectl as people type them, and what they render.

use std::{fs, path::Path, sync::OnceLock};

pub use cbw_testkit::chart::{CHART, values};
use cbw_testkit::{cluster::Cluster, program::ROOT};
use serde_json::Value;

/// The kinds that not every cluster has are left out of what is rendered where the API server does not have them.
pub const SKIPPED_WHERE_MISSING: [&str; 6] = [
    "--set",
    "serviceMonitor.renderMode=skipIfMissing",
    "--set",
    "podMonitor.renderMode=skipIfMissing",
    "--set",
    "prometheusRule.renderMode=skipIfMissing",
];

/// Renders the chart.
pub fn template(cluster: &Cluster, namespace: &str, arguments: &[&str]) -> String {
    cluster.helm(namespace, &[&["template", "dry", CHART], arguments].concat()).unwrap()
}

/// Renders one of the kustomize bases.
pub fn kustomize(cluster: &Cluster, base: &str) -> String {
    let folder = Path::new(ROOT).join("config").join(base);
    cluster.kubectl("default", &["kustomize", folder.to_str().unwrap()], "").unwrap()
}

/// Whether the API server takes these manifests, strictly. Nothing is kept.
pub fn server_takes(cluster: &Cluster, manifests: &str) -> Result<String, String> {
    let dry = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "--dry-run=server",
        "--validate=strict",
        "--filename=-",
    ];
    cluster.kubectl("", &dry, manifests)
}

/// What a release may need of its cluster: the namespaces that the files of values name, and the kind of the sharder.
pub fn surroundings(cluster: &Cluster) {
    for namespace in ["cce-backup-watch", "monitoring", "shop"] {
        cluster.kubectl("default", &["create", "namespace", namespace], "").unwrap();
    }
    let ring = fs::read_to_string(Path::new(ROOT).join("hack/checks/controllerring.yaml")).unwrap();
    cluster.kubectl("default", &["apply", "--filename=-"], &ring).unwrap();
    let name = "crd/controllerrings.sharding.timebertt.dev";
    cluster.kubectl("default", &["wait", "--for=condition=Established", name, "--timeout=30s"], "").unwrap();
}

/// The same on the control plane that the tests share.
pub fn shared_surroundings(cluster: &Cluster) {
    static MADE: OnceLock<()> = OnceLock::new();
    MADE.get_or_init(|| surroundings(cluster));
}

/// The documents of a rendered file.
pub fn documents(rendered: &str) -> Vec<Value> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(rendered).unwrap();
    documents.into_iter().filter(|document| !document.is_null()).collect()
}
