//! One fetch per cluster: watches that name the same cluster with the same credential share what one of them fetched.
//!
//! Each caller says how old an answer it accepts. Who comes while a fetch is under way waits for it instead of making
//! another (single flight). The identity of the credential is part of the key, so one tenant never reads what another's
//! credential fetched. A refused credential is kept from the cloud by [`super::standing`], the account's rate by
//! [`super::rate`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use jiff::Timestamp;

use super::{
    Answer,
    credential::{Credential, CredentialId},
    fault::{Fault, FaultKind},
    rate::{Budget, Limit},
    standing::{Entry, Standing},
    target::Target,
};

/// How long a poll waits for the fetch of another before it is sent away.
const JOINING: Duration = Duration::from_secs(1);

/// The one call to the cloud; behind a trait so that sharing is tested without one.
pub trait TasksApi: Send + Sync {
    /// Asks for the snapshot tasks of a cluster.
    fn list_tasks<'a>(
        &'a self,
        target: &'a Target,
        credential: &'a Credential,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Answer, Fault>>;
}

/// What a fetch brought, to be shared.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The answer, or why there is none.
    pub result: Result<Arc<Answer>, Arc<Fault>>,
    /// When the request left: the answer is at least as new.
    pub at: Instant,
}

/// What a caller got.
#[derive(Clone, Debug)]
pub enum Fetched {
    /// What a fetch brought: its own, or where `shared` that of another.
    Outcome {
        /// What it brought.
        outcome: Outcome,
        /// Whether it cost no request.
        shared: bool,
    },
    /// Nothing yet: come back after this time.
    Later(Duration),
}

/// What a caller wants.
#[derive(Clone, Copy, Debug)]
pub struct Want<'a> {
    /// Who asks; keeps its place in the account's queue.
    pub who: &'a str,
    /// The oldest answer that will do.
    pub not_before: Instant,
    /// Whether it goes before idle polls.
    pub urgent: bool,
    /// Whether a person asked: past every backoff.
    pub asked: bool,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    target: Target,
    identity: CredentialId,
}

/// What the watches of one cluster with one credential share. It lives as long as one of them holds it.
pub struct Shared {
    target: Target,
    budget: Arc<Mutex<Budget>>,
    standing: Arc<Mutex<Standing>>,
    last: tokio::sync::Mutex<Option<Held>>,
}

struct Held {
    outcome: Outcome,
    /// How long a fault is taken over instead of asking again, and how many in a row there were.
    until: Instant,
    refusals: u32,
}

/// Hands out what is shared.
pub struct Sharing {
    api: Arc<dyn TasksApi>,
    limit: Limit,
    shared: Mutex<HashMap<Key, Weak<Shared>>>,
    standings: Mutex<HashMap<CredentialId, Weak<Mutex<Standing>>>>,
    /// By account. Kept longer than a watch: a new watch must not find a full budget that others have just used up.
    budgets: Mutex<HashMap<String, Arc<Mutex<Budget>>>>,
}

impl Sharing {
    /// Shares the answers of `api`, each account within `limit`.
    pub fn new(api: Arc<dyn TasksApi>, limit: Limit) -> Self {
        Self { api, limit, shared: Mutex::default(), standings: Mutex::default(), budgets: Mutex::default() }
    }

    /// What is shared by the watches of `target` with the credential `identity`.
    pub fn of(&self, target: &Target, identity: &CredentialId) -> Arc<Shared> {
        let key = Key { target: target.clone(), identity: identity.clone() };
        intern(&self.shared, key, || Shared {
            budget: self.budget(target.account()),
            standing: intern(&self.standings, identity.clone(), Mutex::default),
            target: target.clone(),
            last: tokio::sync::Mutex::new(None),
        })
    }

    fn budget(&self, account: String) -> Arc<Mutex<Budget>> {
        let now = Instant::now();
        let mut budgets = lock(&self.budgets);
        if budgets.len() == budgets.capacity() {
            budgets.retain(|_, budget| Arc::strong_count(budget) > 1 || !lock(budget).is_full(now));
        }
        budgets.entry(account).or_insert_with(|| Arc::new(Mutex::new(Budget::new(self.limit, now)))).clone()
    }

    /// The tasks of the cluster, no older than wanted.
    pub async fn fetch(&self, shared: &Shared, credential: &Credential, want: Want<'_>) -> Fetched {
        // Many watches of one cluster that does not answer must not hold all the places in which others are worked on.
        let turn = if want.asked { Duration::MAX } else { JOINING };
        let Ok(mut last) = tokio::time::timeout(turn, shared.last.lock()).await else {
            return Fetched::Later(JOINING);
        };
        if let Some(outcome) = last.as_ref().and_then(|held| held.serves(&want)) {
            lock(&shared.budget).leave(want.who);
            return Fetched::Outcome { outcome, shared: true };
        }
        match lock(&shared.standing).enter(Instant::now(), want.asked) {
            Entry::Granted => {}
            Entry::Refused(outcome) => {
                lock(&shared.budget).leave(want.who);
                return Fetched::Outcome { outcome, shared: true };
            }
            Entry::Later(delay) => return Fetched::Later(delay),
        }
        // From here on the standing waits for a verdict; a caller that is dropped half-way must not leave it waiting.
        let mut visit = Visit { standing: &shared.standing, outcome: None };
        if let Err(wait) = lock(&shared.budget).take(want.who, want.urgent, Instant::now()) {
            return Fetched::Later(wait);
        }
        let at = Instant::now();
        let result = self.api.list_tasks(&shared.target, credential, Timestamp::now()).await;
        let outcome = Outcome { result: result.map(Arc::new).map_err(Arc::new), at };
        visit.outcome = Some(outcome.clone());
        tell_left_out(&shared.target, last.as_ref().map(|held| &held.outcome), &outcome);
        let refusals = last.as_ref().map_or(0, |held| held.refusals);
        *last = Some(Held::new(outcome.clone(), refusals));
        Fetched::Outcome { outcome, shared: false }
    }
}

/// Tells once, not at every poll, that an answer holds what cannot be a task.
fn tell_left_out(target: &Target, before: Option<&Outcome>, now: &Outcome) {
    let left_out = |outcome: &Outcome| outcome.result.as_ref().map_or(0, |answer| answer.left_out);
    let count = left_out(now);
    if count > 0 && before.map(left_out) != Some(count) {
        let (region, cluster) = (&target.region, &target.cluster_id);
        tracing::warn!(%region, %cluster, left_out = count, "tasks without a usable uid are left out");
    }
}

impl Held {
    fn new(outcome: Outcome, refusals_before: u32) -> Self {
        let (hold, refusals) = match outcome.result.as_ref().err() {
            Some(fault) if fault.kind == FaultKind::PermissionDenied => {
                (super::standing::backoff(refusals_before + 1), refusals_before + 1)
            }
            Some(fault) => (fault.retry_after.unwrap_or_default(), 0),
            None => (Duration::ZERO, 0),
        };
        Self { until: outcome.at + hold, refusals, outcome }
    }

    fn serves(&self, want: &Want<'_>) -> Option<Outcome> {
        let held = !want.asked && Instant::now() < self.until;
        (held || self.outcome.at >= want.not_before).then(|| self.outcome.clone())
    }
}

/// A request under way, which tells the credential's standing how it ended, even when it is dropped.
struct Visit<'a> {
    standing: &'a Mutex<Standing>,
    outcome: Option<Outcome>,
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        lock(self.standing).left(self.outcome.as_ref());
    }
}

/// The value of a key as long as someone holds it; values that nobody holds are dropped on the way.
fn intern<K: std::hash::Hash + Eq, V>(
    map: &Mutex<HashMap<K, Weak<V>>>,
    key: K,
    make: impl FnOnce() -> V,
) -> Arc<V> {
    let mut map = lock(map);
    if let Some(value) = map.get(&key).and_then(Weak::upgrade) {
        return value;
    }
    if map.len() == map.capacity() {
        map.retain(|_, value| value.strong_count() > 0);
    }
    let value = Arc::new(make());
    map.insert(key, Arc::downgrade(&value));
    value
}

/// A panic elsewhere leaves these maps whole: each change of them is one call.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
