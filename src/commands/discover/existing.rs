//! Reads the watches that exist already, from manifests or from the cluster of the current kubeconfig.
//!
//! A file that names the kind and cannot be read is an error, because a watch in it would be reported as missing.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, ListParams},
};
use serde_json::Value;

use crate::api::{ClusterBackupWatch, KIND};
use crate::cli::discover::Existing;
use crate::commands::{error::Error, output::note};

/// How `apiVersion` begins, in every version of the resource.
const GROUP: &str = "cce.backupwatch.io/";
/// The most watches that one request lists.
const PAGE: u32 = 500;

/// One existing watch. Its fields are copied from the manifest and not validated.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Watch {
    /// Its namespace, if the manifest names one.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// `spec.region`
    pub region: String,
    /// `spec.projectID`
    pub project_id: String,
    /// `spec.clusterID`, in lower case.
    pub cluster_id: String,
    /// `spec.clusterType`, Standard where it is left out.
    pub cluster_type: String,
    /// `status.lastSuccess.time`
    pub last_success: Option<Timestamp>,
}

impl Watch {
    /// `namespace/name`, or the name where there is no namespace.
    pub fn full_name(&self) -> String {
        self.namespace
            .as_ref()
            .map_or_else(|| self.name.clone(), |namespace| format!("{namespace}/{}", self.name))
    }
}

/// Reads the watches.
pub async fn read(existing: &Existing) -> Result<Vec<Watch>, Error> {
    match existing {
        Existing::Directory(directory) => from_directory(directory),
        Existing::Stdin => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| unreadable("standard input", &error))?;
            from_text("standard input", &text)
        }
        Existing::Cluster => from_cluster(&Client::try_default().await.map_err(Error::Access)?).await,
    }
}

/// What the cluster of the current kubeconfig holds.
pub async fn from_cluster(client: &Client) -> Result<Vec<Watch>, Error> {
    let api: Api<DynamicObject> =
        Api::all_with(client.clone(), &ApiResource::erase::<ClusterBackupWatch>(&()));
    let (mut watches, mut page) = (Vec::new(), ListParams::default().limit(PAGE));
    loop {
        let list = api.list(&page).await.map_err(Error::Watches)?;
        for object in list.items {
            let mut value = object.data;
            value["metadata"] = serde_json::json!(object.metadata);
            watches.extend(watch(&value));
        }
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = ListParams::default().limit(PAGE).continue_token(&token),
            None => return Ok(watches),
        }
    }
}

fn from_directory(directory: &Path) -> Result<Vec<Watch>, Error> {
    let mut watches = Vec::new();
    for file in files(directory)? {
        let text = std::fs::read_to_string(&file).map_err(|error| unreadable(file.display(), &error))?;
        watches.extend(from_text(&file.display().to_string(), &text)?);
    }
    Ok(watches)
}

/// The manifests below a directory, sorted. Symbolic links to directories are not followed, because they may form a
/// cycle.
fn files(directory: &Path) -> Result<BTreeSet<PathBuf>, Error> {
    let (mut files, mut folders) = (BTreeSet::new(), vec![directory.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|error| unreadable(folder.display(), &error))? {
            let entry = entry.map_err(|error| unreadable(folder.display(), &error))?;
            let path = entry.path();
            let is_manifest = path
                .extension()
                .is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension == *known));
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if !entry.file_name().as_encoded_bytes().starts_with(b".") {
                    folders.push(path);
                }
            } else if is_manifest && !path.is_dir() {
                files.insert(path);
            }
        }
    }
    Ok(files)
}

/// The watches in a stream of YAML documents, or in JSON. A text that does not name the kind holds none and is not
/// decoded, since it may be no YAML at all, such as a template of another tool.
fn from_text(place: &str, text: &str) -> Result<Vec<Watch>, Error> {
    if !text.contains(KIND) {
        return Ok(Vec::new());
    }
    let documents: Vec<Value> = serde_saphyr::from_multiple(text)
        .map_err(|error| Error::Manifest { place: place.to_owned(), why: error.to_string() })?;
    let mut watches = Vec::new();
    for document in &documents {
        collect(document, place, &mut watches);
    }
    Ok(watches)
}

fn collect(document: &Value, place: &str, watches: &mut Vec<Watch>) {
    let text = |key: &str| document.get(key).and_then(Value::as_str).unwrap_or_default();
    if text("kind") == KIND && text("apiVersion").starts_with(GROUP) {
        match watch(document) {
            Some(watch) => watches.push(watch),
            // Not an error, because it may be a patch of Kustomize.
            None => note(format_args!("{place}: a {KIND} without a clusterID is left out")),
        }
    } else if text("kind").ends_with("List") {
        for item in document.get("items").and_then(Value::as_array).into_iter().flatten() {
            collect(item, place, watches);
        }
    }
}

fn watch(object: &Value) -> Option<Watch> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    Some(Watch {
        namespace: text("/metadata/namespace"),
        name: text("/metadata/name").unwrap_or_default(),
        region: text("/spec/region").unwrap_or_default(),
        project_id: text("/spec/projectID").unwrap_or_default(),
        cluster_id: text("/spec/clusterID")?.to_ascii_lowercase(),
        cluster_type: text("/spec/clusterType").unwrap_or_else(|| "Standard".to_owned()),
        last_success: text("/status/lastSuccess/time").and_then(|time| time.parse().ok()),
    })
}

fn unreadable(place: impl std::fmt::Display, error: &std::io::Error) -> Error {
    Error::Manifest { place: place.to_string(), why: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WATCH: &str = "apiVersion: cce.backupwatch.io/v1alpha1\nkind: ClusterBackupWatch\nmetadata: {name: prod, namespace: ns}\n\
                         spec: {region: r, projectID: p, clusterID: AB}\nstatus: {lastSuccess: {time: 2023-11-25T09:03:46Z}}\n";

    fn ids(text: &str) -> Vec<String> {
        from_text("test", text).unwrap().into_iter().map(|watch| watch.cluster_id).collect()
    }

    #[test]
    fn a_watch_is_found_in_any_stream_of_documents() {
        let watch = &from_text("test", WATCH).unwrap()[0];
        assert_eq!((watch.full_name().as_str(), watch.cluster_type.as_str()), ("ns/prod", "Standard"));
        assert_eq!(watch.last_success, "2023-11-25T09:03:46Z".parse().ok());
        let json = serde_json::to_string(&serde_saphyr::from_str::<Value>(WATCH).unwrap()).unwrap();
        assert_eq!(ids(&json), ["ab"]);
        assert_eq!(ids(&format!("{{kind: List, apiVersion: v1, items: [{json}, {json}]}}")), ["ab", "ab"]);
        let stream = format!("# a comment\n---\nkind: Secret\n---\n---\n{WATCH}---\n{WATCH}");
        assert_eq!(ids(&stream), ["ab", "ab"]);
    }

    #[test]
    fn other_objects_and_patches_are_no_watches() {
        for text in [
            "",
            "kind: ConfigMap",
            "{{ if .Values.x }}\nkind: ConfigMap",
            "kind: ClusterBackupWatch",
            "apiVersion: other/v1\nkind: ClusterBackupWatch\nspec: {clusterID: ab}",
            "apiVersion: cce.backupwatch.io/v1alpha1\nkind: ClusterBackupWatch\nspec: {maxAge: 26h}",
            "kind: CustomResourceDefinition\nspec: {names: {kind: ClusterBackupWatch}}",
        ] {
            assert!(ids(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_text_that_names_the_kind_and_cannot_be_read_is_an_error() {
        for text in ["kind: ClusterBackupWatch\nspec: [", "{{ if .x }}\nkind: ClusterBackupWatch"] {
            assert!(from_text("file.yaml", text).unwrap_err().to_string().contains("file.yaml"), "{text}");
        }
    }
}
