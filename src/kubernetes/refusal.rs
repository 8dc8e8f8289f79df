//! Refusals that no retry cures: the definition of the resource is not installed, the API server does not know who the
//! operator is, or the operator may not watch the resources.
//!
//! The client of the watch streams passes every answer by [`observed`], which sends no request of its own. A refusal is
//! logged in one line when it begins, and the streams get it as their error in place of the API server's nested one.
//! [`crate::operator`] makes the process not ready while one lasts: it watches nothing then. The streams try again as
//! before, so that the operator works once somebody has acted.

use std::collections::BTreeMap;

use hyper::{Request, StatusCode};
use kube::{
    Client,
    client::{Body, ClientBuilder},
};
use tokio::sync::watch;

/// Why the API server refuses to list or to watch the resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 404: a namespace that does not exist has an empty list, so only the definition can be missing.
    #[error(
        "the definition clusterbackupwatches.cce.backupwatch.io is not installed in this cluster (404): install it with \
         `cce-backup-watch crd | kubectl apply --server-side --filename -`, or set crds.install in the chart"
    )]
    NoDefinition,
    /// 401
    #[error(
        "the API server does not accept who the operator is (401): check that its service account exists and that its token \
         is mounted and not expired, or the user of its kubeconfig"
    )]
    Unauthorized,
    /// 403
    #[error(
        "the operator may not list and watch clusterbackupwatches (403): bind the role of the chart to its service account, \
         in each namespace of --watch-namespace or in all"
    )]
    Forbidden,
}

impl Refusal {
    fn of(status: StatusCode) -> Option<Self> {
        match status {
            StatusCode::NOT_FOUND => Some(Self::NoDefinition),
            StatusCode::UNAUTHORIZED => Some(Self::Unauthorized),
            StatusCode::FORBIDDEN => Some(Self::Forbidden),
            _ => None,
        }
    }
}

/// The refusals that last, by the path of the list: there is a stream for each watched namespace.
pub type Refusals = watch::Receiver<BTreeMap<String, Refusal>>;

/// The client with its refusals noted.
pub fn observed(client: Client) -> (Client, Refusals) {
    let (noted, refusals) = watch::channel(BTreeMap::new());
    let namespace = client.default_namespace().to_owned();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, noted) = (client.clone(), noted.clone());
        async move {
            let path = request.uri().path().to_owned();
            let answer = client.send(request).await?;
            let refusal = Refusal::of(answer.status());
            note(&noted, path, refusal, answer.status().is_success());
            refusal.map_or(Ok(answer), |refusal| Err(kube::Error::Service(refusal.into())))
        }
    });
    (ClientBuilder::new(service, namespace).build(), refusals)
}

/// Notes how a request for a path was answered, and logs what changes. An answer that is neither a success nor a refusal,
/// such as 429 or 500, says nothing new.
fn note(
    noted: &watch::Sender<BTreeMap<String, Refusal>>,
    path: String,
    refusal: Option<Refusal>,
    is_success: bool,
) {
    noted.send_if_modified(|refusals| match refusal {
        Some(refusal) if refusals.get(&path) != Some(&refusal) => {
            tracing::error!("{refusal}; the operator is not ready, and tries again");
            refusals.insert(path, refusal);
            true
        }
        None if is_success && refusals.remove(&path).is_some() => {
            tracing::info!("the API server gives out the resources again");
            true
        }
        _ => false,
    });
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::{Arc, Mutex};

    use axum::http::Response;
    use kube::{Api, api::ListParams};

    use super::*;
    use crate::api::ClusterBackupWatch;

    /// An API server that answers every request with the status that it is told.
    fn server() -> (Client, Arc<Mutex<u16>>) {
        let status = Arc::new(Mutex::new(200));
        let said = status.clone();
        let service = tower::service_fn(move |_: Request<Body>| {
            let status = *said.lock().unwrap();
            let body = match status {
                200 => {
                    r#"{"apiVersion":"cce.backupwatch.io/v1alpha1","kind":"ClusterBackupWatchList","metadata":{},"items":[]}"#
                }
                404 => "404 page not found\n",
                _ => "{}",
            };
            let answer = Response::builder().status(status).body(Body::from(body.as_bytes().to_vec()));
            std::future::ready(Ok::<_, Infallible>(answer.unwrap()))
        });
        (Client::new(service, "default"), status)
    }

    #[tokio::test]
    async fn a_refusal_is_one_line_that_names_the_cause_and_lasts_until_an_answer_comes() {
        let (client, status) = server();
        let (client, refusals) = observed(client);
        let list = async |namespace: &str| {
            let api: Api<ClusterBackupWatch> = Api::namespaced(client.clone(), namespace);
            api.list(&ListParams::default()).await.map(drop).map_err(|error| error.to_string())
        };
        for (code, what, to_do) in [
            (404, "clusterbackupwatches.cce.backupwatch.io is not installed", "kubectl apply"),
            (401, "does not accept who the operator is", "check that its service account"),
            (403, "may not list and watch clusterbackupwatches", "bind the role"),
        ] {
            *status.lock().unwrap() = code;
            let error = list("a").await.unwrap_err();
            assert!(error.contains(what) && error.contains(to_do), "{error}");
            assert!(!error.contains('\n') && !error.contains("Status"), "{error}");
            assert_eq!(refusals.borrow().len(), 1, "{code}");

            *status.lock().unwrap() = 500;
            assert!(list("a").await.is_err());
            assert_eq!(refusals.borrow().len(), 1, "{code}: a fault of the API server says nothing of it");

            *status.lock().unwrap() = 200;
            list("b").await.unwrap();
            assert_eq!(refusals.borrow().len(), 1, "{code}: another namespace's answer ends nothing");
            list("a").await.unwrap();
            assert_eq!(refusals.borrow().len(), 0, "{code}");
        }
    }
}
