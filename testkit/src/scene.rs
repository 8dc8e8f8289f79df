//! The scene that one test runs in: a namespace of a control plane, and a simulated cloud. It has helpers to create and
//! change watches, and to wait for a status or for the Events about it.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use cce_backup_watch::api::{
    ClusterBackupWatch, ClusterBackupWatchStatus, REQUESTED_AT,
    condition::{self, types},
};
use cce_simulator::{Simulator, Task};
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::{Secret, ServiceAccount},
    events::v1::Event,
};
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams, PostParams},
    runtime::wait::await_condition,
};
use serde_json::{Value, json};

use super::{
    cluster::Cluster,
    wait::{LIMIT, until},
};

/// The cluster that a watch names unless the test says otherwise.
pub const CLUSTER: &str = "11111111-2222-3333-4444-555555555555";
/// The region of every watch.
pub const REGION: &str = "cn-north-4";
/// The project of a watch unless the test says otherwise.
pub const PROJECT: &str = "0123456789abcdef0123456789abcdef";
/// The access key that the cloud accepts, in the Secret `huawei`.
pub const ACCESS_KEY: &str = "TESTACCESSKEY0000000";
/// Its secret key.
pub const SECRET_KEY: &str = "canary-secret-key-0123456789abcdefghijkl";
/// The operator's service account.
pub const ACCOUNT: &str = "operator";
/// The activeInterval of a watch unless the test says otherwise: the shortest that the schema allows.
pub const ACTIVE: Duration = Duration::from_secs(2);

/// What one test runs in.
pub struct Scene {
    /// The name of the test.
    pub test: &'static str,
    /// The control plane.
    pub cluster: Cluster,
    /// The namespace.
    pub namespace: String,
    /// Access to the control plane with all rights.
    pub client: Client,
    /// The cloud.
    pub cloud: Arc<Simulator>,
}

impl Scene {
    /// Access to the namespace's objects of one kind.
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Creates a Secret, or changes one.
    pub async fn secret(&self, name: &str, values: Value) {
        let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "stringData": values });
        let params = PatchParams::apply("e2e").force();
        self.api::<Secret>().patch(name, &params, &Patch::Apply(&secret)).await.unwrap();
    }

    /// A new token of a service account of the namespace. By default it ends after an hour, before a bench of all sizes does.
    pub async fn token(&self, account: &str) -> String {
        let accounts = self.api::<ServiceAccount>();
        let spec = TokenRequestSpec { expiration_seconds: Some(24 * 3600), ..TokenRequestSpec::default() };
        let request = TokenRequest { spec, ..TokenRequest::default() };
        let token = accounts.create_token_request(account, &PostParams::default(), &request).await.unwrap();
        token.status.unwrap().token
    }

    /// Creates a watch of the cluster, with these changes to the usual spec; null removes a field.
    pub async fn watch(&self, name: &str, changes: Value) -> ClusterBackupWatch {
        let watch = serde_json::from_value(watch(name, &changes)).unwrap();
        self.api().create(&PostParams::default(), &watch).await.unwrap()
    }

    /// Changes a watch by a merge patch.
    pub async fn change(&self, name: &str, patch: Value) -> ClusterBackupWatch {
        self.api().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap()
    }

    /// Sets the annotation that asks for a poll now.
    pub async fn request(&self, name: &str, value: &str) {
        self.change(name, json!({ "metadata": { "annotations": { REQUESTED_AT: value } } })).await;
    }

    /// Asks for a poll now, and waits for the status that echoes this value.
    pub async fn asks(&self, name: &str, value: &str) -> ClusterBackupWatchStatus {
        self.request(name, value).await;
        let echoed =
            |status: &ClusterBackupWatchStatus| status.last_handled_reconcile_at.as_deref() == Some(value);
        self.shows(name, &format!("the echo of {value}"), echoed).await
    }

    /// The status of a watch.
    pub async fn status(&self, name: &str) -> ClusterBackupWatchStatus {
        self.api::<ClusterBackupWatch>().get(name).await.unwrap().status.unwrap()
    }

    /// Changes fields of the status of a watch by kubectl, which need not be able to decode the resource.
    pub fn edit_status(&self, name: &str, fields: &Value) -> Result<String, String> {
        let patch = ["patch", "cbw", name, "--subresource=status", "--type=merge", "--patch-file=/dev/stdin"];
        self.cluster.kubectl(&self.namespace, &patch, &json!({ "status": fields }).to_string())
    }

    /// Waits until the status of a watch meets a condition, and returns it.
    pub async fn shows(
        &self,
        name: &str,
        what: &str,
        holds: impl Fn(&ClusterBackupWatchStatus) -> bool,
    ) -> ClusterBackupWatchStatus {
        self.shows_within(LIMIT, name, what, holds).await
    }

    /// The same, but fails after a promised time.
    pub async fn shows_within(
        &self,
        limit: Duration,
        name: &str,
        what: &str,
        holds: impl Fn(&ClusterBackupWatchStatus) -> bool,
    ) -> ClusterBackupWatchStatus {
        let holds = |watch: Option<&ClusterBackupWatch>| {
            watch.and_then(|watch| watch.status.as_ref()).is_some_and(&holds)
        };
        if let Ok(watch) = tokio::time::timeout(limit, await_condition(self.api(), name, holds)).await {
            return watch.unwrap().and_then(|watch| watch.status).unwrap();
        }
        panic!("{name} does not show within {limit:?}: {what}\n{:#?}", self.status(name).await)
    }

    /// Waits until the cloud has had so many more requests for a cluster, and returns how long that took.
    pub async fn polled(&self, cluster: &str, times: u64) -> Duration {
        let (begun, before) = (Instant::now(), self.cloud.requests(cluster));
        let enough = async || (self.cloud.requests(cluster) >= before + times).then(|| begun.elapsed());
        until(&format!("{times} more requests for {cluster}"), 2 * LIMIT, enough).await
    }

    /// Waits until every watch in the namespace has this Ready condition, such as `False Throttled`.
    pub async fn all_are(&self, limit: Duration, expected: &str) {
        let begun = Instant::now();
        loop {
            let watches = self.api::<ClusterBackupWatch>().list(&ListParams::default()).await.unwrap().items;
            let mut others = BTreeMap::<_, usize>::new();
            for watch in &watches {
                let is = watch.status.as_ref().map_or_else(String::new, ready);
                if is != expected {
                    *others.entry(is).or_default() += 1;
                }
            }
            if others.is_empty() {
                return;
            }
            let all = watches.len();
            assert!(begun.elapsed() < limit, "not {expected} within {limit:?}, of {all} watches: {others:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// The reasons and notes of the Events about a watch. An Event that stands for several occurrences is listed once
    /// for each.
    pub async fn events(&self, name: &str) -> Vec<(String, String)> {
        let mut events = self.api::<Event>().list(&ListParams::default()).await.unwrap().items;
        events
            .retain(|event| event.regarding.as_ref().and_then(|object| object.name.as_deref()) == Some(name));
        let times = |event: &Event| {
            let series = event.series.as_ref().map_or(1, |series| series.count);
            usize::try_from(series.max(event.deprecated_count.unwrap_or(1))).unwrap()
        };
        let said =
            |event: Event| vec![(event.reason.clone().unwrap(), event.note.clone().unwrap()); times(&event)];
        events.into_iter().flat_map(said).collect()
    }

    /// The notes of the Events of one reason about a watch.
    pub async fn notes(&self, name: &str, reason: &str) -> Vec<String> {
        let mut events = self.events(name).await;
        events.retain(|(of, _)| of == reason);
        events.into_iter().map(|(_, note)| note).collect()
    }

    /// How many Events of each reason there are about a watch.
    pub async fn reasons(&self, name: &str) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for (reason, _) in self.events(name).await {
            *counts.entry(reason).or_default() += 1;
        }
        counts
    }

    /// Sets the one task of the cluster.
    pub fn task(&self, phase: &str, progress: u8) {
        self.cloud.set_tasks(CLUSTER, [Task::new("backup-1", phase).progress(progress)]);
    }
}

/// How many Events of each reason there are, as [`Scene::reasons`] tells it.
pub fn counts<const N: usize>(reasons: [(&str, usize); N]) -> BTreeMap<String, usize> {
    reasons.map(|(reason, count)| (reason.to_owned(), count)).into()
}

/// The manifest of a watch as a user writes it, with these changes to the usual spec; null removes a field.
pub fn watch(name: &str, changes: &Value) -> Value {
    let mut spec = json!({
        "region": REGION, "projectID": PROJECT, "clusterID": CLUSTER, "interval": "10s", "activeInterval": "2s",
        "credentials": { "secretRef": { "name": "huawei" } },
    });
    for (field, value) in changes.as_object().unwrap() {
        spec[field] = value.clone();
    }
    spec.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    json!({
        "apiVersion": "cce.backupwatch.io/v1alpha1", "kind": "ClusterBackupWatch",
        "metadata": { "name": name }, "spec": spec,
    })
}

/// The status and reason of a condition, such as `True Polled`; empty when the status has no such condition.
pub fn says(status: &ClusterBackupWatchStatus, type_: &str) -> String {
    condition::find(&status.conditions, type_)
        .map_or_else(String::new, |c| format!("{} {}", c.status, c.reason))
}

/// The status and reason of Ready.
pub fn ready(status: &ClusterBackupWatchStatus) -> String {
    says(status, types::READY)
}

/// The status and reason of `BackupHealthy`.
pub fn healthy(status: &ClusterBackupWatchStatus) -> String {
    says(status, types::BACKUP_HEALTHY)
}

/// The message of a condition.
pub fn message<'a>(status: &'a ClusterBackupWatchStatus, type_: &str) -> &'a str {
    condition::find(&status.conditions, type_).map_or("", |condition| &condition.message)
}

/// Runs kubectl on the shared control plane.
pub fn kubectl(namespace: &str, arguments: &[&str], input: &str) -> Result<String, String> {
    Cluster::shared().kubectl(namespace, arguments, input)
}
