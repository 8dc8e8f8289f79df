//! Access to the API server, with a limit on every wait: a connection that has gone silent holds nothing up for ever.

mod api_server;

use std::time::Duration;

pub use api_server::ApiServer;

use kube::{Client, Config};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a connection may be silent. The API server sends a bookmark on every watch about once a minute.
const SILENCE: Duration = Duration::from_secs(90);
/// How long one request may take, but for lists and watches.
const REQUEST: Duration = Duration::from_secs(10);

/// A client as `KUBECONFIG`, `~/.kube/config` or the service account says.
pub async fn client() -> Result<Client, kube::Error> {
    let mut config = Config::infer().await.map_err(kube::Error::InferConfig)?;
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(SILENCE);
    Client::try_from(config)
}

/// The answer of the API server, if it comes in time.
async fn in_time<T>(request: impl Future<Output = Result<T, kube::Error>>) -> Result<T, kube::Error> {
    tokio::time::timeout(REQUEST, request)
        .await
        .unwrap_or_else(|_| Err(kube::Error::Service("the API server did not answer in time".into())))
}
