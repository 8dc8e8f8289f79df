//! The `CustomResourceDefinition`: derived from the types, then finished where the derive macros fall short.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps,
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
        // An explicit `credentials: null` must be a mistake, not a way to the operator's own identity.
        let spec = properties.get_mut("spec").and_then(|spec| spec.properties.as_mut());
        if let Some(credentials) = spec.and_then(|spec| spec.get_mut("credentials")) {
            credentials.nullable = None;
        }
    }
    crd
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

/// A status with nothing but an observedGeneration of -1 stands in each new resource, so that nothing (kstatus, and
/// with it Flux and Helm) takes an unreconciled resource for a finished one.
fn finish_status(status: &mut JSONSchemaProps) {
    status.default = Some(JSON(json!({ "observedGeneration": -1 })));
    status.nullable = None;
    let Some(properties) = status.properties.as_mut() else { return };
    if let Some(conditions) = properties.get_mut("conditions") {
        conditions.x_kubernetes_list_type = Some("map".into());
        conditions.x_kubernetes_list_map_keys = Some(vec!["type".into()]);
    }
}
