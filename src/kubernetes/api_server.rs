//! The requests that one reconcile or one poll makes to the API server, each with a time limit.
//!
//! A trait, so that the histories (the deterministic simulation) run the real reconcile against a simulated API server.
//! Lists and watches are made by kube's runtime and are not here. When to retry is left to the callers.

use k8s_openapi::api::{core::v1::Secret, events::v1::Event};
use kube::{
    Api, Client, Error, Resource,
    api::{GetParams, Patch, PatchParams, PostParams},
    core::Request,
};
use serde_json::Value;
use zeroize::Zeroizing;

use super::in_time;
use crate::api::{CONTROLLER, ClusterBackupWatch, ClusterBackupWatchStatus, Guarded};

/// An API server. Cheap to clone.
pub trait ApiServer: Clone + Send + Sync + 'static {
    /// Reads a resource as it is now; none when it does not exist.
    fn watch(
        &self,
        namespace: &str,
        name: &str,
    ) -> impl Future<Output = Result<Option<Guarded>, Error>> + Send;

    /// Reads a resource without decoding it; none when it does not exist.
    fn raw_watch(
        &self,
        namespace: &str,
        name: &str,
    ) -> impl Future<Output = Result<Option<Value>, Error>> + Send;

    /// Replaces the status of a resource, whose resourceVersion must still be the one given. Returns what is stored.
    fn replace_status(
        &self,
        watch: &ClusterBackupWatch,
    ) -> impl Future<Output = Result<Option<ClusterBackupWatchStatus>, Error>> + Send;

    /// Replaces the status of a resource that cannot be decoded, with the same check of the resourceVersion.
    fn replace_raw_status(&self, watch: &Value) -> impl Future<Output = Result<(), Error>> + Send;

    /// Changes the metadata of a resource by a merge patch, which names the resourceVersion that it is made for.
    fn patch_metadata(
        &self,
        namespace: &str,
        name: &str,
        patch: &Value,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Creates an Event.
    fn create_event(&self, event: &Event) -> impl Future<Output = Result<(), Error>> + Send;

    /// Reads a Secret.
    fn secret(&self, namespace: &str, name: &str) -> impl Future<Output = Result<Secret, Error>> + Send;
}

impl ApiServer for Client {
    async fn watch(&self, namespace: &str, name: &str) -> Result<Option<Guarded>, Error> {
        let api: Api<Guarded> = Api::namespaced(self.clone(), namespace);
        in_time(api.get_opt(name)).await
    }

    async fn raw_watch(&self, namespace: &str, name: &str) -> Result<Option<Value>, Error> {
        let url = ClusterBackupWatch::url_path(&(), Some(namespace));
        let get = Request::new(url).get(name, &GetParams::default()).map_err(Error::BuildRequest)?;
        match in_time(self.request(get)).await {
            Err(Error::Api(status)) if status.code == 404 => Ok(None),
            live => live.map(Some),
        }
    }

    async fn replace_status(
        &self,
        watch: &ClusterBackupWatch,
    ) -> Result<Option<ClusterBackupWatchStatus>, Error> {
        /// Of the reply, which is the whole resource and as large as its owner likes, nothing else is decoded.
        #[derive(serde::Deserialize)]
        struct Stored {
            status: Option<ClusterBackupWatchStatus>,
        }
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        let (namespace, name) = (text(&watch.metadata.namespace), text(&watch.metadata.name));
        let body = serde_json::to_vec(watch).map_err(Error::SerdeError)?;
        let put = Request::new(ClusterBackupWatch::url_path(&(), Some(&namespace)))
            .replace_subresource("status", &name, &params(), body)
            .map_err(Error::BuildRequest)?;
        in_time(self.request::<Stored>(put)).await.map(|stored| stored.status)
    }

    async fn replace_raw_status(&self, watch: &Value) -> Result<(), Error> {
        let text = |field: &str| watch["metadata"][field].as_str().unwrap_or_default();
        let body = serde_json::to_vec(watch).map_err(Error::SerdeError)?;
        let put = Request::new(ClusterBackupWatch::url_path(&(), Some(text("namespace"))))
            .replace_subresource("status", text("name"), &params(), body)
            .map_err(Error::BuildRequest)?;
        in_time(self.request::<Value>(put)).await.map(drop)
    }

    async fn patch_metadata(&self, namespace: &str, name: &str, patch: &Value) -> Result<(), Error> {
        let api: Api<ClusterBackupWatch> = Api::namespaced(self.clone(), namespace);
        let params = PatchParams { field_manager: Some(CONTROLLER.to_owned()), ..PatchParams::default() };
        in_time(api.patch_metadata(name, &params, &Patch::Merge(patch))).await.map(drop)
    }

    async fn create_event(&self, event: &Event) -> Result<(), Error> {
        let namespace = event.metadata.namespace.as_deref().unwrap_or_default();
        let api: Api<Event> = Api::namespaced(self.clone(), namespace);
        in_time(api.create(&params(), event)).await.map(drop)
    }

    /// Differs from [`Api::get`] in two ways: the received text is wiped, and nothing of it is logged or put into the
    /// error if it is no Secret (kube's client would log the whole text).
    async fn secret(&self, namespace: &str, name: &str) -> Result<Secret, Error> {
        let request = Request::new(Secret::url_path(&(), Some(namespace)))
            .get(name, &GetParams::default())
            .map_err(Error::BuildRequest)?;
        let text = Zeroizing::new(in_time(self.request_text(request)).await?);
        serde_json::from_str(&text).map_err(|_| Error::Service("the API server's answer is no Secret".into()))
    }
}

/// The parameters of a write, which name this operator as the field manager.
fn params() -> PostParams {
    PostParams { field_manager: Some(CONTROLLER.to_owned()), ..PostParams::default() }
}
