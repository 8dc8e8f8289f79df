//! Holds a status to the schema of the definition, as the API server does before it stores one.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray,
};
use serde_json::Value;

use super::*;

/// What the API server would refuse; nothing when it takes the status.
pub fn refusals(status: &ClusterBackupWatchStatus) -> Vec<String> {
    let crd = crate::api::crd::crd();
    let schema = crd.spec.versions[0].schema.as_ref().and_then(|s| s.open_api_v3_schema.as_ref()).unwrap();
    let mut refusals = Vec::new();
    let status = serde_json::to_value(status).unwrap();
    check(&schema.properties.as_ref().unwrap()["status"], &status, "status", &mut refusals);
    refusals
}

fn check(schema: &JSONSchemaProps, value: &Value, at: &str, refusals: &mut Vec<String>) {
    let mut rule = |holds: bool, what: &str| {
        if !holds {
            refusals.push(format!("{at}: {what}"));
        }
    };
    let within = |len: usize, min: Option<i64>, max: Option<i64>| {
        let len = i64::try_from(len).unwrap();
        len >= min.unwrap_or(0) && len <= max.unwrap_or(i64::MAX)
    };
    match (schema.type_.as_deref(), value) {
        (Some("string"), Value::String(text)) => {
            rule(within(text.chars().count(), schema.min_length, schema.max_length), "length");
            if schema.format.as_deref() == Some("date-time") {
                rule(text.parse::<Timestamp>().is_ok() && text.as_bytes()[4] == b'-', "date-time");
            }
        }
        (Some("integer"), Value::Number(number)) => {
            let number = number.as_f64().unwrap();
            rule(number >= schema.minimum.unwrap_or(f64::MIN), "minimum");
            rule(number <= schema.maximum.unwrap_or(f64::MAX), "maximum");
        }
        (Some("array"), Value::Array(values)) => {
            rule(within(values.len(), schema.min_items, schema.max_items), "number of items");
            for key in schema.x_kubernetes_list_map_keys.iter().flatten() {
                let keys: std::collections::HashSet<_> = values.iter().map(|v| v[key].to_string()).collect();
                rule(keys.len() == values.len(), "two of one key");
            }
            let Some(JSONSchemaPropsOrArray::Schema(schema)) = &schema.items else {
                return rule(false, "items");
            };
            for (index, value) in values.iter().enumerate() {
                check(schema, value, &format!("{at}[{index}]"), refusals);
            }
        }
        (Some("object"), Value::Object(fields)) => {
            let properties = schema.properties.as_ref().unwrap();
            for name in schema.required.iter().flatten() {
                rule(fields.contains_key(name), &format!("{name} is required"));
            }
            for (name, value) in fields {
                let Some(schema) = properties.get(name) else {
                    refusals.push(format!("{at}: {name} would be pruned"));
                    continue;
                };
                check(schema, value, &format!("{at}.{name}"), refusals);
            }
        }
        (type_, _) => rule(false, &format!("not of type {type_:?}")),
    }
}

#[test]
fn what_the_schema_does_not_allow_is_refused() {
    let status = ClusterBackupWatchStatus {
        phase: Some("x".repeat(65)),
        progress: Some(101),
        last_handled_reconcile_at: Some("é".repeat(1025)),
        latest_backup_time: Some(Timestamp::MIN),
        tasks: Some(vec![TaskStatus::default(); 51]),
        ..Default::default()
    };
    let refused = refusals(&status);
    for what in [
        "phase: length",
        "progress: maximum",
        "At: length",
        "Time: date-time",
        "tasks: number",
        "uid: length",
    ] {
        assert!(refused.iter().any(|refusal| refusal.contains(what)), "{what}: {refused:?}");
    }
}
