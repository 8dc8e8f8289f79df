//! Access to the API server, with a limit on every wait, so that a silent connection blocks nothing for ever.

mod access;
mod api_server;
pub mod fence;
pub mod lease;
pub mod refusal;
pub mod watches;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use access::{AccessError, told, told_of_watch};
pub use api_server::ApiServer;

use hyper::{Method, Request};
use kube::{
    Client, Config,
    client::{Body, ClientBuilder},
};

use fence::Fence;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the API server keeps a watch open, in seconds: it is asked to end each after this time, so that a connection that
/// has gone silent can be told from one on which nothing happens.
pub const WATCH: u32 = 20;
/// How long a connection of watches may be silent: a little longer than a watch on which nothing happens.
const SILENCE: Duration = Duration::from_secs(25);
/// How long one request may take, except for lists and watches.
const REQUEST: Duration = Duration::from_secs(10);

/// A client that is configured by `KUBECONFIG`, `~/.kube/config` or the service account.
pub async fn client() -> Result<Client, AccessError> {
    Ok(Client::try_from(config().await?)?)
}

/// A client for watches. It closes a connection on which nothing arrives, even an idle one that waits for its next
/// request. So nothing else uses this client: another request could be sent just when its connection is closed.
pub async fn streams() -> Result<Client, AccessError> {
    Ok(watches::tamed(Client::try_from(for_streams(config().await?))?))
}

/// The configuration for a client of watches. It does not retry by itself: after some minutes of 503 the next retry of kube's
/// client would be more than a minute away, and the stream has a backoff of its own.
pub fn for_streams(mut config: Config) -> Config {
    config.read_timeout = Some(SILENCE);
    config.default_retry = false;
    config
}

/// The clients of a process that works only while it holds a Lease.
pub struct Fenced {
    /// Reads, and writes while the fence is open.
    pub work: Client,
    /// Keeps the Lease, and is therefore not behind the fence.
    pub lease: Client,
}

/// Clients with the same configuration, and with a fence before every write.
pub async fn fenced(fence: Arc<Fence>) -> Result<Fenced, AccessError> {
    let mut config = config().await?;
    let namespace = config.default_namespace.clone();
    let reads = Client::try_from(config.clone())?;
    // A retry by the client itself would be sent seconds after the fence was checked, and not be checked again. So
    // writes are retried by their callers.
    config.default_retry = false;
    let writes = Client::try_from(config.clone())?;
    // This client watches the Lease, and renews it so often that no connection in use is silent for that long.
    config.read_timeout = Some(SILENCE);
    let lease = Client::try_from(config)?;
    Ok(Fenced { work: behind(fence, reads, writes, namespace), lease })
}

fn behind(fence: Arc<Fence>, reads: Client, writes: Client, namespace: String) -> Client {
    let service = tower::service_fn(move |request: Request<Body>| {
        let (fence, reads, writes) = (fence.clone(), reads.clone(), writes.clone());
        async move {
            if request.method() == Method::GET {
                return reads.send(request).await;
            }
            fence.check(Instant::now()).map_err(|closed| kube::Error::Service(closed.into()))?;
            writes.send(request).await
        }
    });
    ClientBuilder::new(service, namespace).build()
}

async fn config() -> Result<Config, AccessError> {
    let mut config = access::config().await?;
    config.connect_timeout = Some(CONNECT);
    Ok(config)
}

/// The result of a request, or an error if it takes longer than [`REQUEST`].
async fn in_time<T>(request: impl Future<Output = Result<T, kube::Error>>) -> Result<T, kube::Error> {
    within(REQUEST, request).await
}

/// The result of a request, or an error if it takes longer than `limit`.
pub async fn within<T>(
    limit: Duration,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, kube::Error> {
    tokio::time::timeout(limit, request)
        .await
        .unwrap_or_else(|_| Err(kube::Error::Service("the API server did not answer in time".into())))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::http::Response;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::{
        Api,
        api::{DeleteParams, Patch, PatchParams, PostParams},
    };
    use serde_json::json;

    use super::*;

    /// An API server that counts requests, and answers each with the same object.
    fn server() -> (Client, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        let service = tower::service_fn(move |_: Request<Body>| {
            counted.fetch_add(1, Ordering::Relaxed);
            let object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" } });
            std::future::ready(Ok::<_, Infallible>(Response::new(Body::from(
                object.to_string().into_bytes(),
            ))))
        });
        (Client::new(service, "default"), count)
    }

    #[tokio::test]
    async fn behind_a_closed_fence_everything_is_read_and_nothing_written() {
        let fence = Arc::new(Fence::default());
        let ((reads, read), (writes, written)) = (server(), server());
        let client = behind(fence.clone(), reads, writes, "default".to_owned());
        let objects = Api::<ConfigMap>::default_namespaced(client);
        let (object, patch) = (ConfigMap::default(), Patch::Merge(json!({})));

        for is_open in [false, true] {
            if is_open {
                fence.open(Instant::now(), Duration::from_mins(1));
            }
            objects.get("a").await.unwrap();
            let results = [
                objects.create(&PostParams::default(), &object).await.map(drop),
                objects.replace("a", &PostParams::default(), &object).await.map(drop),
                objects.patch("a", &PatchParams::default(), &patch).await.map(drop),
                objects.delete("a", &DeleteParams::default()).await.map(drop),
            ];
            for result in results {
                assert_eq!(result.is_ok(), is_open, "{result:?}");
                if let Err(error) = result {
                    assert!(error.to_string().contains("does not hold its Lease"), "{error}");
                }
            }
        }
        assert_eq!((read.load(Ordering::Relaxed), written.load(Ordering::Relaxed)), (2, 4));
    }
}
