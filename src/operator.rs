//! `cce-backup-watch controller`: puts the parts together and runs them until a signal, or until one of them ends.

use std::sync::Arc;
use std::time::Duration;

use futures::{
    FutureExt,
    future::{BoxFuture, Shared, join_all, select_all},
};
use kube::Client as KubeClient;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::ControllerArgs;
use crate::cloud::{
    client::{Client, ClientConfig, HttpError},
    region::{EndpointError, Endpoints},
    share::Sharing,
    source::{self, SourceConfig},
};
use crate::controller::{
    self, Scope, Stores, context::Context, identity::OperatorIdentity, pace::Paces, secrets::Secrets,
};
use crate::serve::{
    http::{self, Readiness},
    leader::{Leadership, LeaseError},
    metrics::{Metered, Metrics},
    resource_metrics::Watches,
    telemetry,
};

/// How long reconciles under way may take after a signal.
const GRACE: Duration = Duration::from_secs(3);

/// Why the operator ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The flags do not fit.
    #[error("--region-endpoint: {0}")]
    Endpoint(#[from] EndpointError),
    /// The file of `--ca-file` cannot be read.
    #[error("cannot read the file of --ca-file: {0}")]
    CaFile(#[source] std::io::Error),
    /// The client of the cloud cannot be built.
    #[error("cannot set up requests to the cloud: {0}")]
    Http(#[from] HttpError),
    /// There is no access to a cluster.
    #[error(
        "cannot find access to a Kubernetes cluster (KUBECONFIG, ~/.kube/config or a service account): {0}"
    )]
    Access(#[from] kube::Error),
    /// The address of `--listen` cannot be used.
    #[error("cannot listen on {0}: {1}")]
    Listen(std::net::SocketAddr, #[source] std::io::Error),
    /// Signals cannot be received.
    #[error("cannot receive signals: {0}")]
    Signal(#[source] std::io::Error),
    /// There is no Lease.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// A part that should run for ever ended.
    #[error("{0} ended unexpectedly")]
    Ended(&'static str),
}

/// Runs the operator until SIGTERM or SIGINT.
pub async fn run(args: ControllerArgs) -> Result<(), Error> {
    telemetry::start(args.log_format, &args.log_filter);
    let listener = TcpListener::bind(args.listen).await.map_err(|error| Error::Listen(args.listen, error))?;
    let address = listener.local_addr().map_err(|error| Error::Listen(args.listen, error))?;
    let metrics = Metrics::default();
    let context = context(&args, &metrics).await?;
    let stop = stop()?;
    let readiness = Readiness::default();
    tracing::info!(version = env!("CARGO_PKG_VERSION"), listen = %address, "started");

    tokio::select! {
        ended = elected(&args, &context, &readiness, stop) => ended?,
        _ = http::serve(listener, metrics, readiness.clone()) => return Err(Error::Ended("the HTTP server")),
    }
    tracing::info!("stopped");
    Ok(())
}

/// Works, with `--leader-elect` only while this process holds the Lease.
async fn elected(
    args: &ControllerArgs,
    context: &Arc<Context>,
    readiness: &Readiness,
    stop: Stop,
) -> Result<(), Error> {
    if !args.leader_elect {
        return work(args, context, readiness, stop).await;
    }
    let namespace = args.lease_namespace.as_deref().unwrap_or(context.client.default_namespace());
    readiness.set(true); // a standby is ready to take over
    let lease = Leadership::acquire(context.client.clone(), namespace, &args.lease_name, &context.instance);
    let lease = tokio::select! {
        lease = lease => lease?,
        () = stop.clone() => return Ok(()),
    };
    readiness.set(false); // until the caches are filled
    let worked = tokio::select! {
        worked = work(args, context, readiness, stop) => worked,
        () = lease.lost() => Err(Error::Ended("the time as the leader")),
    };
    lease.release().await;
    worked
}

/// The work itself: the controllers, until they are told to stop.
async fn work(
    args: &ControllerArgs,
    context: &Arc<Context>,
    readiness: &Readiness,
    stop: Stop,
) -> Result<(), Error> {
    let mut namespaces = args.watch_namespace.clone();
    // One that is named twice must not be worked on twice.
    namespaces.sort_unstable();
    namespaces.dedup();
    let scope = Scope { namespaces, labels: args.watch_label_selector.clone(), shard: args.shard };
    let (stores, controllers) = controller::run(context, &scope, args.concurrency, &stop);
    context.metrics.collect(Watches { stores: stores.clone(), context: context.clone() });
    context.metrics.leads(true);
    tokio::select! {
        ended = until_stopped(controllers, stop.clone()) => ended,
        () = stop.clone().then(|()| tokio::time::sleep(GRACE)) => {
            tracing::warn!("reconciles were still under way; they repeat at the next start");
            Ok(())
        }
        () = ready(stores, readiness) => Err(Error::Ended("the cache")),
    }
}

/// Waits for the end of all controllers, which comes after they were told to stop. One that ends before takes the process
/// with it: it would be missed by nobody else.
async fn until_stopped(controllers: Vec<BoxFuture<'static, ()>>, stop: Stop) -> Result<(), Error> {
    let ((), _, others) = select_all(controllers).await;
    stop.now_or_never().ok_or(Error::Ended("a controller"))?;
    join_all(others).await;
    Ok(())
}

/// A future that is done once the process was told to stop.
type Stop = Shared<BoxFuture<'static, ()>>;

fn stop() -> Result<Stop, Error> {
    let mut term = signal(SignalKind::terminate()).map_err(Error::Signal)?;
    let mut int = signal(SignalKind::interrupt()).map_err(Error::Signal)?;
    let stop = async move {
        tokio::select! {
            _ = term.recv() => tracing::info!("SIGTERM: stopping"),
            _ = int.recv() => tracing::info!("SIGINT: stopping"),
        }
    };
    Ok(stop.boxed().shared())
}

/// Ready once the caches are filled; then waits for ever. Ends only if a cache can never be filled.
async fn ready(stores: Stores, readiness: &Readiness) {
    for store in &stores {
        if store.wait_until_ready().await.is_err() {
            return;
        }
    }
    readiness.set(true);
    std::future::pending::<()>().await;
}

async fn context(args: &ControllerArgs, metrics: &Metrics) -> Result<Arc<Context>, Error> {
    let ca_pem = args.cloud.ca_file.as_ref().map(std::fs::read).transpose().map_err(Error::CaFile)?;
    let client = Client::new(ClientConfig {
        request_timeout: args.cloud.request_timeout,
        ca_pem: ca_pem.clone(),
        endpoints: Endpoints::new(args.cloud.region_endpoint.iter().cloned())?,
        ..ClientConfig::default()
    })?;
    let source = source::OperatorIdentity::new(SourceConfig {
        choice: args.operator_credentials,
        request_timeout: args.cloud.request_timeout,
        ca_pem,
        ..SourceConfig::default()
    })?;
    let kube = KubeClient::try_default().await?;
    Ok(Arc::new(Context {
        sharing: Sharing::new(Arc::new(Metered { client, metrics: metrics.clone() }), args.limit()),
        secrets: Secrets::new(kube.clone()),
        identity: OperatorIdentity::new(source, args.operator_credentials_namespace.clone()),
        paces: Paces::default(),
        metrics: metrics.clone(),
        instance: instance(),
        client: kube,
    }))
}

/// The name of the pod, which Kubernetes gives as the host name.
fn instance() -> String {
    std::env::var("HOSTNAME")
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| crate::api::CONTROLLER.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stop(told: bool) -> Stop {
        let stop = if told { async {}.boxed() } else { std::future::pending().boxed() };
        stop.shared()
    }

    #[tokio::test]
    async fn a_controller_that_ends_unasked_ends_the_process() {
        let controllers = || vec![std::future::pending().boxed(), async {}.boxed()];
        assert!(matches!(until_stopped(controllers(), stop(false)).await, Err(Error::Ended("a controller"))));
    }

    #[tokio::test]
    async fn told_to_stop_it_waits_for_every_controller() {
        let (done, waits) = tokio::sync::oneshot::channel::<()>();
        let late = async { waits.await.unwrap() }.boxed();
        let mut ended = std::pin::pin!(until_stopped(vec![late, async {}.boxed()], stop(true)));
        assert!(ended.as_mut().now_or_never().is_none());
        done.send(()).unwrap();
        assert!(ended.await.is_ok());
    }
}
