//! The watches as a command reads them from the API server: the fields that commands need, and no others.
//!
//! A resource that the operator cannot decode must not hide all others from a person, so every field may be absent, and
//! none is checked. What is shown is cleaned first: whoever may create a watch must not write to a terminal.

use jiff::Timestamp;
use kube::{
    Client, Error, Resource,
    api::{GetParams, ListParams, Patch, PatchParams},
    core::Request,
};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::api::{CONTROLLER, ClusterBackupWatch, DISPLAY_NAME, REQUESTED_AT};
use crate::cloud::text::clean;
use crate::kubernetes::within;
use crate::task::{FAILED, SUCCESS};

/// How long a list may take: it has the status of every watch.
pub const LIST: std::time::Duration = std::time::Duration::from_secs(30);
/// How long any other request may take.
const REQUEST: std::time::Duration = std::time::Duration::from_secs(10);
/// The most characters of a text that are shown.
const SHOWN: usize = 1024;

/// One watch.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Watch {
    /// Its name and annotations.
    pub metadata: Metadata,
    /// What its author wrote.
    pub spec: Spec,
    /// What the operator wrote.
    pub status: Status,
}

/// The fields of `metadata`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Metadata {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    annotations: std::collections::BTreeMap<String, String>,
    managed_fields: Vec<Write>,
}

/// An entry of `metadata.managedFields`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Write {
    /// When, by the API server's clock.
    #[serde(deserialize_with = "lenient")]
    time: Option<Timestamp>,
}

/// The fields of `spec`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Spec {
    /// The region of the cluster.
    pub region: String,
    /// The project of the cluster.
    #[serde(rename = "projectID")]
    pub project_id: String,
    /// The cluster.
    #[serde(rename = "clusterID")]
    pub cluster_id: String,
    /// Which of CCE's products it is; Standard where it is left out.
    pub cluster_type: Option<String>,
    /// Where the access key comes from.
    pub credentials: Option<Credentials>,
    /// Whether nothing is polled.
    #[serde(deserialize_with = "lenient")]
    pub suspend: bool,
}

/// The field `spec.credentials`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Credentials {
    /// The Secret.
    pub secret_ref: SecretRef,
}

/// The field `spec.credentials.secretRef`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SecretRef {
    /// Its name, in the namespace of the watch.
    pub name: String,
}

/// The fields of `status`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Status {
    /// The phase of the newest backup.
    pub phase: Option<String>,
    /// Its progress in percent.
    #[serde(deserialize_with = "lenient")]
    pub progress: Option<i64>,
    /// The newest success.
    pub last_success: Option<Success>,
    /// The newest upgrade.
    pub upgrade: Option<Upgrade>,
    /// The request that was handled last.
    pub last_handled_reconcile_at: Option<String>,
    /// The conditions.
    pub conditions: Vec<Condition>,
}

/// The field `status.lastSuccess`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Success {
    /// The task.
    pub uid: String,
    /// When it ended, if that could be read.
    #[serde(deserialize_with = "lenient")]
    pub time: Option<Timestamp>,
}

/// The field `status.upgrade`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Upgrade {
    /// Where it leads to.
    pub to_version: Option<String>,
    /// Its phase.
    pub phase: Option<String>,
}

/// One condition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Condition {
    /// Its type.
    #[serde(rename = "type")]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// One word on why.
    pub reason: String,
    /// A sentence on why.
    pub message: String,
}

/// Takes a value of another type for an absent one.
fn lenient<'de, D: Deserializer<'de>, T: Default + serde::de::DeserializeOwned>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).unwrap_or_default())
}

impl Watch {
    /// `NAMESPACE/NAME`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.metadata.namespace, self.metadata.name)
    }

    /// The name that the cluster's owner knows, if the watch keeps it.
    pub fn display_name(&self) -> Option<String> {
        let name = self.metadata.annotations.get(DISPLAY_NAME)?;
        Some(clean(name, SHOWN)).filter(|name| !name.trim().is_empty())
    }

    /// The request for a poll that stands in the annotation.
    pub fn requested_at(&self) -> Option<&str> {
        self.metadata.annotations.get(REQUESTED_AT).map(String::as_str)
    }

    /// When somebody wrote it last, by the API server's clock.
    pub fn written_at(&self) -> Option<Timestamp> {
        self.metadata.managed_fields.iter().filter_map(|write| write.time).max()
    }

    /// Whether its newest backup is not finished.
    pub fn runs(&self) -> bool {
        self.status.phase.as_deref().is_some_and(|phase| !matches!(phase, "" | SUCCESS | FAILED))
    }

    /// The condition of a type, cleaned; an empty one if there is none.
    pub fn condition(&self, type_: &str) -> Condition {
        let found = self.status.conditions.iter().find(|condition| condition.type_ == type_);
        found.map_or_else(Condition::default, |condition| Condition {
            type_: condition.type_.clone(),
            status: clean(&condition.status, SHOWN),
            reason: clean(&condition.reason, SHOWN),
            message: clean(&condition.message, SHOWN),
        })
    }

    /// Whether there is a condition of this type, and it is True.
    pub fn is(&self, type_: &str) -> bool {
        self.condition(type_).status == "True"
    }
}

#[derive(Deserialize)]
struct List {
    items: Vec<Watch>,
}

/// The watches of a namespace, or of all, in one request.
pub async fn list(
    client: &Client,
    namespace: Option<&str>,
    selector: Option<&str>,
) -> Result<Vec<Watch>, Error> {
    let params = ListParams { label_selector: selector.map(str::to_owned), ..ListParams::default() };
    let request = Request::new(ClusterBackupWatch::url_path(&(), namespace))
        .list(&params)
        .map_err(Error::BuildRequest)?;
    Ok(within(LIST, client.request::<List>(request)).await?.items)
}

/// One watch as it is now; none when it does not exist.
pub async fn get(client: &Client, namespace: &str, name: &str) -> Result<Option<Watch>, Error> {
    let request = Request::new(ClusterBackupWatch::url_path(&(), Some(namespace)))
        .get(name, &GetParams::default())
        .map_err(Error::BuildRequest)?;
    match within(REQUEST, client.request::<Watch>(request)).await {
        Err(Error::Api(status)) if status.code == 404 && !is_unknown_kind(&status) => Ok(None),
        answer => answer.map(Some),
    }
}

/// Whether a 404 says that the API server does not know the resource at all, and not only that one is not there.
fn is_unknown_kind(status: &kube::core::Status) -> bool {
    status.details.as_ref().is_none_or(|details| details.name.is_empty())
}

/// Asks for a poll, by the annotation whose new value the operator will echo.
pub async fn request_poll(client: &Client, namespace: &str, name: &str, value: &str) -> Result<(), Error> {
    let body = json!({ "metadata": { "annotations": { REQUESTED_AT: value } } });
    let params = PatchParams { field_manager: Some(CONTROLLER.to_owned()), ..PatchParams::default() };
    let request = Request::new(ClusterBackupWatch::url_path(&(), Some(namespace)))
        .patch(name, &params, &Patch::Merge(body))
        .map_err(Error::BuildRequest)?;
    within(REQUEST, client.request::<Value>(request)).await.map(drop)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A watch as the API server gives it.
    #[allow(clippy::needless_pass_by_value)] // what json! makes is passed as it is
    pub fn watch(name: &str, spec: Value, status: Value) -> Watch {
        serde_json::from_value(json!({
            "metadata": { "namespace": "ns", "name": name }, "spec": spec, "status": status,
        }))
        .unwrap()
    }

    /// Conditions of these types, statuses, reasons and messages.
    pub fn conditions(given: &[[&str; 4]]) -> Value {
        let one = |[type_, status, reason, message]: &[&str; 4]| json!({ "type": type_, "status": status, "reason": reason, "message": message });
        given.iter().map(one).collect()
    }

    #[test]
    fn odd_values_hide_no_watch() {
        let odd = watch(
            "prod",
            json!({ "suspend": "yes", "interval": 7 }),
            json!({ "progress": "x", "lastSuccess": { "uid": "a", "time": 1 }, "conditions": [{ "type": "Ready" }] }),
        );
        assert_eq!((odd.spec.suspend, odd.status.progress), (false, None));
        assert_eq!(odd.status.last_success.unwrap().time, None);
    }

    #[test]
    fn a_watch_does_not_write_to_the_terminal() {
        let mut evil = watch(
            "prod",
            json!({}),
            json!({ "conditions": conditions(&[["Ready", "True", "a", "\x1b[2J"]]) }),
        );
        evil.metadata.annotations.insert(DISPLAY_NAME.to_owned(), "测试\x1b[31m".to_owned());
        assert_eq!(evil.display_name().unwrap(), "测试\u{fffd}[31m");
        assert_eq!(evil.condition("Ready").message, "\u{fffd}[2J");
    }
}
