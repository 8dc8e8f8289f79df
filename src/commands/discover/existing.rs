//! Reads the watches that exist already, from manifests or from the cluster of the current kubeconfig.
//!
//! A file that names the kind and cannot be read is an error, because a watch in it would be reported as missing.

use jiff::Timestamp;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, ListParams},
};

use super::{
    files,
    yaml::{self, Node},
};
use crate::api::{ClusterBackupWatch, KIND};
use crate::cli::discover::Existing;
use crate::commands::{error::Error, output::note, watch::LIST};
use crate::kubernetes;

/// How `apiVersion` begins, in every version of the resource.
const GROUP: &str = "cce.backupwatch.io/";
/// The most watches that one request lists. Each may have a megabyte.
const PAGE: u32 = 50;

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
    /// `spec.suspend`: the watch is there, and nobody polls.
    pub is_suspended: bool,
    /// Whether it is being deleted.
    pub is_leaving: bool,
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
        Existing::Path(path) => {
            let mut watches = Vec::new();
            for (place, text) in files::texts(path)? {
                watches.extend(from_text(&place, &text)?);
            }
            Ok(watches)
        }
        Existing::Stdin => {
            let place = "standard input";
            from_text(place, &files::text(place, std::io::stdin().lock())?)
        }
        Existing::Cluster => from_cluster(&kubernetes::client().await?).await,
    }
}

/// What the cluster of the current kubeconfig holds.
pub async fn from_cluster(client: &Client) -> Result<Vec<Watch>, Error> {
    let api: Api<DynamicObject> =
        Api::all_with(client.clone(), &ApiResource::erase::<ClusterBackupWatch>(&()));
    let (mut watches, mut page) = (Vec::new(), ListParams::default().limit(PAGE));
    loop {
        let list = kubernetes::within(LIST, api.list(&page)).await.map_err(Error::Watches)?;
        for object in list.items {
            let mut value = object.data;
            value["metadata"] = serde_json::json!(object.metadata);
            // A value of JSON is a node of YAML, so this cannot fail.
            watches.extend(serde_json::from_value(value).ok().as_ref().and_then(watch));
        }
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = ListParams::default().limit(PAGE).continue_token(&token),
            None => return Ok(watches),
        }
    }
}

/// The watches in a stream of YAML documents, or in JSON. A text that does not name the kind holds none and is not
/// decoded, since it may be no YAML at all, such as a template of another tool.
fn from_text(place: &str, text: &str) -> Result<Vec<Watch>, Error> {
    if !text.contains(KIND) {
        return Ok(Vec::new());
    }
    let documents = yaml::documents::<Node>(text);
    let documents = documents.map_err(|why| Error::Manifest { place: place.to_owned(), why })?;
    let mut watches = Vec::new();
    for document in &documents {
        collect(document, place, &mut watches);
    }
    Ok(watches)
}

fn collect(document: &Node, place: &str, watches: &mut Vec<Watch>) {
    let text = |key: &str| document.text(&[key]).unwrap_or_default();
    if text("kind") == KIND && text("apiVersion").starts_with(GROUP) {
        match watch(document) {
            Some(watch) => watches.push(watch),
            // Not an error, because it may be a patch of Kustomize.
            None => note(format_args!("{place}: a {KIND} without a clusterID is left out")),
        }
    } else if text("kind").ends_with("List")
        && let Some(Node::List(items)) = document.at(&["items"])
    {
        for item in items {
            collect(item, place, watches);
        }
    }
}

fn watch(object: &Node) -> Option<Watch> {
    let text = |path: &[&str]| object.text(path).map(str::to_owned);
    Some(Watch {
        namespace: text(&["metadata", "namespace"]),
        name: text(&["metadata", "name"]).unwrap_or_default(),
        region: text(&["spec", "region"]).unwrap_or_default(),
        project_id: text(&["spec", "projectID"]).unwrap_or_default(),
        cluster_id: text(&["spec", "clusterID"])?.to_ascii_lowercase(),
        cluster_type: text(&["spec", "clusterType"]).unwrap_or_else(|| "Standard".to_owned()),
        is_suspended: object.at(&["spec", "suspend"]).is_some_and(is_true),
        is_leaving: object.text(&["metadata", "deletionTimestamp"]).is_some(),
        last_success: object.text(&["status", "lastSuccess", "time"]).and_then(|time| time.parse().ok()),
    })
}

/// As `kubectl` reads it, by YAML 1.1.
fn is_true(node: &Node) -> bool {
    match node {
        Node::Bool(value) => *value,
        Node::Text(text) => text.eq_ignore_ascii_case("yes") || text.eq_ignore_ascii_case("on"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_api_server_that_goes_silent_is_not_waited_for_for_ever() {
        let silent = tower::service_fn(|_: hyper::Request<kube::client::Body>| {
            std::future::pending::<Result<hyper::Response<kube::client::Body>, kube::Error>>()
        });
        let error = from_cluster(&Client::new(silent, "default")).await.unwrap_err();
        assert!(error.to_string().ends_with("the API server did not answer in time"), "{error}");
        assert_eq!(error.exit_code(), 3);
    }

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
        let json =
            serde_json::to_string(&serde_saphyr::from_str::<serde_json::Value>(WATCH).unwrap()).unwrap();
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

    #[test]
    fn a_long_list_with_everything_that_a_server_adds_is_read() {
        let fields = vec!["f"; 400].join(", ");
        let item = |n| {
            format!(
                "- apiVersion: cce.backupwatch.io/v1alpha1\n  kind: ClusterBackupWatch\n  metadata: {{name: w{n}, \
                 managedFields: [{fields}]}}\n  spec: {{clusterID: c{n}}}\n"
            )
        };
        let list = format!("kind: List\nitems:\n{}", (0..700).map(item).collect::<String>());
        assert_eq!(ids(&list).len(), 700);
    }

    #[test]
    fn a_watch_that_is_there_only_in_part_is_known() {
        let part = WATCH
            .replace("clusterID: AB", "clusterID: AB, suspend: true")
            .replace("name: prod", "name: prod, deletionTimestamp: x");
        let watch = &from_text("test", &part).unwrap()[0];
        assert!(watch.is_suspended && watch.is_leaving);
        let yes = part.replace("suspend: true", "suspend: yes").replace("namespace: ns", "namespace: n");
        let watch = &from_text("test", &yes).unwrap()[0];
        assert!(watch.is_suspended && watch.full_name() == "n/prod");
        assert!(!from_text("test", WATCH).unwrap()[0].is_suspended);
    }
}
