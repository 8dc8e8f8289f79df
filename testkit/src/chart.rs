//! The chart, and what tests make of it and around it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::json;

use crate::{
    cluster::Cluster,
    program::{self, ROOT, folder},
};

/// The chart, from the root of the repository.
pub const CHART: &str = "charts/cce-backup-watch";

/// The files of values that the chart is tested with, by name.
pub fn values() -> Vec<(String, PathBuf)> {
    let folder = fs::read_dir(Path::new(ROOT).join(CHART).join("ci")).unwrap();
    let mut files: Vec<_> = folder.map(|entry| entry.unwrap()).collect();
    files.sort_by_key(fs::DirEntry::file_name);
    files.into_iter().map(|file| (file.file_name().into_string().unwrap(), file.path())).collect()
}

/// Renders one of its templates, with further arguments of helm.
pub fn template(file: &str, arguments: &[&str]) -> String {
    let mut helm = Command::new("helm");
    helm.current_dir(ROOT).args(["template", "watch", CHART, "--show-only", &format!("templates/{file}")]);
    let ran = program::run(helm.args(arguments));
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    ran.stdout
}

/// The image that the chart asks for.
pub fn image() -> String {
    let deployment = template("deployment.yaml", &[]);
    let image = deployment.lines().find_map(|line| line.trim().strip_prefix("image: "));
    image.unwrap().trim_matches('"').to_owned()
}

/// A copy of the chart whose definition has one more column, `Changed`.
pub fn changed() -> PathBuf {
    let copy = folder().join("changed-chart");
    let copied = Command::new("cp").arg("-RT").arg(Path::new(ROOT).join(CHART)).arg(&copy).status();
    assert!(copied.unwrap().success());
    let file = copy.join("files/crd.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let line =
        text.lines().find(|line| line.ends_with("- description: The CCE cluster that is watched.")).unwrap();
    let indent = &line[..line.len() - line.trim_start().len()];
    let column = format!("{indent}- {{name: Changed, type: string, jsonPath: .spec.region}}\n{line}");
    fs::write(&file, text.replacen(line, &column, 1)).unwrap();
    copy
}

/// Defines the kinds of the Prometheus Operator that the chart renders, as it is when that operator is installed.
pub fn define_monitors(cluster: &Cluster) {
    for kind in ["ServiceMonitor", "PodMonitor", "PrometheusRule"] {
        let singular = kind.to_lowercase();
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": { "name": format!("{singular}s.monitoring.coreos.com") },
            "spec": {
                "group": "monitoring.coreos.com", "scope": "Namespaced",
                "names": { "kind": kind, "plural": format!("{singular}s"), "singular": singular },
                "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": {
                    "type": "object", "x-kubernetes-preserve-unknown-fields": true,
                } } }],
            },
        });
        cluster.kubectl("default", &["create", "--filename=-"], &definition.to_string()).unwrap();
        let name = format!("crd/{singular}s.monitoring.coreos.com");
        cluster
            .kubectl("default", &["wait", "--for=condition=Established", &name, "--timeout=30s"], "")
            .unwrap();
    }
}
