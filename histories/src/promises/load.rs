//! Promises on load: how many requests the cloud gets for each endpoint, account and key, and how many reconciles and
//! requests to the API server there are for each watch.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use cce_backup_watch::cloud::fault::FaultKind;
use cce_backup_watch::controller::streams::RECONCILES as SLOTS;
use cce_backup_watch::poll::{Fetched, WatchKey, policy::READS};

use crate::{
    cloud::TIMEOUT,
    finding::{Finding, promise},
    process::CONCURRENCY,
    time,
};

/// A request to the cloud, by all that its load is counted by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sent {
    /// The process that sent it.
    pub process: u64,
    /// The region of its account.
    pub region: usize,
    /// Its account.
    pub account: usize,
    /// Its cluster.
    pub cluster: usize,
    /// The access key that signed it.
    pub key: String,
}

/// The most requests with a refused key in [`REST`]: the trial after the wait, and one that a person asked for.
const TRIALS: usize = 2;
/// The shortest wait of a refused key, which is also the time between two trials of a person, less a tenth of jitter.
const REST: Duration = Duration::from_secs(54);
/// The window in which reconciles and requests are counted.
const WINDOW: Duration = Duration::from_secs(10);
/// The most reconciles of a watch in a window besides one for each change of it that a stream told. New answers, a conflict and
/// the retries after it are a handful; a loop without a backoff makes hundreds. Changes are not the process's own doing: others
/// that run beside it write too.
const RECONCILES: usize = 16;
/// The most requests to the API server for a watch in a window, and once more for each change that a stream told, after which
/// the waits begin anew: five attempts, after waits of 1, 2 and 4 s and for a new answer, each with two reads, two statuses and
/// five Events.
const REQUESTS: usize = 45;

/// The counts so far, by process: a process knows nothing of the requests of another.
#[derive(Default)]
pub struct Load {
    endpoints: HashMap<(u64, usize), usize>,
    accounts: HashMap<(u64, usize), usize>,
    /// Requests for lists of upgrades in flight.
    lists: HashMap<u64, usize>,
    /// The token bucket of each account: how full it was, and when.
    buckets: HashMap<(u64, usize), (f64, Duration)>,
    /// Until when Retry-After shuts an account for a key.
    shut: HashMap<(u64, usize, String), Duration>,
    /// When each key that was refused was sent since, but for requests that were answered by a fault of something else.
    refused: HashMap<(u64, String), VecDeque<Duration>>,
    /// Requests to the API server in flight: reads of Secrets, and those of reconciles.
    asking: HashMap<u64, (usize, usize)>,
    reconciles: HashMap<(u64, WatchKey), VecDeque<Duration>>,
    told: HashMap<(u64, WatchKey), VecDeque<Duration>>,
    requests: HashMap<(u64, WatchKey), VecDeque<Duration>>,
}

impl Load {
    /// Counts a request that is sent `delay` after it was due. `is_healthy` says that nothing is ever wrong with its
    /// account, its key and the API server.
    pub fn sent(
        &mut self,
        sent: &Sent,
        (rate, burst): (f64, u32),
        delay: Duration,
        is_healthy: bool,
    ) -> Result<(), Box<Finding>> {
        let now = time::now();
        let endpoint = self.endpoints.entry((sent.process, sent.region)).or_default();
        *endpoint += 1;
        promise(*endpoint <= CONCURRENCY / 4, "an endpoint has its share in flight", || format!("{sent:?}"))?;
        let account = self.accounts.entry((sent.process, sent.account)).or_default();
        *account += 1;
        promise(*account <= CONCURRENCY / 8, "an account has its share in flight", || format!("{sent:?}"))?;

        self.takes_a_token(sent, (rate, burst))?;

        let shut =
            self.shut.get(&(sent.process, sent.account, sent.key.clone())).copied().unwrap_or_default();
        promise(now >= shut, "Retry-After is kept", || format!("{sent:?}, shut until {shut:?}"))?;

        if let Some(trials) = self.refused.get_mut(&(sent.process, sent.key.clone())) {
            let times = count(trials, REST);
            promise(times <= TRIALS, "a refused key rests", || format!("{sent:?}, sent at {trials:?}"))?;
        }
        promise(
            !is_healthy || delay <= TIMEOUT + Duration::from_secs(2),
            "a healthy account is late by one time-out at most",
            || format!("{sent:?} was due {delay:?} ago"),
        )
    }

    fn takes_a_token(&mut self, sent: &Sent, (rate, burst): (f64, u32)) -> Result<(), Box<Finding>> {
        let (now, burst) = (time::now(), f64::from(burst));
        let (level, since) = self.buckets.entry((sent.process, sent.account)).or_insert((burst, now));
        *level = (*level + rate * now.saturating_sub(*since).as_secs_f64()).min(burst) - 1.0;
        *since = now;
        promise(*level > -1.01, "an account is asked at its rate", || format!("{sent:?}"))
    }

    /// Counts a request for the upgrades of a cluster.
    pub fn listed(&mut self, sent: &Sent, rate: (f64, u32)) -> Result<(), Box<Finding>> {
        let lists = self.lists.entry(sent.process).or_default();
        *lists += 1;
        promise(*lists <= CONCURRENCY / 4, "lists of upgrades have their share in flight", || {
            format!("{sent:?}")
        })?;
        self.takes_a_token(sent, rate)
    }

    /// Counts the end of a request for upgrades. What it says of the key or the account counts for no poll.
    pub fn has_listed(&mut self, sent: &Sent) {
        *self.lists.entry(sent.process).or_default() -= 1;
    }

    /// Counts the end of a request, and remembers which keys were refused and which accounts asked for a pause.
    pub fn fetched(&mut self, sent: &Sent, fetched: &Fetched) {
        let now = time::now();
        *self.endpoints.entry((sent.process, sent.region)).or_default() -= 1;
        *self.accounts.entry((sent.process, sent.account)).or_default() -= 1;
        let key = (sent.process, sent.key.clone());
        // A trial that was answered by a fault of something else may be followed by another.
        if let Err(fault) = fetched
            && fault.kind != FaultKind::AuthenticationFailed
            && let Some(trials) = self.refused.get_mut(&key)
        {
            trials.pop_back();
        }
        match fetched {
            Err(fault) if fault.kind == FaultKind::AuthenticationFailed => {
                self.refused.entry(key).or_default();
            }
            Err(fault) if fault.kind == FaultKind::Throttled => {
                if let Some(after) = fault.retry_after {
                    self.shut.insert((sent.process, sent.account, sent.key.clone()), now + after);
                }
            }
            // A 403 or 404 proves that the signature was accepted.
            Err(fault) if matches!(fault.kind, FaultKind::PermissionDenied | FaultKind::ClusterNotFound) => {
                self.refused.remove(&key);
            }
            Err(_) => {}
            Ok(_) => {
                self.refused.remove(&key);
            }
        }
    }

    /// Counts the requests to the API server that a process has in flight.
    pub fn asks(&mut self, process: u64, is_read: bool) -> Result<(), Box<Finding>> {
        let (reads, others) = self.asking.entry(process).or_default();
        let (count, most) = if is_read { (reads, READS) } else { (others, usize::from(SLOTS)) };
        *count += 1;
        promise(*count <= most, "requests to the API server are bounded", || format!("{count} of {process}"))
    }

    /// A request to the API server ended.
    pub fn asked(&mut self, process: u64, is_read: bool) {
        let (reads, others) = self.asking.entry(process).or_default();
        *(if is_read { reads } else { others }) -= 1;
    }

    /// Counts a change of a watch that a stream told, and that is one to reconcile for.
    pub fn told(&mut self, process: u64, key: &WatchKey) {
        count(self.told.entry((process, key.clone())).or_default(), WINDOW);
    }

    /// Counts a reconcile of a watch.
    pub fn reconciled(&mut self, process: u64, key: &WatchKey) -> Result<(), Box<Finding>> {
        let of = (process, key.clone());
        let told = self.told.get_mut(&of).map_or(0, |told| recent(told, WINDOW));
        let times = count(self.reconciles.entry(of).or_default(), WINDOW);
        promise(times <= RECONCILES + told, "reconciles do not spin", || {
            format!("{key}: {times} in 10 s, {told} of them for changes")
        })
    }

    /// Counts a request to the API server about a watch.
    pub fn requested(&mut self, process: u64, key: &WatchKey) -> Result<(), Box<Finding>> {
        let of = (process, key.clone());
        let told = self.told.get_mut(&of).map_or(0, |told| recent(told, WINDOW));
        let times = count(self.requests.entry(of).or_default(), WINDOW);
        promise(times <= REQUESTS * (1 + told), "requests to the API server do not storm", || {
            format!("{key}: {times} in 10 s, after {told} changes")
        })
    }
}

/// Counts one more, and returns how many there were in the last `window`.
fn count(times: &mut VecDeque<Duration>, window: Duration) -> usize {
    times.push_back(time::now());
    recent(times, window)
}

/// How many there were in the last `window`; older ones are forgotten.
fn recent(times: &mut VecDeque<Duration>, window: Duration) -> usize {
    let now = time::now();
    while times.front().is_some_and(|first| *first + window < now) {
        times.pop_front();
    }
    times.len()
}
