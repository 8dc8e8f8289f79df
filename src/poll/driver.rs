//! The loop that drives the engine: it has the clock, carries out the engine's effects on a [`World`] as tasks, feeds
//! their results back, and wakes watches. All decisions are made in [`super::engine`].

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use futures::FutureExt;
use jiff::Timestamp;
use tokio::{sync::Notify, task::JoinSet};

use super::{
    Delivery, Demand, Effect, FetchId, Fetched, Resolution, Settled, SourceId, WatchKey,
    engine::{Config, Engine, Snapshot},
    world::World,
};
use crate::clock::Clock;
use crate::cloud::{
    Answer,
    fault::{Fault, FaultKind},
    upgrades::Workflow,
};
use crate::upgrade;

/// The loop turns at least this often.
const IDLE: Duration = Duration::from_secs(5);

/// A handle on the engine. Cheap to clone.
#[derive(Clone)]
pub struct Poller(Arc<Shared>);

struct Shared {
    engine: Mutex<Engine>,
    changed: Notify,
    clock: Clock,
    start: Instant,
    /// When the loop last turned, in milliseconds since the start.
    turned: AtomicU64,
}

/// What there is to do after one turn of the loop.
pub struct Turn {
    /// What to do; the result of each effect goes to [`Poller::done`].
    pub effects: Vec<Effect>,
    /// The watches that have an outcome to take over.
    pub woken: Vec<WatchKey>,
    /// When to turn again at the latest.
    pub until: Instant,
}

/// The result of an effect.
pub enum Done {
    /// Of [`Effect::Fetch`].
    Fetched(FetchId, Fetched),
    /// Of [`Effect::ListUpgrades`].
    Listed(FetchId, Result<Vec<Workflow>, Fault>),
    /// Of [`Effect::Resolve`].
    Resolved(SourceId, Resolution),
}

impl Poller {
    /// An engine whose loop does not run yet.
    pub fn new(config: Config, clock: Clock) -> Self {
        let start = clock.instant();
        let engine = Mutex::new(Engine::new(config, start));
        Self(Arc::new(Shared { engine, changed: Notify::new(), clock, start, turned: AtomicU64::new(0) }))
    }

    /// [`Engine::demand`]
    pub fn demand(&self, key: &WatchKey, demand: &Demand) -> Option<Delivery> {
        self.change(|engine, now| engine.demand(key, demand, now))
    }

    /// [`Engine::settle`]
    pub fn settle(&self, key: &WatchKey, settled: &Settled) {
        self.change(|engine, now| engine.settle(key, settled, now));
    }

    /// [`Engine::ask_anew`]
    pub fn ask_anew(&self, key: &str, rests: bool) {
        self.change(|engine, now| engine.ask_anew(key, rests, now));
    }

    /// [`Engine::jitter`]
    pub fn jitter(&self, wait: Duration) -> Duration {
        self.engine().jitter(wait)
    }

    /// [`Engine::forget`]
    pub fn forget(&self, key: &str) {
        self.engine().forget(key);
    }

    /// [`Engine::retain`]
    pub fn retain(&self, keep: impl Fn(&str) -> bool) {
        self.engine().retain(keep);
    }

    /// [`Engine::upgrades`]
    pub fn upgrades(
        &self,
        key: &str,
        delivered: Option<u64>,
    ) -> Option<(upgrade::Outcome, Option<Arc<Answer>>)> {
        self.engine().upgrades(key, delivered)
    }

    /// [`Engine::last_answers`]
    pub fn last_answers(&self) -> Vec<(WatchKey, Timestamp)> {
        self.engine().last_answers()
    }

    /// [`Engine::snapshot`]
    pub fn snapshot(&self) -> Snapshot {
        self.engine().snapshot(self.0.clock.instant())
    }

    /// How long ago the loop last turned.
    pub fn silence(&self) -> Duration {
        let turned = Duration::from_millis(self.0.turned.load(Ordering::Relaxed));
        (self.0.clock.instant() - self.0.start).saturating_sub(turned)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Engine, Instant) -> T) -> T {
        let result = change(&mut self.engine(), self.0.clock.instant());
        self.0.changed.notify_one();
        result
    }

    fn engine(&self) -> MutexGuard<'_, Engine> {
        // A panic during a change may leave the state inconsistent: the loop panics too, which ends the process.
        self.0.engine.lock().expect("the engine is whole")
    }

    /// Polls for ever; `wake` is called with each watch that has an outcome to take over.
    pub async fn run(&self, world: Arc<impl World>, wake: impl Fn(WatchKey)) {
        let mut tasks = JoinSet::new();
        loop {
            let turn = self.turn();
            for effect in turn.effects {
                tasks.spawn(carry_out(world.clone(), effect, self.0.clock));
            }
            turn.woken.into_iter().for_each(&wake);
            tokio::select! {
                Some(done) = tasks.join_next() => {
                    // `carry_out` catches panics, and no task is cancelled.
                    self.done(done.expect("an effect is carried out"));
                    while let Some(done) = tasks.try_join_next() {
                        self.done(done.expect("an effect is carried out"));
                    }
                }
                () = self.0.changed.notified() => {}
                () = tokio::time::sleep_until(turn.until.into()) => {}
            }
        }
    }

    /// One turn of the loop.
    pub fn turn(&self) -> Turn {
        let now = self.0.clock.instant();
        let since_start = u64::try_from(now.duration_since(self.0.start).as_millis()).unwrap_or(u64::MAX);
        self.0.turned.store(since_start, Ordering::Relaxed);
        let mut engine = self.engine();
        let (effects, woken, deadline) = (engine.next(now), engine.woken(), engine.deadline(now));
        let until = deadline.map_or(now + IDLE, |deadline| deadline.min(now + IDLE));
        Turn { effects, woken, until }
    }

    /// Takes the result of an effect.
    pub fn done(&self, done: Done) {
        let (now, wall) = (self.0.clock.instant(), self.0.clock.now());
        let mut engine = self.engine();
        match done {
            Done::Fetched(id, fetched) => engine.fetched(id, fetched, now, wall),
            Done::Listed(id, listed) => engine.upgrades_listed(id, listed, now),
            Done::Resolved(id, resolution) => engine.resolved(id, resolution, now),
        }
    }
}

/// Carries out one effect. A panic is caught, so that it fails this one poll alone.
async fn carry_out(world: Arc<impl World>, effect: Effect, clock: Clock) -> Done {
    let now = clock.now();
    let bug = || Fault::new(FaultKind::InvalidResponse, "the operator failed at this answer: report it");
    match effect {
        Effect::Fetch(request) => {
            let fetched = AssertUnwindSafe(world.fetch(&request, now)).catch_unwind().await;
            Done::Fetched(request.id, fetched.unwrap_or_else(|_| Err(bug())))
        }
        Effect::ListUpgrades(request) => {
            let listed = AssertUnwindSafe(world.upgrades(&request, now)).catch_unwind().await;
            Done::Listed(request.id, listed.unwrap_or_else(|_| Err(bug())))
        }
        Effect::Resolve { id, source } => {
            let resolved = AssertUnwindSafe(world.resolve(&source, now)).catch_unwind().await;
            Done::Resolved(id, resolved.unwrap_or_else(|_| Resolution::Missing(bug())))
        }
    }
}
