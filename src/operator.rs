//! `cce-backup-watch controller`: builds the parts of the operator from the flags, and runs them until a signal or
//! until one of them ends.

use std::collections::BTreeMap;
use std::hash::RandomState;
use std::sync::Arc;
use std::time::Duration;

use futures::{
    FutureExt,
    future::{BoxFuture, Shared, join_all, select_all},
};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;

use crate::cli::ControllerArgs;
use crate::clock::Clock;
use crate::cloud::{
    client::{Client, ClientConfig, HttpError},
    credentials::{self, SourceConfig},
    region::{EndpointError, Endpoints},
};
use crate::controller::{
    context::Context,
    memory::Memory,
    shard::Ring,
    streams::{self, RECONCILES, Scope, Stores},
};
use crate::kubernetes::{
    self,
    fence::Fence,
    lease::{Claim, LeaseError, Tenure},
    refusal::{self, Refusals},
};
use crate::poll::{WatchKey, driver::Poller, engine::Config, world::Outside};
use crate::serve::metrics::Metrics;
use crate::serve::{
    http::{self, Health},
    listen::listen,
    logs,
    poll_metrics::Polls,
    resource_metrics::Watches,
};

/// How long reconciles under way may take after a signal.
const GRACE: Duration = Duration::from_secs(3);

/// Why the operator ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The flags `--region-endpoint` do not fit together.
    #[error("--region-endpoint: {0}")]
    Endpoint(#[from] EndpointError),
    /// The client of the cloud cannot be built.
    #[error("cannot set up requests to the cloud: {0}")]
    Http(#[from] HttpError),
    /// There is no access to a cluster.
    #[error("no access to a Kubernetes cluster: {0}")]
    Access(#[from] kubernetes::AccessError),
    /// The address of `--listen` cannot be used.
    #[error("cannot listen on {0}: {1}")]
    Listen(std::net::SocketAddr, #[source] std::io::Error),
    /// Signals cannot be received.
    #[error("cannot receive signals: {0}")]
    Signal(#[source] std::io::Error),
    /// The name of the host cannot be the name of a shard.
    #[error("--sharding-ring: the shard has the name of its host in HOSTNAME, which {0:?} cannot be")]
    HostName(String),
    /// The Lease was lost, or could not be renewed.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// A part that should run for ever ended.
    #[error("{0} ended unexpectedly")]
    Ended(&'static str),
}

/// Runs the operator until SIGTERM or SIGINT.
pub async fn run(args: ControllerArgs) -> Result<(), Error> {
    logs::start(args.log_format, &args.log_filter);
    let listener = listen(args.listen).map_err(|error| Error::Listen(args.listen, error))?;
    let address = listener.local_addr().map_err(|error| Error::Listen(args.listen, error))?;
    let metrics = Metrics::default();
    let parts = Parts::new(&args, &metrics).await?;
    let stop = stop()?;
    let health = Health::default();
    let server = http::serve(listener, metrics, health.clone());
    tracing::info!(version = env!("CARGO_PKG_VERSION"), listen = %address, "started");

    tokio::select! {
        ended = elected(&args, &parts, &health, stop) => ended?,
        () = server => return Err(Error::Ended("the HTTP server")),
    }
    tracing::info!("stopped");
    Ok(())
}

/// Runs [`work`]. With leader election or sharding it does so only while this process holds its Lease: the leader's, or
/// that of its shard.
async fn elected(args: &ControllerArgs, parts: &Parts, health: &Health, stop: Signal) -> Result<(), Error> {
    let Some(Seat { client, fence }) = &parts.seat else {
        return work(args, parts, health, std::future::ready(()).boxed().shared(), stop).await;
    };
    let namespace = args.lease_namespace.as_deref().unwrap_or(client.default_namespace());
    let instance = &parts.context.instance;
    let claim = match &parts.ring {
        Some(ring) => {
            Claim { name: instance.clone(), identity: instance.clone(), labels: ring.lease_labels() }
        }
        None => Claim {
            name: args.lease_name.clone(),
            // The random part keeps two processes with one host name from taking each other's Lease for their own.
            identity: format!("{instance}_{:016x}", fastrand::u64(..)),
            labels: BTreeMap::new(),
        },
    };
    let mut tenure = Tenure::seek(client.clone(), namespace, claim, fence.clone());
    let lead = tenure.held().boxed().shared();
    let worked = tokio::select! {
        worked = work(args, parts, health, lead, stop) => worked,
        error = tenure.ended() => Err(error.into()),
    };
    if let Err(error) = &worked {
        tracing::error!(%error, "the operator ends, to be started again");
    }
    tenure.release().await;
    worked
}

/// Runs the controllers and the polling loop until `stop` is done. Before `lead` is done, only the caches are filled.
async fn work(
    args: &ControllerArgs,
    parts: &Parts,
    health: &Health,
    lead: Signal,
    stop: Signal,
) -> Result<(), Error> {
    let mut namespaces = args.watch_namespace.clone();
    // Each namespace has a controller of its own, so one that is named twice would be reconciled twice.
    namespaces.sort_unstable();
    namespaces.dedup();
    let assigned = parts.ring.as_deref().map(Ring::selector);
    let selectors: Vec<_> = args.watch_label_selector.clone().into_iter().chain(assigned).collect();
    let scope = Scope {
        client: parts.streams.clone(),
        labels: (!selectors.is_empty()).then(|| selectors.join(",")),
        ring: parts.ring.clone(),
        namespaces,
    };
    let (stores, controllers, wake) = streams::run(&parts.context, &scope, &lead, &stop);
    let polling = lead.then(|()| poll(parts, health, stores.clone(), wake));
    tokio::select! {
        ended = until_stopped(controllers, stop.clone()) => ended,
        () = stop.clone().then(|()| tokio::time::sleep(GRACE)) => {
            tracing::warn!("reconciles were still under way; they repeat at the next start");
            Ok(())
        }
        () = ready(stores.clone(), health, parts.refusals.clone()) => Err(Error::Ended("the cache")),
        () = polling => Err(Error::Ended("the polling loop")),
    }
}

/// Registers the metrics of the watches and of the polls, and runs the polling loop. Ends only if that loop ends.
async fn poll(parts: &Parts, health: &Health, stores: Stores, wake: impl Fn(WatchKey) + Send + 'static) {
    let Parts { context, world, .. } = parts;
    let poller = context.poller.clone();
    context.metrics.collect(Watches { stores: stores.clone(), poller: poller.clone() });
    context.metrics.collect(Polls { stores, poller: poller.clone() });
    context.metrics.leads(true);
    health.polls(poller.clone());
    let world = world.clone();
    // In a task of its own, an answer of the cloud wakes the polling loop only, and not the controllers too. The task
    // ends only by a panic.
    let _ = tokio::spawn(async move { poller.run(world, wake).await }).await;
}

/// Waits until all controllers have ended, which they do after they were told to stop. If one ends before, this is an
/// error that ends the process, because nothing else would notice that its resources are no longer reconciled.
async fn until_stopped(controllers: Vec<BoxFuture<'static, ()>>, stop: Signal) -> Result<(), Error> {
    let ((), _, others) = select_all(controllers).await;
    stop.now_or_never().ok_or(Error::Ended("a controller"))?;
    join_all(others).await;
    Ok(())
}

/// A future that is done once something has happened: the process was told to stop, or holds the Lease.
type Signal = Shared<BoxFuture<'static, ()>>;

fn stop() -> Result<Signal, Error> {
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

/// Reports readiness once the caches are filled, and while the API server does not refuse to keep them so. Ends only if a
/// cache can never be filled.
async fn ready(stores: Stores, health: &Health, mut refusals: Refusals) {
    for store in &stores {
        if store.wait_until_ready().await.is_err() {
            return;
        }
    }
    loop {
        let is_refused = !refusals.borrow_and_update().is_empty();
        health.ready(!is_refused);
        if refusals.changed().await.is_err() {
            return;
        }
    }
}

/// What [`work`] needs.
struct Parts {
    context: Arc<Context<kube::Client>>,
    world: Arc<Outside>,
    /// The client of the watch streams.
    streams: kube::Client,
    /// This process as a shard, if it is one.
    ring: Option<Arc<Ring>>,
    /// What the API server refuses to them.
    refusals: Refusals,
    /// There if this process works only while it holds a Lease.
    seat: Option<Seat>,
}

/// What holding a Lease needs: the client that renews it, and the fence that each renewal opens.
struct Seat {
    client: kube::Client,
    fence: Arc<Fence>,
}

impl Parts {
    async fn new(args: &ControllerArgs, metrics: &Metrics) -> Result<Self, Error> {
        let endpoints = Endpoints::new(args.cloud.region_endpoint.iter().cloned())?;
        let proxy = args.cloud.proxy()?;
        let cloud = Client::new(ClientConfig {
            request_timeout: args.cloud.request_timeout,
            ca_file: args.cloud.ca_file.clone(),
            proxy: proxy.clone(),
            endpoints: endpoints.clone(),
            ..ClientConfig::default()
        })?;
        let source = SourceConfig {
            choice: args.operator_credentials,
            request_timeout: args.cloud.request_timeout,
            ca_file: args.cloud.ca_file.clone(),
            proxy,
            ..SourceConfig::default()
        };
        let identities = credentials::OperatorIdentities::new(source, endpoints.clone())?;
        let host = host();
        let name = host.as_deref().unwrap_or_default();
        let ring = args.shard(name).map_err(|_| Error::HostName(name.to_owned()))?.map(Arc::new);
        let (client, seat) = if args.leader_elect || ring.is_some() {
            let fence = Arc::new(Fence::default());
            let clients = kubernetes::fenced(fence.clone()).await?;
            (clients.work, Some(Seat { client: clients.lease, fence }))
        } else {
            (kubernetes::client().await?, None)
        };
        let hasher = RandomState::new();
        let clock = Clock::default();
        let config = Config {
            concurrency: usize::from(args.concurrency),
            limit: args.limit(),
            endpoints,
            seed: fastrand::u64(..),
            hasher: hasher.clone(),
        };
        let poller = Poller::new(config, clock);
        let world = Outside { cloud, kube: client.clone(), identities, hasher, metrics: metrics.clone() };
        let context = Context {
            api_server: client,
            instance: host.unwrap_or_else(|| crate::api::CONTROLLER.to_owned()),
            poller,
            served: args.operator_credentials_namespace.clone(),
            labels: ring.as_deref().map(Ring::labels).map(Vec::from).unwrap_or_default(),
            memory: Memory::default(),
            slots: Semaphore::new(usize::from(RECONCILES)),
            metrics: metrics.clone(),
            clock,
        };
        let (streams, refusals) = refusal::observed(kubernetes::streams().await?);
        Ok(Self { context: Arc::new(context), world: Arc::new(world), streams, refusals, ring, seat })
    }
}

/// The name of the pod, which Kubernetes gives as the host name.
fn host() -> Option<String> {
    std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests;
