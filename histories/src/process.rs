//! One process of the operator: the real engine, reconcile and plan, driven step by step. Takes what the watch stream
//! tells and what the cloud and the API server answer, and returns the requests to send. What kube's runtime does
//! between these parts (the reflector's events, the queue of reconciles, one reconcile of a resource at a time) is
//! reimplemented here as kube documents it.

use std::collections::{BTreeMap, VecDeque};
use std::hash::RandomState;
use std::sync::{Arc, Mutex};
use std::task::{self, Poll};
use std::time::Duration;

use cce_backup_watch::api::Guarded;
use cce_backup_watch::cloud::region::Endpoints;
use cce_backup_watch::controller::{
    context::Context, error::Error, memory::Memory, object, reconcile, streams,
};
use cce_backup_watch::poll::{
    Effect, Request, Resolution, Source, SourceId, WatchKey,
    account::Limit,
    driver::{Done, Poller},
    engine::Config,
    world,
};
use cce_backup_watch::serve::metrics::Metrics;
use futures::{FutureExt, future::BoxFuture};
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::watcher;

use crate::{
    api_server::{Access, Call, Stored},
    time,
};

/// The limit of requests to the cloud in flight: low, so that a request that hangs takes a noticeable part of it.
pub const CONCURRENCY: usize = 16;

/// A reconcile that awaits the API server.
type Reconcile = BoxFuture<'static, Result<Option<Duration>, Error>>;

/// A process of the operator.
pub struct Process {
    /// The number of the process; no two processes of a history share one.
    pub id: u64,
    /// Until when the process is frozen.
    pub frozen_until: Duration,
    /// The resourceVersion up to which the stream has delivered; `None` before a list.
    pub position: Option<u64>,
    /// The list that the stream is delivering.
    pub listing: Option<Listing>,
    /// When each resource is to be reconciled next.
    due: BTreeMap<WatchKey, Duration>,
    running: BTreeMap<WatchKey, (Arc<Guarded>, Reconcile)>,
    reads: Vec<(SourceId, BoxFuture<'static, Resolution>)>,
    context: Arc<Context<Access>>,
    store: reflector::Store<Guarded>,
    writer: reflector::store::Writer<Guarded>,
    until: Duration,
}

/// A list of which some pages are delivered.
pub struct Listing {
    /// The resourceVersion of the list.
    pub version: u64,
    /// The resources of the pages to come.
    pub pages: VecDeque<Stored>,
    /// The time from page to page.
    pub pace: Duration,
    /// When the next page comes.
    pub due: Duration,
    /// The time from the last page to the first change.
    pub lag: Duration,
}

/// The result of a step.
#[derive(Default)]
pub struct Stepped {
    /// Requests to send to the cloud.
    pub requests: Vec<Request>,
    /// Requests for lists of upgrades.
    pub lists: Vec<Request>,
    /// The resources of which a reconcile began.
    pub reconciled: Vec<WatchKey>,
    /// When the next timer is due.
    pub until: Duration,
}

impl Process {
    /// A process that was just started.
    pub fn new(id: u64, seed: u64, (rate, burst): (f64, u32), calls: Arc<Mutex<Vec<Call>>>) -> Self {
        let config = Config {
            concurrency: CONCURRENCY,
            limit: Limit { rate, burst },
            endpoints: Endpoints::default(),
            seed,
            hasher: RandomState::new(),
        };
        let context = Context {
            api_server: Access { process: id, calls },
            instance: format!("process-{id}"),
            poller: Poller::new(config, time::clock()),
            served: Vec::new(),
            labels: Vec::new(),
            memory: Memory::default(),
            slots: tokio_slots(),
            metrics: Metrics::default(),
            clock: time::clock(),
        };
        let (store, writer) = reflector::store();
        Self {
            id,
            frozen_until: Duration::ZERO,
            position: None,
            listing: None,
            due: BTreeMap::new(),
            running: BTreeMap::new(),
            reads: Vec::new(),
            context: Arc::new(context),
            store,
            writer,
            until: Duration::ZERO,
        }
    }

    /// The polling engine.
    pub fn poller(&self) -> &Poller {
        &self.context.poller
    }

    /// Takes an event of the watch stream: updates the store, and queues a reconcile if the change is one to reconcile
    /// for. Returns the resources of which it does.
    pub fn tell(&mut self, mut event: watcher::Event<Guarded>) -> Vec<WatchKey> {
        if let watcher::Event::Apply(watch)
        | watcher::Event::InitApply(watch)
        | watcher::Event::Delete(watch) = &mut event
        {
            object::prune(watch, &[]);
        }
        self.writer.apply_watcher_event(&event);
        streams::observe(&*self.context, &self.store, "", &event);
        let triggered = streams::triggered(&self.context, &self.store, event);
        let keys: Vec<_> = triggered.iter().map(|watch| object::key_of(watch)).collect();
        for key in &keys {
            self.wake(key.clone(), time::now());
        }
        keys
    }

    fn wake(&mut self, key: WatchKey, at: Duration) {
        let due = self.due.entry(key).or_insert(at);
        *due = at.min(*due);
    }

    /// Runs reconciles, reads of Secrets and the engine until all of them wait for an answer or a timer.
    pub fn step(&mut self) -> Stepped {
        let now = time::now();
        let mut stepped = Stepped::default();
        loop {
            let begun = self.begin(now);
            stepped.reconciled.extend(begun.iter().cloned());
            let ended = self.go_on(now);
            let turn = self.poller().turn();
            self.until = time::of(turn.until);
            let is_idle = begun.is_empty() && !ended && turn.effects.is_empty() && turn.woken.is_empty();
            for key in turn.woken {
                self.wake(key, now);
            }
            for effect in turn.effects {
                match effect {
                    Effect::Fetch(request) => stepped.requests.push(request),
                    Effect::ListUpgrades(request) => stepped.lists.push(request),
                    Effect::Resolve { id, source } => self.read(id, &source),
                }
            }
            if is_idle {
                break;
            }
        }
        let free = self.due.iter().filter(|(key, _)| !self.running.contains_key(*key)).map(|(_, at)| *at);
        stepped.until =
            free.chain([self.until]).min().unwrap_or(self.until).max(now + Duration::from_millis(1));
        stepped
    }

    /// Begins the reconciles that are due, and returns their resources. One that is running is not begun a second time.
    fn begin(&mut self, now: Duration) -> Vec<WatchKey> {
        let is_due = |(key, at): &(&WatchKey, &Duration)| **at <= now && !self.running.contains_key(*key);
        let due: Vec<_> = self.due.iter().filter(is_due).map(|(key, _)| key.clone()).collect();
        for key in &due {
            self.due.remove(key);
            let (namespace, name) = key.split_once('/').unwrap_or_default();
            match self.store.get(&ObjectRef::new(name).within(namespace)) {
                Some(watch) => {
                    let (object, context) = (watch.clone(), self.context.clone());
                    let work = async move { reconcile::attempt(&object, &context).await };
                    self.running.insert(key.clone(), (watch, work.boxed()));
                }
                None => streams::forget(&*self.context, key),
            }
        }
        due
    }

    /// Polls the reconciles and the reads of Secrets that await the API server; returns whether one of them ended.
    fn go_on(&mut self, now: Duration) -> bool {
        let mut waker = task::Context::from_waker(futures::task::noop_waker_ref());
        let mut ended = Vec::new();
        for (key, (_, work)) in &mut self.running {
            if let Poll::Ready(result) = work.poll_unpin(&mut waker) {
                ended.push((key.clone(), result));
            }
        }
        let mut any = !ended.is_empty();
        for (key, result) in ended {
            let Some((watch, _)) = self.running.remove(&key) else { continue };
            let wait =
                result.unwrap_or_else(|error| Some(reconcile::retry_after(&watch, &error, &self.context)));
            if let Some(wait) = wait {
                self.wake(key, now + wait);
            }
        }
        let poller = &self.context.poller;
        self.reads.retain_mut(|(id, read)| match read.poll_unpin(&mut waker) {
            Poll::Ready(resolution) => {
                poller.done(Done::Resolved(*id, resolution));
                any = true;
                false
            }
            Poll::Pending => true,
        });
        any
    }

    fn read(&mut self, id: SourceId, source: &Source) {
        let Source::Secret { namespace, name } = source else { return };
        let (api_server, namespace, name) =
            (self.context.api_server.clone(), namespace.clone(), name.clone());
        let read = async move { world::read_secret(&api_server, &namespace, &name).await };
        self.reads.push((id, read.boxed()));
    }
}

/// The semaphore for as many concurrent reconciles as the operator allows.
fn tokio_slots() -> tokio::sync::Semaphore {
    tokio::sync::Semaphore::new(usize::from(streams::RECONCILES))
}
