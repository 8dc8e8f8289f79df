//! What the API server says of everything that the chart and the kustomize bases render.

use cbw_testkit::{
    jobs,
    scene::Scene,
    trial::{Test, each},
};
use serde_json::{Value, json};

use crate::helm::{
    CHART, SKIPPED_WHERE_MISSING, documents, kustomize, server_takes, shared_surroundings, template, values,
};

/// A test for each file of values, and what is the same for all.
pub fn tests() -> Vec<Test> {
    let rest = each![
        the_api_server_takes_the_kustomize_bases,
        a_pod_that_may_escalate_is_refused,
        a_misspelt_field_is_refused_by_its_name,
    ];
    let files = values().into_iter().map(|(name, file)| {
        Test::new(format!("the API server takes what is rendered with {name}"), async move |scene| {
            taken(&scene, file.to_str().unwrap()).await;
        })
    });
    files.chain(rest).collect()
}

/// With a file of values, where the kinds of the Prometheus Operator are missing.
fn rendered(scene: &Scene, file: &str) -> String {
    let arguments = [&["--values", file], &SKIPPED_WHERE_MISSING[..]].concat();
    template(&scene.cluster, &scene.namespace, &arguments)
}

async fn taken(scene: &Scene, file: &str) {
    shared_surroundings(&scene.cluster);
    jobs::restricted(scene).await;
    let rendered = rendered(scene, file);
    server_takes(&scene.cluster, &rendered).unwrap();
    let documents = documents(&rendered);
    let pods: Vec<_> =
        documents.iter().filter(|document| ["Deployment", "Pod"].contains(&kind(document))).collect();
    assert!(pods.iter().any(|document| kind(document) == "Deployment"), "no Deployment");
    for document in pods {
        let admitted = admits(scene, document);
        assert!(admitted.is_ok(), "{admitted:?}");
    }
}

fn kind(document: &Value) -> &str {
    document["kind"].as_str().unwrap_or_default()
}

/// Whether a pod is admitted: a pod itself, or that of a Deployment, which no controller here would make.
fn admits(scene: &Scene, document: &Value) -> Result<String, String> {
    let template = if kind(document) == "Deployment" { &document["spec"]["template"] } else { document };
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "spec": template["spec"],
        "metadata": { "name": "pod", "labels": template["metadata"]["labels"] },
    });
    scene.cluster.kubectl(&scene.namespace, &["create", "--dry-run=server", "--filename=-"], &pod.to_string())
}

async fn the_api_server_takes_the_kustomize_bases(scene: Scene) {
    shared_surroundings(&scene.cluster);
    for base in ["default", "namespaced"] {
        let rendered = kustomize(&scene.cluster, base);
        let taken = server_takes(&scene.cluster, &rendered);
        assert!(taken.is_ok(), "{base}: {taken:?}");
        let prunes_no_definition = rendered.contains("\n    argocd.argoproj.io/sync-options: Prune=false\n");
        assert!(base != "default" || prunes_no_definition, "Argo CD would prune the definition");
    }
}

async fn a_pod_that_may_escalate_is_refused(scene: Scene) {
    jobs::restricted(&scene).await;
    let arguments = ["template", "x", CHART, "--set", "securityContext.allowPrivilegeEscalation=true"];
    let rendered = scene.cluster.helm(&scene.namespace, &arguments).unwrap();
    let documents = documents(&rendered);
    let deployment = documents.iter().find(|document| kind(document) == "Deployment").unwrap();
    let refused = admits(&scene, deployment).unwrap_err();
    assert!(refused.contains("violates PodSecurity \"restricted"), "{refused}");
}

/// The server must refuse a field that there is not, because a check that takes everything would prove nothing.
async fn a_misspelt_field_is_refused_by_its_name(scene: Scene) {
    shared_surroundings(&scene.cluster);
    let rendered = template(&scene.cluster, &scene.namespace, &[]);
    let misspelt = rendered.replace("\n  replicas: 1\n", "\n  replicaz: 1\n");
    let refused = server_takes(&scene.cluster, &misspelt).unwrap_err();
    assert!(refused.contains("replicaz"), "{refused}");
}
