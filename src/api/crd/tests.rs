use super::*;

fn definition() -> Value {
    let mut value = serde_json::to_value(crd()).unwrap();
    plain_integers(&mut value);
    value
}

fn version() -> Value {
    definition()["spec"]["versions"][0].clone()
}

fn schema(of: &str) -> Value {
    version()["schema"]["openAPIV3Schema"]["properties"][of].clone()
}

/// Calls `visit` with the path and the schema of every property, at any depth.
fn properties(schema: &Value, at: &str, visit: &mut dyn FnMut(&str, &Value)) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let at = format!("{at}.{name}");
        visit(&at, property);
        properties(property, &at, visit);
    }
    if schema["items"].is_object() {
        properties(&schema["items"], &format!("{at}[]"), visit);
    }
}

#[test]
fn the_names_are_those_that_manifests_and_people_use() {
    let definition = definition();
    assert_eq!(definition["metadata"]["name"], "clusterbackupwatches.cce.backupwatch.io");
    let spec = &definition["spec"];
    assert_eq!((&spec["group"], &spec["scope"]), (&json!("cce.backupwatch.io"), &json!("Namespaced")));
    let names = json!({
        "kind": "ClusterBackupWatch", "plural": "clusterbackupwatches", "singular": "clusterbackupwatch",
        "shortNames": ["cbw"], "categories": ["cce"],
    });
    assert_eq!(spec["names"], names);
    assert_eq!(spec["versions"].as_array().unwrap().len(), 1);
    let version = version();
    assert_eq!(version["name"], "v1alpha1");
    assert_eq!((&version["served"], &version["storage"]), (&json!(true), &json!(true)));
    assert_eq!(version["subresources"], json!({ "status": {} }));
}

#[test]
fn the_columns_answer_the_questions_in_order() {
    let columns: Vec<String> = version()["additionalPrinterColumns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| {
            let text = |key: &str| column[key].as_str().unwrap().to_owned();
            assert!(!text("description").is_empty());
            let priority = column["priority"].as_i64().unwrap_or(0);
            format!("{} | {} | {} | {priority}", text("name"), text("type"), text("jsonPath"))
        })
        .collect();
    let expected = [
        "Phase | string | .status.phase | 0",
        "Progress | integer | .status.progress | 0",
        "Healthy | string | .status.conditions[?(@.type=='BackupHealthy')].status | 0",
        "Reason | string | .status.conditions[?(@.type=='BackupHealthy')].reason | 0",
        "Watch | string | .status.conditions[?(@.type=='Ready')].reason | 0",
        "Last Success | date | .status.lastSuccess.time | 0",
        "Age | date | .metadata.creationTimestamp | 0",
        "Ready | string | .status.conditions[?(@.type=='Ready')].status | 1",
        "Cluster | string | .spec.clusterID | 1",
        r"Display Name | string | .metadata.annotations.cce\.backupwatch\.io/display-name | 1",
        "Upgrade | string | .status.upgrade.toVersion | 1",
    ];
    assert_eq!(columns, expected);
}

#[test]
fn watches_can_be_selected_by_what_they_watch_and_by_phase() {
    let fields = json!([
        { "jsonPath": ".spec.region" }, { "jsonPath": ".spec.projectID" }, { "jsonPath": ".spec.clusterID" },
        { "jsonPath": ".status.phase" },
    ]);
    assert_eq!(version()["selectableFields"], fields);
}

#[test]
fn the_spec_has_its_defaults_and_asks_for_no_more_than_it_needs() {
    let spec = schema("spec");
    assert_eq!(spec["required"], json!(["clusterID", "projectID", "region"]));
    let defaults = json!({
        "clusterType": "Standard", "interval": "5m", "activeInterval": "10s", "stuckAfter": "2h",
        "historyLimit": 10, "upgrades": "Ignore", "suspend": false,
        "region": null, "projectID": null, "clusterID": null, "credentials": null, "maxAge": null,
    });
    let properties = spec["properties"].as_object().unwrap();
    assert_eq!(properties.len(), defaults.as_object().unwrap().len());
    for (name, property) in properties {
        assert_eq!(property.get("default").unwrap_or(&Value::Null), &defaults[name], "{name}");
        assert_eq!(property.get("nullable"), None, "{name}: null is a mistake");
    }
    assert_eq!(spec["properties"]["clusterType"]["enum"], json!(["Standard", "Autopilot"]));
    assert_eq!(spec["properties"]["upgrades"]["enum"], json!(["Ignore", "Watch"]));
}

#[test]
fn the_defaults_of_the_schema_are_those_of_the_code() {
    let spec = schema("spec");
    let mut explicit = json!({ "region": "r", "projectID": "p", "clusterID": "c" });
    let implied: crate::api::ClusterBackupWatchSpec = serde_json::from_value(explicit.clone()).unwrap();
    for (name, property) in spec["properties"].as_object().unwrap() {
        if let Some(default) = property.get("default") {
            explicit[name] = default.clone();
        }
    }
    let explicit: crate::api::ClusterBackupWatchSpec = serde_json::from_value(explicit).unwrap();
    assert_eq!(implied, explicit);
}

#[test]
fn every_limit_of_the_spec_stands_in_the_schema_with_a_message() {
    let spec = schema("spec");
    let rules = |schema: &Value| -> Vec<String> {
        let rules = schema["x-kubernetes-validations"].as_array().cloned().unwrap_or_default();
        rules
            .iter()
            .map(|rule| {
                let text = |key: &str| rule[key].as_str().unwrap();
                format!("{}: {}", text("message"), text("rule"))
            })
            .collect()
    };
    let duration = crate::api::duration::PATTERN;
    let between = |name: &str, min: &str, max: &str| {
        let rule = format!(
            "self.matches(r'{duration}') && duration(self) >= duration('{min}') && duration(self) <= duration('{max}')"
        );
        let units = "in the units h, m, s and ms, such as 1m30s; a day is 24h";
        vec![format!("{name} must be between {min} and {max}, {units}: {rule}")]
    };
    for name in ["region", "projectID", "clusterID", "clusterType"] {
        let property = &spec["properties"][name];
        let rules = rules(property);
        assert_eq!(rules[0], format!("{name} is immutable: self == oldSelf"));
        let limited = rules.get(1).is_some_and(|rule| rule.starts_with(&format!("{name} must be ")));
        assert!(name == "clusterType" || (limited && property["maxLength"].is_i64()), "{name}");
    }
    let secret = &spec["properties"]["credentials"]["properties"]["secretRef"]["properties"]["name"];
    assert!(rules(secret)[0].starts_with("name must be the name of a Secret"));
    for (name, min, max) in [
        ("interval", "10s", "24h"),
        ("activeInterval", "2s", "1h"),
        ("maxAge", "10s", "8784h"),
        ("stuckAfter", "10s", "168h"),
    ] {
        assert_eq!(rules(&spec["properties"][name]), between(name, min, max));
    }
    let limit = &spec["properties"]["historyLimit"];
    assert_eq!((&limit["minimum"], &limit["maximum"]), (&json!(1), &json!(50)));
    let above = format!(
        "activeInterval must not be above interval: !self.activeInterval.matches(r'{duration}') \
         || !self.interval.matches(r'{duration}') || duration(self.activeInterval) <= duration(self.interval) \
         || duration(self.activeInterval) > duration('1h') || duration(self.interval) < duration('10s')"
    );
    assert_eq!(rules(&spec), [above]);
}

#[test]
fn nothing_takes_a_new_resource_for_a_reconciled_one() {
    let status = schema("status");
    assert_eq!(status["default"], json!({ "observedGeneration": -1 }));
    assert_eq!(status["properties"]["observedGeneration"]["default"], -1);
}

#[test]
fn conditions_are_a_map_so_that_owners_do_not_overwrite_each_other() {
    let conditions = &schema("status")["properties"]["conditions"];
    assert_eq!(conditions["x-kubernetes-list-type"], "map");
    assert_eq!(conditions["x-kubernetes-list-map-keys"], json!(["type"]));
}

#[test]
fn a_condition_has_the_limits_that_kubernetes_gives_its_own() {
    let condition = &schema("status")["properties"]["conditions"]["items"]["properties"];
    let limits = |name: &str| {
        let mut property = condition[name].clone();
        let fields = property.as_object_mut().unwrap();
        fields.retain(|key, _| !["description", "type", "format"].contains(&key.as_str()));
        property
    };
    assert_eq!(limits("status"), json!({ "enum": ["True", "False", "Unknown"] }));
    assert_eq!(limits("message"), json!({ "maxLength": 32768 }));
    assert_eq!(limits("observedGeneration"), json!({ "minimum": 0 }));
    let pattern = "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$";
    assert_eq!(limits("reason"), json!({ "minLength": 1, "maxLength": 1024, "pattern": pattern }));
    let pattern = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$";
    assert_eq!(limits("type"), json!({ "maxLength": 316, "pattern": pattern }));
}

#[test]
fn explain_has_a_text_for_every_field_and_every_text_and_list_has_an_end() {
    let root = version()["schema"]["openAPIV3Schema"].clone();
    assert!(root["description"].is_string());
    let mut seen = 0;
    properties(&root, "", &mut |at, property| {
        seen += 1;
        let described = property["description"].as_str().is_some_and(|text| text.len() > 10);
        assert!(described, "{at} has no description");
        let text = property["description"].as_str().unwrap().replace("\n\n", "");
        assert!(!text.contains('\n'), "{at} keeps the line breaks of its source: {text}");
        let endless = match property["type"].as_str() {
            Some("string") => {
                property["format"].is_null() && property["enum"].is_null() && property["maxLength"].is_null()
            }
            Some("array") => property["maxItems"].is_null(),
            _ => false,
        };
        assert!(!endless, "{at} has no end");
    });
    assert!(seen > 40, "{seen} fields");
}

#[test]
fn the_yaml_holds_the_whole_definition_with_plain_integers() {
    let yaml = yaml().unwrap();
    let read: Value = serde_saphyr::from_str(&yaml).unwrap();
    assert_eq!(read, definition());
    assert!(!yaml.contains(".0\n"), "50.0 is not what the API server returns");
}
