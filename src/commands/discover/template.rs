//! Reads and checks the template: the labels, annotations, namespace and spec that all watches share.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::yaml::{documents, utf8};

use crate::api::{API_VERSION, ClusterBackupWatchSpec, KIND};
use crate::cli::is_namespace;
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
        let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
        Self::parse(&utf8(bytes).map_err(failed)?).map_err(failed)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let [Value::Object(mut fields)] = <[Value; 1]>::try_from(documents(text)?)
            .map_err(|_| "it must hold one document, a ClusterBackupWatch".to_owned())?
        else {
            return Err("it is no object".to_owned());
        };
        if fields.get("kind") != Some(&json!(KIND)) || fields.get("apiVersion") != Some(&json!(API_VERSION)) {
            return Err(format!("it is no {KIND} of {API_VERSION}"));
        }
        let mut object = |key: &str| as_object(fields.remove(key), key);
        let (mut given, spec) = (object("metadata")?, object("spec")?);
        let mut metadata = Map::new();
        for key in ["labels", "annotations"] {
            let texts = texts(given.remove(key), key)?;
            if !texts.is_empty() {
                metadata.insert(key.to_owned(), Value::Object(texts));
            }
        }
        match given.remove("namespace") {
            None | Some(Value::Null) => {}
            Some(Value::String(name)) if is_namespace(&name) => {
                metadata.insert("namespace".to_owned(), Value::String(name));
            }
            Some(_) => return Err("metadata.namespace is no name of a namespace".to_owned()),
        }
        check(&spec)?;
        Ok(Self { metadata, spec })
    }
}

/// An object, which is empty where there is none. Anything else is refused by its name.
fn as_object(value: Option<Value>, name: &str) -> Result<Map<String, Value>, String> {
    match value {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(object)) => Ok(object),
        Some(_) => Err(format!("{name} is no object")),
    }
}

/// Labels or annotations: what the API server takes is a string for each key.
fn texts(value: Option<Value>, key: &str) -> Result<Map<String, Value>, String> {
    let texts = as_object(value, &format!("metadata.{key}"))?;
    match texts.iter().find(|(_, value)| !value.is_string()) {
        Some((name, _)) => Err(format!("metadata.{key}.{name} is no string: put it in quotes")),
        None => Ok(texts),
    }
}

/// Whether the operator knows every field and can read it. Limits are left to the API server, which knows them all.
fn check(spec: &Map<String, Value>) -> Result<(), String> {
    let mut whole = spec.clone();
    whole.retain(|_, value| !value.is_null());
    whole.extend(SAMPLE.map(|(key, value)| (key.to_owned(), json!(value))));
    let Ok(typed) = decoded(&whole) else { return Err(misfit(&whole)) };
    let known = serde_json::to_value(typed).map_err(|error| error.to_string())?;
    match unknown(&Value::Object(whole), &known) {
        Some(field) => Err(format!("spec has no field {field}")),
        None => Ok(()),
    }
}

fn decoded(spec: &Map<String, Value>) -> Result<ClusterBackupWatchSpec, serde_json::Error> {
    serde_json::from_value(Value::Object(spec.clone()))
}

/// The field that cannot be read, found by leaving each out: the decoder's own message repeats the value, not the name.
fn misfit(whole: &Map<String, Value>) -> String {
    let is_to_blame = |key: &&String| {
        let mut alone: Map<_, _> =
            SAMPLE.map(|(key, value)| (key.to_owned(), json!(value))).into_iter().collect();
        alone.insert((*key).clone(), whole[*key].clone());
        decoded(&alone).is_err()
    };
    match whole.keys().find(is_to_blame) {
        Some(key) => format!(
            "spec.{key} is not what the field takes; `kubectl explain cbw.spec.{key}` says what that is"
        ),
        None => "spec is not what a ClusterBackupWatch has".to_owned(),
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
        for empty in ["", "metadata: {labels: null, annotations: {}, namespace: null}\nspec: null"] {
            assert_eq!(parse(empty), Ok(Template::default()));
        }
    }

    #[test]
    fn a_template_that_cannot_be_used_is_refused_with_the_field() {
        for (rest, why) in [
            ("spec: {maxage: 26h}", "spec has no field maxage"),
            ("spec: {credentials: {secretRef: {name: s, namespace: n}}}", "credentials.secretRef.namespace"),
            ("spec: {maxAge: CANARY}", "spec.maxAge "),
            ("spec: {interval: 7}", "spec.interval "),
            ("spec: {interval: 5m, suspend: CANARY}", "spec.suspend "),
            ("spec: []", "spec is no object"),
            ("metadata: x", "metadata is no object"),
            ("metadata: {labels: [CANARY]}", "metadata.labels is no object"),
            ("metadata: {annotations: CANARY}", "metadata.annotations is no object"),
            ("metadata: {annotations: {a: {CANARY: 1}}}", "metadata.annotations.a is no string"),
            ("metadata: {labels: {a: true}}", "metadata.labels.a is no string"),
            ("metadata: {namespace: [CANARY]}", "metadata.namespace is no name"),
            ("metadata: {namespace: Platform}", "metadata.namespace is no name"),
            ("metadata: {name: [CANARY", "document 1, line"),
        ] {
            let error = parse(rest).unwrap_err();
            assert!(error.contains(why) && !error.contains("CANARY"), "{rest}: {error}");
        }
        for text in ["", "[]", "kind: ConfigMap", "a: b\n---\nc: d\n", "kind: [", "kind: ClusterBackupWatch"]
        {
            assert!(Template::parse(text).is_err(), "{text:?}");
        }
    }
}
