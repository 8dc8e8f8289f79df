//! What the API server and its schemas say of everything that the chart and the kustomize bases render.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use cbw_testkit::{
    jobs,
    program::{self, ROOT, folder},
    scene::Scene,
    trial::{Test, each},
};
use serde_json::{Value, json};

use crate::helm::{
    CHART, SKIPPED_WHERE_MISSING, documents, helm, kustomize, server_takes, shared_surroundings, template,
    values,
};

/// A test for each file of values, and what is the same for all.
pub fn tests() -> Vec<Test> {
    let rest = each![
        the_api_server_takes_the_kustomize_bases,
        a_pod_that_may_escalate_is_refused,
        everything_is_of_the_schemas_of_this_api_server,
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
    let rendered = helm(&scene.cluster, &scene.namespace, &arguments).unwrap();
    let documents = documents(&rendered);
    let deployment = documents.iter().find(|document| kind(document) == "Deployment").unwrap();
    let refused = admits(&scene, deployment).unwrap_err();
    assert!(refused.contains("violates PodSecurity \"restricted"), "{refused}");
}

/// kubeconform reads the server's own schemas. It must refuse a field that there is not, because a check that takes
/// everything would prove nothing; and so must the server.
async fn everything_is_of_the_schemas_of_this_api_server(scene: Scene) {
    shared_surroundings(&scene.cluster);
    let schemas = folder().join("schemas");
    fs::create_dir_all(&schemas).unwrap();
    let openapi = folder().join("openapi.json");
    fs::write(&openapi, scene.cluster.kubectl("default", &["get", "--raw", "/openapi/v2"], "").unwrap())
        .unwrap();
    let made = Command::new("go")
        .args(["run", "./schemas"])
        .arg(&schemas)
        .current_dir(Path::new(ROOT).join("hack/checks"))
        .stdin(Stdio::from(fs::File::open(&openapi).unwrap()))
        .status();
    assert!(made.unwrap().success());
    let kubeconform = program::tool("kubeconform");
    let conforms = |text: &str| {
        let file = folder().join("rendered.yaml");
        fs::write(&file, text).unwrap();
        let location = format!("{}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json", schemas.display());
        program::run(Command::new(&kubeconform).args(["-strict", "-schema-location", &location]).arg(file))
    };
    let files = values().into_iter().map(|(name, file)| (name, rendered(&scene, file.to_str().unwrap())));
    let bases = ["default", "namespaced"].map(|base| (base.to_owned(), kustomize(&scene.cluster, base)));
    for (name, text) in files.chain(bases) {
        let ran = conforms(&text);
        assert_eq!(ran.code, Some(0), "{name}: {ran:#?}");
        if name == "default-values.yaml" {
            let typo = text.replace("\n  replicas: 1\n", "\n  replicaz: 1\n");
            conforms(&typo).ended(1, "replicaz");
            assert!(server_takes(&scene.cluster, &typo).unwrap_err().contains("replicaz"));
        }
    }
}
