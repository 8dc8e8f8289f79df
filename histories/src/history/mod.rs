//! Runs one script: a queue of future events, and the processes, cloud and API server that they happen to. No real I/O
//! and no real time: a history has one thread, one clock and one source of randomness, so that the same script makes
//! the same history, line for line.

mod acts;
mod api;
mod checks;
mod polls;
mod stream;
mod upgrades;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::hash::RandomState;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cce_backup_watch::poll::{FetchId, Fetched, WatchKey};
use fastrand::Rng;

use crate::{
    api_server::{Call, Store},
    cloud::Cloud,
    finding::{Finding, catching, nothing_panicked, promise},
    process::Process,
    promises::{
        load::{Load, Sent},
        told::Told,
    },
    script::{Script, Verb},
    time,
    trace::Trace,
};
use acts::Wrong;

/// The most events that a history may have before it counts as spinning. The busiest have some ten thousand.
const EVENTS: usize = 400_000;
/// How often the history checks that a blind watch says so.
const LOOK: Duration = Duration::from_secs(20);

/// An event of a history.
enum Event {
    /// An act of the script begins.
    Act(usize),
    /// An act of the script ends.
    End(usize),
    /// An upgrade takes a step.
    UpgradeStep { cluster: usize, act: usize, change: usize },
    /// A running backup takes a step.
    Step { cluster: usize, act: usize, step: u8 },
    /// A request arrives at the API server.
    Arrive { call: Call, sent_at: Duration },
    /// A reply of the API server reaches the process.
    Reply { process: u64, is_read: bool, deliver: Box<dyn FnOnce()> },
    /// A request arrives at the cloud.
    Asked { sent: Sent, id: FetchId, known: Option<u64> },
    /// An answer of the cloud, or a fault, reaches the process.
    Fetched { sent: Sent, id: FetchId, fetched: Box<Fetched> },
    /// A request for the upgrades of a cluster arrives at the cloud.
    ListAsked { sent: Sent, id: FetchId },
    /// The list, or a fault, reaches the process.
    Listed { sent: Sent, id: FetchId, listed: Box<upgrades::Listed> },
    /// A timer of a process is due.
    Wake(u64),
    /// The watch stream of a process delivers the changes that it has not delivered yet.
    Stream(u64),
    /// A process starts.
    Start,
    /// The history checks that blind watches say so.
    Look,
}

/// A task as a status shows it: its uid, phase and progress.
pub type Shown = (String, Option<String>, Option<u8>);

/// The result of a history.
#[derive(Clone, Debug)]
pub struct Ending {
    /// The broken promise, if one was.
    pub finding: Option<Finding>,
    /// The hash of the trace.
    pub hash: u64,
    /// How many events it had.
    pub events: usize,
    /// The tasks that each watch showed at the end.
    pub shown: BTreeMap<String, Vec<Shown>>,
}

/// A history that is running.
struct History {
    script: Script,
    rng: Rng,
    queue: BinaryHeap<Reverse<(Duration, u64)>>,
    events: HashMap<u64, Event>,
    count: u64,
    cloud: Cloud,
    store: Store,
    /// The access key that each Secret holds, and the one that the cloud accepts for each key of the script.
    held_keys: Vec<String>,
    cloud_keys: Vec<String>,
    /// The access key of each version of a Secret, by the id of the credential.
    credentials: HashMap<String, String>,
    calls: Arc<Mutex<Vec<Call>>>,
    processes: BTreeMap<u64, Process>,
    started: u64,
    wakes: HashMap<u64, Duration>,
    wrong: Wrong,
    /// For each account and key, whether nothing is ever wrong with it.
    healthy: Vec<Vec<bool>>,
    /// The same for each cluster, though others of its account may have faults of their own.
    healthy_clusters: Vec<Vec<bool>>,
    /// For each watch, since when its cluster gives it no answer.
    blind_since: Vec<Option<Duration>>,
    hasher: RandomState,
    load: Load,
    told: Told,
    trace: Trace,
}

/// Runs a script to its end, or to the first broken promise.
pub fn run(script: &Script, prints: bool) -> Ending {
    time::set(Duration::ZERO);
    let mut history = History::new(script.clone(), prints);
    let finding = catching(|| history.run()).err().map(|finding| *finding);
    let shown = history.store.watches.iter().map(|(key, stored)| {
        let tasks = stored.watch.status.iter().flat_map(|status| status.tasks.iter().flatten());
        let shown = tasks.map(|task| (task.uid.clone(), task.phase.clone(), task.progress)).collect();
        (key.to_string(), shown)
    });
    let shown = shown.collect();
    Ending {
        finding,
        hash: history.trace.hash(),
        events: usize::try_from(history.count).unwrap_or(usize::MAX),
        shown,
    }
}

impl History {
    fn new(script: Script, prints: bool) -> Self {
        let rng = Rng::with_seed(script.seed ^ 0x5eed);
        let keys = script.secrets.iter().map(|(_, key)| key + 1).max().unwrap_or_default();
        let cloud_keys: Vec<_> = (0..keys).map(|key| format!("ak{key}-0")).collect();
        let mut cloud = Cloud::new(&script.accounts, &script.clusters);
        cloud.keys.extend(cloud_keys.iter().cloned());
        let healthy = acts::healthy_accounts(&script);
        let healthy_clusters = acts::healthy_clusters(&script);
        Self {
            held_keys: script.secrets.iter().map(|(_, key)| cloud_keys[*key].clone()).collect(),
            blind_since: vec![None; script.watches.len()],
            cloud_keys,
            credentials: HashMap::new(),
            rng,
            queue: BinaryHeap::new(),
            events: HashMap::new(),
            count: 0,
            cloud,
            store: Store::default(),
            calls: Arc::default(),
            processes: BTreeMap::new(),
            started: 0,
            wakes: HashMap::new(),
            wrong: Wrong::default(),
            healthy,
            healthy_clusters,
            hasher: RandomState::new(),
            load: Load::default(),
            told: Told::default(),
            trace: Trace::new(prints),
            script,
        }
    }

    fn run(&mut self) -> Result<(), Box<Finding>> {
        for secret in 0..self.script.secrets.len() {
            self.put_secret(secret);
        }
        for watch in 0..self.script.watches.len() {
            self.create(watch);
        }
        for (n, (at, _)) in self.script.acts.clone().iter().enumerate() {
            self.at(*at, Event::Act(n));
        }
        self.at(Duration::ZERO, Event::Start);
        self.at(LOOK, Event::Look);
        while let Some(Reverse((at, n))) = self.queue.pop() {
            if at > self.script.end {
                break;
            }
            promise(self.count < EVENTS as u64, "nothing spins", || format!("{} events", self.count))?;
            time::set(at);
            if let Some(event) = self.events.remove(&n) {
                self.happen(event)?;
            }
        }
        time::set(self.script.end);
        self.check_end()
    }

    fn at(&mut self, at: Duration, event: Event) {
        self.count += 1;
        self.events.insert(self.count, event);
        self.queue.push(Reverse((at.max(time::now()), self.count)));
    }

    fn after(&mut self, wait: Duration, event: Event) {
        self.at(time::now() + wait, event);
    }

    /// A random latency for one message over the network.
    fn latency(&mut self) -> Duration {
        Duration::from_millis(self.rng.u64(1..20))
    }

    fn happen(&mut self, event: Event) -> Result<(), Box<Finding>> {
        // A frozen process takes part in nothing: its events wait until it thaws.
        let of = match &event {
            Event::Wake(process) | Event::Stream(process) | Event::Reply { process, .. } => Some(*process),
            Event::Fetched { sent, .. } | Event::Listed { sent, .. } => Some(sent.process),
            _ => None,
        };
        if let Some(process) = of {
            let Some(process) = self.processes.get(&process) else { return Ok(()) };
            if process.frozen_until > time::now() {
                self.at(process.frozen_until, event);
                return Ok(());
            }
        }
        match event {
            Event::Act(n) => self.begin(n),
            Event::End(n) => return self.end(n),
            Event::Step { cluster, act, step } => self.step_backup(cluster, act, step),
            Event::UpgradeStep { cluster, act, change } => self.step_upgrade(cluster, act, change),
            Event::Arrive { call, sent_at } => return self.arrive(call, sent_at),
            Event::Reply { process, is_read, deliver } => {
                self.load.asked(process, is_read);
                deliver();
                return self.step(process);
            }
            Event::Asked { sent, id, known } => self.asked(sent, id, known),
            Event::Fetched { sent, id, fetched } => return self.fetched(&sent, id, *fetched),
            Event::ListAsked { sent, id } => self.list_asked(sent, id),
            Event::Listed { sent, id, listed } => return self.listed(&sent, id, *listed),
            Event::Wake(process) => {
                if self.wakes.get(&process).is_some_and(|at| *at <= time::now()) {
                    self.wakes.remove(&process);
                    return self.step(process);
                }
            }
            Event::Stream(process) => {
                self.stream(process);
                return self.step(process);
            }
            Event::Start => self.start(),
            Event::Look => return self.look(),
        }
        Ok(())
    }

    /// Steps a process until it is idle, and schedules its requests and its next timer.
    fn step(&mut self, id: u64) -> Result<(), Box<Finding>> {
        let Some(process) = self.processes.get_mut(&id) else { return Ok(()) };
        let stepped = process.step();
        nothing_panicked()?;
        for key in stepped.reconciled {
            self.trace.note(time::now(), format_args!("process {id} reconciles {key}"));
            self.load.reconciled(id, &key)?;
        }
        let calls = std::mem::take(&mut *self.calls.lock().expect("one thread"));
        for call in calls {
            self.load.asks(id, call.request.verb() == Verb::Secret)?;
            let wait = self.latency() + self.wrong.slowness(call.request.verb());
            self.after(wait, Event::Arrive { call, sent_at: time::now() });
        }
        for request in stepped.requests {
            self.send(id, &request)?;
        }
        for request in stepped.lists {
            self.send_list(id, &request)?;
        }
        if self.wakes.get(&id).is_none_or(|at| *at > stepped.until) {
            self.wakes.insert(id, stepped.until);
            self.at(stepped.until, Event::Wake(id));
        }
        Ok(())
    }

    /// The key of a watch of the script.
    fn key(&self, watch: usize) -> WatchKey {
        format!("ns{}/w{watch}", self.script.watches[watch].secret).into()
    }
}
