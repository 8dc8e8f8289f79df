//! What kubectl shows of the definition: `kubectl explain` has a description of every field, and selectors choose watches.

use cbw_testkit::{
    scene::{CLUSTER, PROJECT, Scene, kubectl},
    trial::tests,
    wait::{LIMIT, until},
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use serde_json::{Value, json};

use crate::definition::create;

tests![every_field_is_explained, watches_are_selected_by_what_they_watch_and_by_phase];

async fn every_field_is_explained(scene: Scene) {
    let explain = async |path: &str| {
        // The API server publishes the OpenAPI schema, which kubectl explain reads, a little after the definition is
        // established.
        let text = until(&format!("kubectl explains {path}"), LIMIT, async || {
            kubectl(&scene.namespace, &["explain", path], "").ok()
        })
        .await;
        words(&text)
    };
    let version = stored_version(&scene).await;
    let schema = &version["schema"]["openAPIV3Schema"];
    let mut fields = 0;
    for part in [
        "spec",
        "status",
        "status.tasks",
        "status.tasks.items",
        "status.lastSuccess",
        "status.lastFailure",
        "status.upgrade",
    ] {
        let mut object = schema;
        for step in part.split('.') {
            object = &object["properties"][step];
            if object["type"] == "array" {
                object = &object["items"];
            }
        }
        let text = explain(&format!("cbw.{part}")).await;
        for (field, about) in object["properties"].as_object().unwrap() {
            let description = words(about["description"].as_str().unwrap_or_default());
            assert!(description.len() > 15, "{part}.{field} has no description");
            assert!(text.contains(&description), "{part}.{field}: {description} is not in: {text}");
            fields += 1;
        }
    }
    assert!(fields > 35, "{fields}");
    assert!(
        explain("cbw").await.contains("reports the control-plane backups of one Huawei Cloud CCE cluster")
    );
    assert!(
        explain("cbw.spec.interval")
            .await
            .contains("How often to poll while no backup runs, between 10s and 24h.")
    );
}

/// The one version of the definition, as the server stores it.
async fn stored_version(scene: &Scene) -> Value {
    let definitions = Api::<CustomResourceDefinition>::all(scene.client.clone());
    let definition = definitions.get("clusterbackupwatches.cce.backupwatch.io").await.unwrap();
    serde_json::to_value(&definition.spec.versions[0]).unwrap()
}

/// The words of a text, without its line breaks.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

async fn watches_are_selected_by_what_they_watch_and_by_phase(scene: Scene) {
    let other = "99999999-2222-3333-4444-555555555555";
    let elsewhere = "f".repeat(32);
    for (name, region, project, cluster, phase) in [
        ("one", "cn-north-4", PROJECT, CLUSTER, "Running"),
        ("two", "cn-north-4", &elsewhere, other, "Success"),
        ("three", "eu-west-101", PROJECT, CLUSTER, "Success"),
    ] {
        let changes = json!({ "region": region, "projectID": project, "clusterID": cluster });
        create(&scene, name, &changes).await.unwrap();
        scene.edit_status(name, &json!({ "phase": phase })).unwrap();
    }
    let select = |selector: &str| {
        let format = "--output=jsonpath={.items[*].metadata.name}";
        kubectl(&scene.namespace, &["get", "cbw", "--field-selector", selector, format], "")
    };
    let project = format!("spec.projectID={elsewhere}");
    let cluster = format!("spec.clusterID={CLUSTER}");
    for (selector, expected) in [
        ("spec.region=cn-north-4", vec!["one", "two"]),
        (&project, vec!["two"]),
        (&cluster, vec!["one", "three"]),
        ("status.phase=Success", vec!["three", "two"]),
        ("status.phase!=Success,spec.region=cn-north-4", vec!["one"]),
        ("status.phase=Failed", vec![]),
    ] {
        let names = select(selector).unwrap();
        assert_eq!(names.split_whitespace().collect::<Vec<_>>(), expected, "{selector}");
    }
}
