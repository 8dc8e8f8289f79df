//! Reads and checks the template: the labels, annotations, namespace and spec that all watches share.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::api::{API_VERSION, ClusterBackupWatchSpec, KIND};
use crate::commands::error::Error;

/// Values for the required fields of a cluster, so that the spec of a template, which lacks them, can be decoded.
const SAMPLE: [(&str, &str); 4] = [
    ("region", "r"),
    ("projectID", "0123456789abcdef0123456789abcdef"),
    ("clusterID", "11111111-2222-3333-4444-555555555555"),
    ("clusterType", "Standard"),
];

/// Labels, annotations, namespace and spec for every watch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Template {
    /// `metadata` without a name.
    pub metadata: Map<String, Value>,
    /// `spec`, in which the fields of the cluster are put.
    pub spec: Map<String, Value>,
}

impl Template {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let failed = |why: String| Error::Template { path: path.to_owned(), why };
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        Self::parse(&text).map_err(failed)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let value: Value =
            serde_saphyr::from_str(text).map_err(|error| format!("it is no YAML document: {error}"))?;
        let Value::Object(mut fields) = value else { return Err("it is no object".to_owned()) };
        if fields.get("kind") != Some(&json!(KIND)) || fields.get("apiVersion") != Some(&json!(API_VERSION)) {
            return Err(format!("it is no {KIND} of {API_VERSION}"));
        }
        let mut object = |key: &str| match fields.remove(key) {
            None | Some(Value::Null) => Ok(Map::new()),
            Some(Value::Object(object)) => Ok(object),
            Some(_) => Err(format!("{key} is no object")),
        };
        let (given, spec) = (object("metadata")?, object("spec")?);
        let shared = ["labels", "annotations", "namespace"];
        let metadata = given.into_iter().filter(|(key, _)| shared.contains(&key.as_str())).collect();
        check(&spec)?;
        Ok(Self { metadata, spec })
    }
}

/// Whether the operator knows every field and can read it. Limits are left to the API server, which knows them all.
fn check(spec: &Map<String, Value>) -> Result<(), String> {
    let mut whole = spec.clone();
    whole.retain(|_, value| !value.is_null());
    whole.extend(SAMPLE.map(|(key, value)| (key.to_owned(), json!(value))));
    let typed: ClusterBackupWatchSpec =
        serde_json::from_value(Value::Object(whole.clone())).map_err(|error| format!("spec: {error}"))?;
    let known = serde_json::to_value(typed).map_err(|error| error.to_string())?;
    match unknown(&Value::Object(whole), &known) {
        Some(field) => Err(format!("spec has no field {field}")),
        None => Ok(()),
    }
}

/// The first field of `given` that `known` does not have.
fn unknown(given: &Value, known: &Value) -> Option<String> {
    let (given, known) = (given.as_object()?, known.as_object()?);
    given.iter().find_map(|(key, value)| match known.get(key) {
        None => Some(key.clone()),
        Some(known) => unknown(value, known).map(|field| format!("{key}.{field}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(rest: &str) -> Result<Template, String> {
        Template::parse(&format!("apiVersion: {API_VERSION}\nkind: {KIND}\n{rest}"))
    }

    #[test]
    fn what_watches_share_is_kept_and_what_is_a_watchs_own_is_not() {
        let template = parse(
            "metadata: {name: x, uid: y, namespace: ns, labels: {a: b}, annotations: {c: d}}\n\
             spec: {maxAge: 26h, interval: 1m, clusterID: mine, credentials: {secretRef: {name: s}}}\n\
             status: {phase: Success}\n",
        )
        .unwrap();
        assert_eq!(
            Value::Object(template.metadata),
            json!({"namespace": "ns", "labels": {"a": "b"}, "annotations": {"c": "d"}})
        );
        assert_eq!(template.spec["maxAge"], "26h");
        assert_eq!(parse(""), Ok(Template::default()));
    }

    #[test]
    fn a_template_that_cannot_be_used_is_refused_with_the_field() {
        for (rest, why) in [
            ("spec: {maxage: 26h}", "spec has no field maxage"),
            ("spec: {credentials: {secretRef: {name: s, namespace: n}}}", "credentials.secretRef.namespace"),
            ("spec: {maxAge: 1d}", "spec: expected a duration"),
            ("spec: {interval: 7}", "spec: "),
            ("spec: []", "spec is no object"),
            ("metadata: x", "metadata is no object"),
        ] {
            let error = parse(rest).unwrap_err();
            assert!(error.contains(why), "{rest}: {error}");
        }
        for text in ["", "[]", "kind: ConfigMap", "a: b\n---\nc: d\n", "kind: [", "kind: ClusterBackupWatch"]
        {
            assert!(Template::parse(text).is_err(), "{text:?}");
        }
    }
}
