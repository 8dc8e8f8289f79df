//! The `CustomResourceDefinition`: derived from the types, then finished where the derive macros fall short.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube::CustomResourceExt;
use serde_json::{Value, json};

use super::ClusterBackupWatch;

/// The finished definition.
pub fn crd() -> CustomResourceDefinition {
    let mut crd = ClusterBackupWatch::crd();
    for version in &mut crd.spec.versions {
        let root = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut());
        let Some(properties) = root.and_then(|root| root.properties.as_mut()) else { continue };
        if let Some(status) = properties.get_mut("status") {
            finish_status(status);
        }
        // A field that is not nullable and is set to null is dropped by the API server. So `credentials: null` is
        // stored as if the field were left out, which is how every rule and the operator read it.
        let spec = properties.get_mut("spec").and_then(|spec| spec.properties.as_mut());
        if let Some(credentials) = spec.and_then(|spec| spec.get_mut("credentials")) {
            credentials.nullable = None;
        }
        properties.values_mut().for_each(unwrap_descriptions);
    }
    crd
}

/// Joins the lines of each paragraph: `kubectl explain` wraps them to the reader's terminal, and would keep the breaks
/// of our source.
fn unwrap_descriptions(schema: &mut JSONSchemaProps) {
    if let Some(description) = &mut schema.description {
        let paragraphs = description.split("\n\n").map(|paragraph| paragraph.replace('\n', " "));
        *description = paragraphs.collect::<Vec<_>>().join("\n\n");
    }
    schema.properties.iter_mut().flat_map(|properties| properties.values_mut()).for_each(unwrap_descriptions);
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        unwrap_descriptions(items);
    }
}

/// The definition as YAML, as `cce-backup-watch crd` prints it.
pub fn yaml() -> Result<String, CrdError> {
    let mut value = serde_json::to_value(crd())?;
    plain_integers(&mut value);
    Ok(serde_saphyr::to_string(&value)?)
}

/// The definition could not be printed.
#[derive(Debug, thiserror::Error)]
pub enum CrdError {
    /// The types do not serialise.
    #[error("cannot build the definition")]
    Json(#[from] serde_json::Error),
    /// The YAML does not print.
    #[error("cannot print the definition")]
    Yaml(#[from] serde_saphyr::ser::Error),
}

/// `maximum: 50.0` becomes `maximum: 50`, as the API server returns it; otherwise every comparison shows a difference.
fn plain_integers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            #[allow(clippy::cast_possible_truncation)] // the schema's bounds are small whole numbers
            if let Some(whole) =
                number.as_f64().filter(|n| number.is_f64() && n.fract() == 0.0 && n.abs() < 1e9)
            {
                *number = (whole as i64).into();
            }
        }
        Value::Array(values) => values.iter_mut().for_each(plain_integers),
        Value::Object(fields) => fields.values_mut().for_each(plain_integers),
        _ => {}
    }
}

/// Gives each new resource a status whose observedGeneration is -1. It differs from the generation of any resource, so
/// kstatus, and with it Flux and Helm, waits for the operator instead of taking the new resource for a finished one.
fn finish_status(status: &mut JSONSchemaProps) {
    status.default = Some(JSON(json!({ "observedGeneration": -1 })));
    status.nullable = None;
    let Some(properties) = status.properties.as_mut() else { return };
    if let Some(conditions) = properties.get_mut("conditions") {
        conditions.x_kubernetes_list_type = Some("map".into());
        conditions.x_kubernetes_list_map_keys = Some(vec!["type".into()]);
        if let Some(JSONSchemaPropsOrArray::Schema(condition)) = &mut conditions.items {
            limit_condition(condition);
        }
    }
}

/// The limits that `metav1.Condition` has in its markers, which the generated types do not carry. Without them the API
/// server would store a status `Maybe`, which every reader takes for something else.
fn limit_condition(condition: &mut JSONSchemaProps) {
    let Some(properties) = condition.properties.as_mut() else { return };
    let mut limit = |name: &str, set: &dyn Fn(&mut JSONSchemaProps)| {
        if let Some(property) = properties.get_mut(name) {
            set(property);
        }
    };
    limit("type", &|property| {
        property.max_length = Some(316);
        property.pattern = Some(CONDITION_TYPE.into());
    });
    limit("status", &|property| {
        property.enum_ = Some(["True", "False", "Unknown"].map(|status| JSON(json!(status))).into());
    });
    limit("reason", &|property| {
        property.min_length = Some(1);
        property.max_length = Some(1024);
        property.pattern = Some("^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$".into());
    });
    limit("message", &|property| property.max_length = Some(32768));
    limit("observedGeneration", &|property| property.minimum = Some(0.0));
}

/// The pattern of a condition's type in `metav1.Condition`: a name, which may have a prefix that is a DNS subdomain.
const CONDITION_TYPE: &str = concat!(
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?",
    r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"
);

#[cfg(test)]
mod tests;
