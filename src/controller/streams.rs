//! The watch streams: they fill the stores, tell the engine and the memory of what is gone, and trigger reconciles.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::{
    FutureExt, Stream, StreamExt, TryStreamExt,
    channel::mpsc,
    future::{BoxFuture, ready},
    stream,
};
use kube::{
    Api, Client,
    runtime::{
        Controller, WatchStreamExt, controller,
        reflector::{self, ObjectRef, Store},
        watcher,
    },
};

use super::{
    context::Context,
    object::{self, key_of, prune},
    reconcile,
    shard::{self, Ring},
    stream_backoff::StreamBackoff,
};
use crate::api::Guarded;
use crate::kubernetes::{WATCH, told_of_watch};
use crate::poll::WatchKey;

/// Which resources to watch.
#[derive(Clone)]
pub struct Scope {
    /// The client that watches them.
    pub client: Client,
    /// The namespaces; empty means all.
    pub namespaces: Vec<String>,
    /// The labels that a resource must have.
    pub labels: Option<String>,
    /// This process as a shard, if it is one.
    pub ring: Option<Arc<Ring>>,
}

/// Resources in a page of a list. A resource may have more than 1 MiB, and a page is held as a whole.
const PAGE: u32 = 8;

/// The cached resources, one store for each watched scope: those of kube's reflector, with every resource pruned.
pub type Stores = Vec<Store<Guarded>>;

/// How many reconciles run at a time.
pub const RECONCILES: u16 = 16;

/// The controllers, one for each namespace, the stores that they fill, and a function that triggers a reconcile of one
/// watch. A controller fills its store from the start, reconciles once `lead` is done, and ends when `stop` is done and
/// so are its reconciles under way.
pub fn run<L, S>(
    context: &Arc<Context<Client>>,
    scope: &Scope,
    lead: &L,
    stop: &S,
) -> (Stores, Vec<BoxFuture<'static, ()>>, impl Fn(WatchKey) + use<L, S>)
where
    L: Future<Output = ()> + Clone + Send + 'static,
    S: Future<Output = ()> + Clone + Send + Sync + 'static,
{
    let namespaces: Vec<Option<&str>> = if scope.namespaces.is_empty() {
        vec![None]
    } else {
        scope.namespaces.iter().map(|name| Some(name.as_str())).collect()
    };
    let mut wakers = HashMap::new();
    let (mut stores, mut controllers) = (Vec::new(), Vec::new());
    for namespace in namespaces {
        let api = match namespace {
            None => Api::all(scope.client.clone()),
            Some(name) => Api::namespaced(scope.client.clone(), name),
        };
        let (waker, woken) = mpsc::unbounded();
        let (store, writer) = reflector::store();
        let mut trigger = trigger(api, namespace, scope, writer, store.clone(), context.clone()).boxed();
        wakers.insert(namespace.map(str::to_owned), waker);
        stores.push(store.clone());
        let (context, ring, lead, stop) = (context.clone(), scope.ring.clone(), lead.clone(), stop.clone());
        let controller = async move {
            tokio::select! {
                () = lead => {}
                // Keeps the store filled and reconciles nothing. It ends only with the stream.
                () = trigger.by_ref().for_each(|_| ready(())) => return,
                () = stop.clone() => return,
            }
            let reconciled = context.clone();
            Controller::for_stream(trigger, store)
                .with_config(controller::Config::default().concurrency(RECONCILES))
                .reconcile_on(woken)
                // The stream delivered these resources while this process stood by, so nothing has reconciled them.
                .reconcile_all_on(stream::iter([()]))
                .graceful_shutdown_on(stop)
                .run(
                    move |object, context| {
                        let ring = ring.clone();
                        async move { shard::around(ring.as_deref(), object, context).await }
                    },
                    reconcile::on_error,
                    context,
                )
                .for_each(|result| {
                    // A requeue came due after the resource was deleted, perhaps while the stream was interrupted and did
                    // not tell. The other errors were logged where they arose.
                    if let Err(controller::Error::ObjectNotFound(gone)) = result {
                        forget(&*reconciled, &object::key(gone.namespace.as_deref(), Some(&gone.name)));
                    }
                    ready(())
                })
                .await;
        };
        controllers.push(controller.boxed());
    }
    let wake = move |key: WatchKey| {
        let Some((namespace, name)) = key.split_once('/') else { return };
        let waker = wakers.get(&None).or_else(|| wakers.get(&Some(namespace.to_owned())));
        if let Some(waker) = waker {
            // This fails only if the controller has ended, and then there is nothing to wake.
            let _ = waker.unbounded_send(ObjectRef::new(name).within(namespace));
        }
    };
    (stores, controllers, wake)
}

/// The stream of the resources that are to be reconciled. It also fills the store and informs the engine. It hands out no
/// error, because after one kube's controller pauses every trigger of reconciles, outcomes of polls too, for up to a minute.
fn trigger(
    api: Api<Guarded>,
    namespace: Option<&str>,
    scope: &Scope,
    writer: reflector::store::Writer<Guarded>,
    store: Store<Guarded>,
    context: Arc<Context<Client>>,
) -> impl Stream<Item = Result<Guarded, watcher::Error>> + Send + use<> {
    let (listed, triggers) = (store.clone(), context.clone());
    let labels = context.labels.clone();
    let prefix = namespace.map(|namespace| format!("{namespace}/")).unwrap_or_default();
    let mut config = watcher::Config::default().timeout(WATCH).page_size(PAGE);
    if let Some(labels) = &scope.labels {
        config = config.labels(labels);
    }
    watcher(api, config)
        .inspect_err(warn_of)
        .backoff(StreamBackoff::new(context.poller.clone()))
        .modify(move |watch| prune(watch, &labels))
        .reflect(writer)
        .inspect_ok(move |event| observe(&context, &store, &prefix, event))
        .filter_map(|event| ready(event.ok()))
        .flat_map(move |event| stream::iter(triggered(&triggers, &listed, event)))
        .map(|watch| Ok(Arc::unwrap_or_clone(watch)))
}

/// The resources that are to be reconciled after an event of the watch stream. Those of a list are returned when the list
/// is complete: the store has none of them before, and the first pages of a long list arrive long before that. A reconcile
/// in between would find no resource, or an old one, and nothing would trigger another.
pub fn triggered<A>(
    context: &Context<A>,
    store: &Store<Guarded>,
    event: watcher::Event<Guarded>,
) -> Vec<Arc<Guarded>> {
    let is_listed = matches!(event, watcher::Event::InitApply(_));
    let mut delivered = match event {
        watcher::Event::Apply(watch) | watcher::Event::InitApply(watch) => vec![Arc::new(watch)],
        watcher::Event::InitDone => store.state(),
        watcher::Event::Init | watcher::Event::Delete(_) => Vec::new(),
    };
    delivered.retain(|watch| !is_listed && context.memory.is_news(watch)); // mark: whole list
    delivered
}

/// Informs the engine of an event of the watch stream, after the store has applied it. The keys of the namespace that
/// the stream watches begin with `prefix`.
pub fn observe<A>(
    context: &Context<A>,
    store: &Store<Guarded>,
    prefix: &str,
    event: &watcher::Event<Guarded>,
) {
    match event {
        watcher::Event::Delete(watch) => forget(context, &key_of(watch)),
        // A resource may have been deleted while the stream was interrupted.
        watcher::Event::InitDone => {
            let known: HashSet<_> = store.state().iter().map(|watch| key_of(watch)).collect();
            let keep = |key: &str| !key.starts_with(prefix) || known.contains(key);
            context.poller.retain(keep);
            context.memory.retain(keep); // mark: left out
        }
        watcher::Event::Init | watcher::Event::InitApply(_) | watcher::Event::Apply(_) => {}
    }
}

/// Forgets a resource that was deleted.
pub fn forget<A>(context: &Context<A>, key: &str) {
    context.poller.forget(key);
    context.memory.forget(key);
}

fn warn_of(error: &watcher::Error) {
    let error = told_of_watch(error);
    tracing::warn!(error, "the watch stream of ClusterBackupWatches failed; it is restarted after a backoff");
}
