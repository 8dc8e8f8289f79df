//! The promises of the engine, tested with a simulated clock, cloud and set of Secrets.

mod faults;
mod left_behind;
mod made_up;
mod outside;
mod sharing;
mod sources;
mod throttled;
mod troubles;
mod upgrades;

use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::hash::RandomState;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{
    Cadence, Demand, Effect, FetchId, Fetched, Outcome, Request, Resolution, Settled, Source, SourceId,
    WatchKey,
    account::Limit,
    engine::{Config, Engine},
};
use crate::cloud::{
    Answer,
    client::News,
    credentials::{Credential, CredentialId, ResolvedCredential},
    fault::{Fault, FaultKind},
    region::Endpoints,
    target::{ClusterId, ClusterType, ProjectId, Region, Target},
    upgrades::Workflow,
};
use made_up::*;

/// One watch of a test, and what it took over.
struct Story {
    demand: Demand,
    judge_after: Option<Duration>,
    /// How often it was woken.
    wakes: usize,
    /// What it took over: when, and what.
    outcomes: Vec<(Instant, Outcome)>,
    /// The requests of a person that were answered, and when.
    handled: Vec<(String, Instant)>,
}

/// A request that was sent.
struct Sent {
    at: Instant,
    target: Target,
    delay: Duration,
}

enum Event {
    Fetched(FetchId, Fetched),
    Listed(FetchId, Result<Vec<Workflow>, Fault>),
    Resolved(SourceId, Resolution),
}

type Cloud = Box<dyn FnMut(&Request, Instant) -> (Duration, Fetched)>;
type Upgrades = Box<dyn FnMut(Instant) -> Result<Vec<Workflow>, Fault>>;
type Secrets = Box<dyn FnMut(&Source, Instant) -> (Duration, Resolution)>;

/// The engine in a simulated world.
struct Lab {
    engine: Engine,
    now: Instant,
    events: HashMap<usize, Event>,
    order: BinaryHeap<std::cmp::Reverse<(Instant, usize)>>,
    count: usize,
    cloud: Cloud,
    secrets: Secrets,
    watches: BTreeMap<WatchKey, Story>,
    sent: Vec<Sent>,
    upgrades: Upgrades,
    /// When the upgrades were asked for.
    listed: Vec<Instant>,
    reads: Vec<(Source, Instant)>,
    /// How often [`Engine::next`] was called.
    turns: usize,
}

impl Lab {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let now = Instant::now();
        let mut config = Config {
            concurrency: 64,
            limit: Limit { rate: 1000.0, burst: 1000 },
            endpoints: Endpoints::default(),
            seed: 7,
            hasher: RandomState::new(),
        };
        change(&mut config);
        Self {
            engine: Engine::new(config, now),
            now,
            events: HashMap::new(),
            order: BinaryHeap::new(),
            count: 0,
            cloud: Box::new(|_, _| (Duration::from_millis(50), answer(1))),
            secrets: Box::new(|source, _| {
                (
                    Duration::from_millis(5),
                    credential(&format!("{source:?}").replace(|c: char| !c.is_ascii_alphanumeric(), "")),
                )
            }),
            watches: BTreeMap::new(),
            sent: Vec::new(),
            upgrades: Box::new(|_| Ok(Vec::new())),
            listed: Vec::new(),
            reads: Vec::new(),
            turns: 0,
        }
    }

    fn cloud(&mut self, cloud: impl FnMut(&Request, Instant) -> (Duration, Fetched) + 'static) {
        self.cloud = Box::new(cloud);
    }

    fn secrets(&mut self, secrets: impl FnMut(&Source, Instant) -> (Duration, Resolution) + 'static) {
        self.secrets = Box::new(secrets);
    }

    /// A watch that was never polled, every 10 s.
    fn watch(&mut self, name: &str, target: Target, source: Source) {
        self.watch_with(name, target, source, |_| {});
    }

    fn watch_with(&mut self, name: &str, target: Target, source: Source, change: impl FnOnce(&mut Demand)) {
        let mut demand = Demand {
            uid: name.into(),
            generation: Some(1),
            target,
            source,
            cadence: Cadence { period: seconds(10), retry: seconds(10), running: false, upgrades: None },
            spread: None,
            request: None,
            has_record: false,
        };
        change(&mut demand);
        let story = Story { demand, judge_after: None, wakes: 0, outcomes: Vec::new(), handled: Vec::new() };
        let key: WatchKey = name.into();
        self.watches.insert(key.clone(), story);
        self.reconcile(&key);
    }

    fn change(&mut self, name: &str, change: impl FnOnce(&mut Demand)) {
        let key: WatchKey = name.into();
        change(&mut self.watches.get_mut(&key).unwrap().demand);
        self.reconcile(&key);
    }

    /// The resource is deleted.
    fn forget(&mut self, name: &str) {
        self.watches.remove(name);
        self.engine.forget(name);
    }

    fn request(&mut self, name: &str, request: &str) {
        self.change(name, |demand| demand.request = Some(request.into()));
    }

    /// As the controller does: takes over what is new, and settles.
    fn reconcile(&mut self, key: &WatchKey) {
        let Some(story) = self.watches.get_mut(key) else { return };
        let news = self.engine.demand(key, &story.demand, self.now);
        if let Some(news) = &news {
            story.outcomes.push((self.now, news.outcome.clone()));
            story.demand.spread = Some(story.demand.cadence.period);
            if news.for_request
                && let Some(request) = story.demand.request.take()
            {
                story.handled.push((request, self.now));
            }
        }
        let settled = Settled {
            number: news.map(|news| news.number),
            cadence: story.demand.cadence,
            judge_after: story.judge_after,
            has_request: true,
        };
        self.engine.settle(key, &settled, self.now);
    }

    fn later(&mut self, after: Duration, event: Event) {
        self.count += 1;
        self.events.insert(self.count, event);
        self.order.push(std::cmp::Reverse((self.now + after, self.count)));
    }

    fn turn(&mut self) {
        self.turns += 1;
        for effect in self.engine.next(self.now) {
            match effect {
                Effect::Fetch(request) => {
                    self.sent.push(Sent {
                        at: self.now,
                        target: request.target.clone(),
                        delay: request.delay,
                    });
                    let (after, mut fetched) = (self.cloud)(&request, self.now);
                    if let Ok(News::Answer(_, body)) = &fetched
                        && request.known == Some(*body)
                    {
                        fetched = Ok(News::Unchanged);
                    }
                    self.later(after, Event::Fetched(request.id, fetched));
                }
                Effect::ListUpgrades(request) => {
                    self.listed.push(self.now);
                    let listed = (self.upgrades)(self.now);
                    self.later(Duration::from_millis(50), Event::Listed(request.id, listed));
                }
                Effect::Resolve { id, source } => {
                    self.reads.push(((*source).clone(), self.now));
                    let (after, resolution) = (self.secrets)(&source, self.now);
                    self.later(after, Event::Resolved(id, resolution));
                }
            }
        }
        for key in self.engine.woken() {
            if let Some(story) = self.watches.get_mut(&key) {
                story.wakes += 1;
            }
            self.reconcile(&key);
        }
    }

    /// Lets time pass.
    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.turn();
            let event = self.order.peek().map(|std::cmp::Reverse((at, _))| *at);
            let Some(next) =
                [event, self.engine.deadline(self.now)].into_iter().flatten().min().filter(|at| *at <= end)
            else {
                break;
            };
            assert!(self.turns < 2_000_000, "the engine spins");
            self.now = self.now.max(next);
            while let Some(std::cmp::Reverse((at, n))) = self.order.peek().copied() {
                if at > self.now {
                    break;
                }
                self.order.pop();
                match self.events.remove(&n).unwrap() {
                    Event::Fetched(id, fetched) => {
                        self.engine.fetched(id, fetched, self.now, Timestamp::UNIX_EPOCH);
                    }
                    Event::Listed(id, listed) => self.engine.upgrades_listed(id, listed, self.now),
                    Event::Resolved(id, resolution) => self.engine.resolved(id, resolution, self.now),
                }
            }
        }
        self.now = end;
    }

    /// The requests that were sent since then, to clusters that `of` names.
    fn requests(&self, since: Instant, of: impl Fn(&Target) -> bool) -> usize {
        self.sent.iter().filter(|sent| sent.at >= since && of(&sent.target)).count()
    }

    fn last(&self, name: &str) -> Option<&Outcome> {
        self.watches[name].outcomes.last().map(|(_, outcome)| outcome)
    }

    /// The kind of the fault that a watch took over last, if that decides how it stands.
    fn blind(&self, name: &str) -> Option<FaultKind> {
        match self.last(name) {
            Some(outcome @ Outcome::Fault { fault, .. }) if outcome.is_decisive() => Some(fault.kind),
            _ => None,
        }
    }

    fn is_answered(&self, name: &str) -> bool {
        matches!(self.last(name), Some(Outcome::Answer(_)))
    }

    fn wakes(&self) -> usize {
        self.watches.values().map(|story| story.wakes).sum()
    }
}
