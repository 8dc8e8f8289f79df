//! One history: the operator's own streams, controller, reconciles and polling loop, with the made-up clock of tokio, on one
//! thread. What users and the cloud do and what goes wrong on the wire is drawn from a seed.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cbw_histories::api_server::Store;
use cbw_histories::cloud::Cloud;
use cbw_histories::promises::afterwards;
use cbw_histories::script::WatchPlan;
use cbw_histories::time;
use cce_backup_watch::clock::Clock;
use cce_backup_watch::cloud::region::Endpoints;
use cce_backup_watch::controller::{context::Context, memory::Memory, object::key_of, streams};
use cce_backup_watch::kubernetes::{self, refusal, watches};
use cce_backup_watch::poll::{
    Fetched, Request, Resolution, Source, WatchKey,
    account::Limit,
    driver::Poller,
    engine::Config,
    world::{World, read_secret},
};
use cce_backup_watch::serve::metrics::Metrics;
use fastrand::Rng;
use futures::future;
use kube::{Client, ResourceExt, runtime::reflector};
use tokio::time::{Instant, sleep};

use crate::acts::{Act, CLUSTERS, carry_out, create, plan};
use crate::fault;
use crate::network::client;
use crate::server::Api;

const KEY: &str = "ak0";
/// By when the store holds what the API server holds, once all is well: a connection is found silent, the stream backs off, and
/// the pages of a list are read.
const CAUGHT_UP: Duration = Duration::from_secs(45);
/// By when each status is right.
const WRITTEN: Duration = Duration::from_mins(3);
/// How long nothing is written after that.
const QUIET: Duration = Duration::from_mins(2);
/// So many watches are not begun in so short a time.
const OFTEN: (usize, Duration) = (15, Duration::from_secs(10));

thread_local! {
    static START: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// The time since the beginning of the history.
pub fn now() -> Duration {
    START.get().map_or(Duration::ZERO, |start| start.elapsed())
}

/// What a history comes to.
pub struct Ending {
    /// Which promise was broken, and how.
    pub broken: Option<String>,
    /// What was asked of the API server and answered.
    pub trace: Vec<String>,
}

struct MadeUp {
    cloud: Arc<Mutex<Cloud>>,
    client: Client,
    hasher: RandomState,
}

impl World for MadeUp {
    async fn fetch(&self, request: &Request, _: jiff::Timestamp) -> Fetched {
        sleep(Duration::from_millis(20)).await;
        let cluster = usize::from_str_radix(&request.target.cluster_id.as_str()[..8], 16).unwrap_or_default();
        let cloud = self.cloud.lock().expect("one thread");
        cloud.answer(cluster, KEY, request.known, |body| self.hasher.hash_one(body)).fetched
    }

    async fn resolve(&self, source: &Source, _: jiff::Timestamp) -> Resolution {
        let Source::Secret { namespace, name } = source else { unreachable!("every watch names a Secret") };
        read_secret(&self.client, namespace, name).await
    }
}

/// Runs the history of a seed.
pub fn run(seed: u64) -> Ending {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(history(seed))
}

async fn history(seed: u64) -> Ending {
    START.set(Some(Instant::now()));
    let mut rng = Rng::with_seed(seed);
    let calm = Duration::from_secs(rng.u64(60..400));
    let windows = fault::draw(&mut rng, calm);
    let plans: Vec<_> = (0..rng.usize(1..20)).map(|_| plan(&mut rng)).collect();
    let mut cloud = Cloud::new(&[0], &[0; CLUSTERS]);
    cloud.keys.insert(KEY.to_owned());
    let api = Api {
        store: Store::default(),
        seed,
        counts: HashMap::new(),
        wrong: Vec::new(),
        compacted: 0,
        trace: Vec::new(),
        watches: Vec::new(),
        changed: tokio::sync::watch::Sender::new(()),
    };
    let (api, cloud) = (Arc::new(Mutex::new(api)), Arc::new(Mutex::new(cloud)));
    {
        let mut api = api.lock().expect("one thread");
        api.store.put_secret(&"ns/huawei".into(), KEY);
        for (n, plan) in plans.iter().enumerate().filter(|_| rng.bool()) {
            create(&mut api, n, plan, &mut Rng::with_seed(seed));
        }
    }
    let stores = operator(seed, &api, &cloud);

    // Whatever begins, ends or is done, in order.
    let mut acts: Vec<(Duration, Act)> = Vec::new();
    for window in windows {
        acts.push((window.from, Act::Begins(window)));
        acts.push((window.to, Act::Ends(window)));
    }
    for _ in 0..rng.usize(1..30) {
        let at = Duration::from_millis(
            rng.u64(..60_000 + u64::try_from(calm.as_millis()).unwrap_or(0)).saturating_sub(60_000),
        );
        let act = match rng.u8(..6) {
            0 => Act::Backup(rng.usize(..CLUSTERS)),
            1 => Act::Delete(rng.usize(..plans.len())),
            2 => Act::Request(rng.usize(..plans.len())),
            3 => Act::Edit(rng.usize(..plans.len())),
            _ => Act::Create(rng.usize(..plans.len())),
        };
        acts.push((at, act));
    }
    acts.sort_by_key(|(at, _)| *at);
    for (n, (at, act)) in acts.iter().enumerate() {
        sleep(at.saturating_sub(now())).await;
        api.lock().expect("one thread").note(format_args!("{act:?}"));
        carry_out(
            n,
            *act,
            &mut api.lock().expect("one thread"),
            &mut cloud.lock().expect("one thread"),
            &plans,
            &mut rng,
        );
    }
    sleep(calm.saturating_sub(now())).await;
    api.lock().expect("one thread").note(format_args!("calm"));
    let broken = check(calm, &api, &cloud, &plans, &stores).await.err();
    let trace = std::mem::take(&mut api.lock().expect("one thread").trace);
    Ending { broken, trace }
}

/// Starts the operator, as `operator.rs` does without a Lease; returns its stores.
fn operator(seed: u64, api: &Arc<Mutex<Api>>, cloud: &Arc<Mutex<Cloud>>) -> streams::Stores {
    let clock = Clock { monotonic: || Instant::now().into_std(), wall: || time::wall(now()) };
    let config = Config {
        concurrency: 16,
        limit: Limit { rate: 5.0, burst: 10 },
        endpoints: Endpoints::default(),
        seed,
        hasher: RandomState::new(),
    };
    let work = client(api, |config| config);
    let context = Arc::new(Context {
        api_server: work.clone(),
        instance: "wire".to_owned(),
        poller: Poller::new(config, clock),
        served: Vec::new(),
        labels: Vec::new(),
        memory: Memory::default(),
        slots: tokio::sync::Semaphore::new(usize::from(streams::RECONCILES)),
        metrics: Metrics::default(),
        clock,
    });
    let (watching, _) = refusal::observed(watches::tamed(client(api, kubernetes::for_streams)));
    let scope = streams::Scope { client: watching, namespaces: Vec::new(), labels: None, ring: None };
    let (stores, controllers, wake) = streams::run(&context, &scope, &future::ready(()), &future::pending());
    for controller in controllers {
        tokio::spawn(controller);
    }
    let world = Arc::new(MadeUp { cloud: cloud.clone(), client: work, hasher: RandomState::new() });
    let poller = context.poller.clone();
    tokio::spawn(async move { poller.run(world, wake).await });
    stores
}

async fn check(
    calm: Duration,
    api: &Mutex<Api>,
    cloud: &Mutex<Cloud>,
    plans: &[WatchPlan],
    stores: &streams::Stores,
) -> Result<(), String> {
    sleep((calm + CAUGHT_UP).saturating_sub(now())).await;
    let cached = stores.iter().flat_map(reflector::Store::state);
    let held: BTreeMap<_, _> = cached.map(|watch| (key_of(&watch), watch.resource_version())).collect();
    {
        let api = api.lock().expect("one thread");
        let is_there: BTreeMap<_, _> = api
            .store
            .watches
            .iter()
            .map(|(key, stored)| (key.clone(), stored.watch.resource_version()))
            .collect();
        // A write of this moment may still be on its way.
        let just_now = now().saturating_sub(Duration::from_secs(1));
        let is_new =
            |key: &WatchKey| api.store.log.iter().any(|change| change.key == *key && change.at > just_now);
        let wrong: Vec<_> = is_there
            .keys()
            .chain(held.keys())
            .filter(|key| held.get(*key) != is_there.get(*key) && !is_new(key))
            .map(|key| format!("{key}: {:?} and not {:?}", held.get(key), is_there.get(key)))
            .collect();
        if !wrong.is_empty() {
            return Err(format!("the store does not hold what the API server holds: {wrong:?}"));
        }
    }
    sleep(WRITTEN + QUIET).await;
    let (api, cloud) = (api.lock().expect("one thread"), cloud.lock().expect("one thread"));
    time::set(now());
    let mut often = api.watches.windows(OFTEN.0);
    if let Some(begun) =
        often.find(|begun| begun.last() < begun.first().map(|first| *first + OFTEN.1).as_ref())
    {
        return Err(format!("{} watches are begun from {:?} on", OFTEN.0, begun.first()));
    }
    if let Some(late) = api.store.log.iter().find(|change| change.at > calm + CAUGHT_UP + WRITTEN) {
        return Err(format!("something is written when all is well: {} at {:?}", late.key, late.at));
    }
    for (key, stored) in &api.store.watches {
        let n: usize = key.rsplit_once('w').and_then(|(_, n)| n.parse().ok()).unwrap_or_default();
        let cluster = &cloud.clusters[plans[n].cluster];
        afterwards::check(key, stored, &plans[n], cluster, false, false)
            .map_err(|finding| finding.to_string())?;
    }
    Ok(())
}
