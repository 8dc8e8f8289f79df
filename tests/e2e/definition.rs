//! The CustomResourceDefinition on a real API server: what it refuses and in which words, the defaults that it fills in.

use cbw_testkit::{
    scene::{CLUSTER, PROJECT, REGION, Scene, kubectl, watch},
    trial::tests,
};
use cce_backup_watch::api::ClusterBackupWatch;
use kube::api::PostParams;
use serde_json::{Value, json};

tests![
    a_bad_resource_is_refused_in_words_that_name_the_field_and_the_rule,
    one_mistake_is_one_error,
    a_hostile_resource_cannot_be_stored,
    a_good_resource_is_accepted_and_its_defaults_are_filled_in,
    what_a_watch_is_of_cannot_be_changed,
    a_condition_that_kubernetes_would_not_take_is_refused,
];

/// Creates a watch with these changes to the usual spec. Returns the stored resource, or the message with which the API
/// server refuses it.
pub async fn create(scene: &Scene, name: &str, changes: &Value) -> Result<Value, String> {
    // Raw JSON, because the operator's own types could drop or mend a mistake before the API server sees it.
    let path =
        format!("/apis/cce.backupwatch.io/v1alpha1/namespaces/{}/clusterbackupwatches", scene.namespace);
    let body = serde_json::to_vec(&watch(name, changes)).unwrap();
    let request = kube::core::Request::new(path).create(&PostParams::default(), body).unwrap();
    scene.client.request(request).await.map_err(|error| match error {
        kube::Error::Api(status) => status.message,
        error => panic!("{error}"),
    })
}

async fn refuses(scene: &Scene, cases: &[(Value, &str, &str)]) {
    for (changes, field, rule) in cases {
        let said = create(scene, "bad", changes).await.expect_err(&format!("{changes} is accepted"));
        assert!(
            said.contains(field) && said.contains(rule),
            "{changes}: {field} and {rule} are not in: {said}"
        );
        for jargon in ["should match", "evaluating rule", "protobuf"] {
            assert!(!said.contains(jargon), "{changes}: no person reads {jargon}: {said}");
        }
    }
}

async fn a_bad_resource_is_refused_in_words_that_name_the_field_and_the_rule(scene: Scene) {
    let region = "region must be the id of a region, such as cn-north-4";
    let (interval, active) =
        ("interval must be between 10s and 24h", "activeInterval must be between 2s and 1h");
    let units =
        "maxAge must be between 10s and 8784h, in the units h, m, s and ms, such as 1m30s; a day is 24h";
    let (max_age, stuck) =
        ("maxAge must be between 10s and 8784h", "stuckAfter must be between 10s and 168h");
    let hex = "projectID must be 32 lower-case hexadecimal digits";
    let uuid = "clusterID must be a UUID in lower case";
    let cases = [
        (json!({ "region": null }), "spec.region", "Required value"),
        (json!({ "region": "" }), "spec.region", region),
        (json!({ "region": "CN-NORTH-4" }), "spec.region", region),
        (json!({ "region": "cn-north-4-" }), "spec.region", region),
        (json!({ "region": "a".repeat(64) }), "spec.region", "Too long"),
        (json!({ "projectID": null }), "spec.projectID", "Required value"),
        (json!({ "projectID": PROJECT.to_uppercase() }), "spec.projectID", hex),
        (json!({ "projectID": &PROJECT[1..] }), "spec.projectID", hex),
        (json!({ "clusterID": null }), "spec.clusterID", "Required value"),
        (json!({ "projectID": format!("{PROJECT}0") }), "spec.projectID", hex),
        (json!({ "clusterID": "prod" }), "spec.clusterID", uuid),
        (json!({ "clusterID": CLUSTER.replace('-', "0") }), "spec.clusterID", uuid),
        (json!({ "clusterID": "AAAAAAAA-2222-3333-4444-555555555555" }), "spec.clusterID", uuid),
        (
            json!({ "clusterType": "Turbo" }),
            "spec.clusterType",
            r#"supported values: "Standard", "Autopilot""#,
        ),
        (json!({ "credentials": {} }), "spec.credentials.secretRef", "Required value"),
        (json!({ "credentials": { "secretRef": {} } }), "spec.credentials.secretRef.name", "Required value"),
        (
            json!({ "credentials": { "secretRef": { "name": "Huawei_Keys" } } }),
            "spec.credentials.secretRef.name",
            "name must be the name of a Secret",
        ),
        (json!({ "interval": "9s" }), "spec.interval", interval),
        (json!({ "interval": "24h1ms" }), "spec.interval", interval),
        (json!({ "interval": "" }), "spec.interval", interval),
        (json!({ "interval": "5" }), "spec.interval", interval),
        (json!({ "interval": "-5m" }), "spec.interval", interval),
        (json!({ "interval": 300 }), "spec.interval", "must be of type string"),
        (json!({ "interval": "9".repeat(31) + "h" }), "spec.interval", interval),
        (json!({ "activeInterval": "1999ms" }), "spec.activeInterval", active),
        (json!({ "activeInterval": "61m", "interval": "2h" }), "spec.activeInterval", active),
        (
            json!({ "activeInterval": "11s" }),
            "spec.activeInterval",
            "activeInterval must not be above interval",
        ),
        (json!({ "maxAge": "1d" }), "spec.maxAge", units),
        (json!({ "maxAge": "9s" }), "spec.maxAge", max_age),
        (json!({ "maxAge": "8784h1s" }), "spec.maxAge", max_age),
        (json!({ "stuckAfter": "9.9s" }), "spec.stuckAfter", stuck),
        (json!({ "stuckAfter": "168h1s" }), "spec.stuckAfter", stuck),
        (json!({ "historyLimit": 0 }), "spec.historyLimit", "should be greater than or equal to 1"),
        (json!({ "historyLimit": 51 }), "spec.historyLimit", "should be less than or equal to 50"),
        (json!({ "historyLimit": "10" }), "spec.historyLimit", "must be of type integer"),
        (json!({ "suspend": "yes" }), "spec.suspend", "must be of type boolean"),
    ];
    refuses(&scene, &cases).await;

    // With strict field validation, as kubectl requests it, a mistyped field or the namespace of a Secret is refused
    // and not dropped silently.
    for (changes, field) in [
        (json!({ "maxage": "26h" }), "spec.maxage"),
        (
            json!({ "credentials": { "secretRef": { "name": "huawei", "namespace": "kube-system" } } }),
            "spec.credentials.secretRef.namespace",
        ),
    ] {
        let said = kubectl(&scene.namespace, &["create", "-f", "-"], &watch("bad", &changes).to_string())
            .unwrap_err();
        assert!(said.contains(&format!("unknown field \"{field}\"")), "{said}");
    }
    let without = json!({ "apiVersion": "cce.backupwatch.io/v1alpha1", "kind": "ClusterBackupWatch", "metadata": { "name": "bad" } });
    let said = kubectl(&scene.namespace, &["create", "-f", "-"], &without.to_string()).unwrap_err();
    assert!(said.contains("spec: Required value"), "{said}");
}

async fn one_mistake_is_one_error(scene: Scene) {
    for changes in [
        json!({ "interval": "5" }),
        json!({ "activeInterval": "1d" }),
        json!({ "interval": "5s", "activeInterval": null }),
        json!({ "activeInterval": "2h" }),
        json!({ "maxAge": "1d" }),
        json!({ "stuckAfter": "9".repeat(31) + "h" }),
        json!({ "clusterID": "prod" }),
        json!({ "region": "" }),
    ] {
        let said = create(&scene, "bad", &changes).await.unwrap_err();
        // The API server prints two or more errors as a list in brackets.
        assert!(said.matches("Invalid value").count() == 1 && !said.contains('['), "{changes}: {said}");
    }
}

async fn a_hostile_resource_cannot_be_stored(scene: Scene) {
    let names = |name: &str| json!({ "credentials": { "secretRef": { "name": name } } });
    let cases = [
        // Values that would lead the operator to another host, path or object.
        (json!({ "region": "evil.example.com/" }), "spec.region", "region must be"),
        (json!({ "region": "cn-north-4.evil" }), "spec.region", "region must be"),
        (json!({ "region": "a@evil" }), "spec.region", "region must be"),
        (json!({ "region": "a\nb" }), "spec.region", "region must be"),
        (json!({ "projectID": "../../../../../../../../../../x/" }), "spec.projectID", "projectID must be"),
        (
            json!({ "clusterID": "../../../../../../../../../../../../" }),
            "spec.clusterID",
            "clusterID must be",
        ),
        (
            json!({ "clusterID": "11111111-2222-3333-4444-55555555555?" }),
            "spec.clusterID",
            "clusterID must be",
        ),
        (names("../../kube-system/secrets/admin"), "secretRef.name", "name must be"),
        (names("huawei\n"), "secretRef.name", "name must be"),
        // Without a Secret the watch would use the operator's own identity, which a null must not mean.
        (json!({ "credentials": { "secretRef": null } }), "spec.credentials.secretRef", "Required value"),
        // Values that would fill etcd.
        (json!({ "interval": "1s".repeat(1000) }), "spec.interval", "Too long"),
        (names(&"a".repeat(254)), "secretRef.name", "Too long"),
    ];
    refuses(&scene, &cases).await;
}

async fn a_good_resource_is_accepted_and_its_defaults_are_filled_in(scene: Scene) {
    let nothing = json!({ "interval": null, "activeInterval": null });
    let identity = json!({ "interval": null, "activeInterval": null, "credentials": null });
    let shortest = json!({ "interval": "10s", "activeInterval": "2s", "maxAge": "10s", "stuckAfter": "10s", "historyLimit": 1 });
    let longest = json!({ "interval": "24h", "activeInterval": "1h", "maxAge": "8784h", "stuckAfter": "168h", "historyLimit": 50 });
    let cases = [
        ("minimal", nothing),
        ("identity", identity),
        ("shortest", shortest),
        ("longest", longest),
        ("autopilot", json!({ "clusterType": "Autopilot", "suspend": true })),
        ("units", json!({ "interval": "1h30m0.5s", "activeInterval": "90000ms", "maxAge": "1.5h" })),
        ("equal", json!({ "interval": "1h", "activeInterval": "60m" })),
        ("dotted", json!({ "credentials": { "secretRef": { "name": "huawei.keys-2" } } })),
    ];
    for (name, changes) in cases {
        let stored = create(&scene, name, &changes).await.unwrap();
        let mut expected = json!({
            "region": REGION, "projectID": PROJECT, "clusterID": CLUSTER, "clusterType": "Standard",
            "credentials": { "secretRef": { "name": "huawei" } }, "interval": "5m", "activeInterval": "10s",
            "stuckAfter": "2h", "historyLimit": 10, "suspend": false, "upgrades": "Ignore",
        });
        for (field, value) in watch(name, &changes)["spec"].as_object().unwrap() {
            expected[field] = value.clone();
        }
        if changes["credentials"].is_null() && changes.get("credentials").is_some() {
            expected.as_object_mut().unwrap().remove("credentials");
        }
        assert_eq!(stored["spec"], expected, "{name}");
        assert_eq!(
            stored["status"],
            json!({ "observedGeneration": -1 }),
            "{name}: nothing takes it for reconciled"
        );
        let decoded: Result<ClusterBackupWatch, _> = serde_json::from_value(stored);
        assert!(decoded.is_ok(), "{name}: {decoded:?}");
    }
}

async fn what_a_watch_is_of_cannot_be_changed(scene: Scene) {
    create(&scene, "prod", &json!({ "clusterType": "Autopilot" })).await.unwrap();
    for (field, value) in [
        ("region", json!("cn-north-1")),
        ("projectID", json!("f".repeat(32))),
        ("clusterID", json!("99999999-2222-3333-4444-555555555555")),
        ("clusterType", json!("Standard")),
        // A null would be replaced with the default.
        ("clusterType", Value::Null),
    ] {
        let patch = json!({ "spec": { field: value } }).to_string();
        let said = kubectl(&scene.namespace, &["patch", "cbw", "prod", "--type=merge", "-p", &patch], "")
            .unwrap_err();
        assert!(said.contains(&format!("spec.{field}: Invalid value: \"")), "{said}");
        assert!(said.contains(&format!("{field} is immutable")), "{said}");
    }
    let all = json!({
        "credentials": { "secretRef": { "name": "other" } }, "interval": "1h", "activeInterval": "1m", "maxAge": "26h",
        "stuckAfter": "1h", "historyLimit": 5, "suspend": true,
    });
    let changed = scene.change("prod", json!({ "spec": all })).await;
    let changed = serde_json::to_value(&changed.spec).unwrap();
    assert_eq!((&changed["historyLimit"], &changed["suspend"]), (&json!(5), &json!(true)), "the rest can be");
}

async fn a_condition_that_kubernetes_would_not_take_is_refused(scene: Scene) {
    create(&scene, "conditions", &json!({})).await.unwrap();
    let write = |changes: Value| {
        let mut condition = json!({
            "type": "example.com/Foreign", "status": "Unknown", "reason": "Told", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1,
        });
        condition.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        scene.edit_status("conditions", &json!({ "conditions": [condition] }))
    };
    write(json!({ "message": "a".repeat(32768) })).unwrap();
    for (changes, field) in [
        (json!({ "status": "Maybe" }), "status"),
        (json!({ "message": "a".repeat(32769) }), "message"),
        (json!({ "reason": "" }), "reason"),
        (json!({ "reason": "two words" }), "reason"),
        (json!({ "type": "no type" }), "type"),
        (json!({ "observedGeneration": -1 }), "observedGeneration"),
    ] {
        let said = write(changes).expect_err(field);
        assert!(said.contains(&format!("status.conditions[0].{field}")), "{field}: {said}");
    }
}
