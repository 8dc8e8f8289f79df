//! The way of a fetch from its timer, by way of its credential, to the queue of its account.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Endpoint, Engine, LONGEST, Timer};
use crate::cloud::target::Target;
use crate::poll::{
    Source,
    account::Account,
    fetch::{Fetch, Pending, State},
    later,
    queue::Class,
    source::SourceState,
};

impl Engine {
    pub(super) fn fetch_of(&mut self, target: &Target, source: &Source, now: Instant) -> usize {
        let account = self.account_of(target, now);
        let source = self.source_of(source);
        let key = (account, source, target.cluster_id.clone(), target.cluster_type);
        if let Some(id) = self.by_key.get(&key) {
            return *id;
        }
        let (region, project_id) = self.accounts[account].name.clone();
        let target = Target { region, project_id, ..target.clone() };
        let id = self.fetches.insert(Fetch::new(target, account, source, now));
        self.by_key.insert(key, id);
        self.accounts[account].fetches += 1;
        self.sources[source].fetches.push(id);
        // The watch that joins brings it forward.
        self.set_timer(id, later(now, Duration::MAX), now);
        id
    }

    pub(super) fn account_of(&mut self, target: &Target, now: Instant) -> usize {
        let name = (target.region.clone(), target.project_id.clone());
        if let Some(id) = self.by_account.get(&name) {
            return *id;
        }
        let base = self.config.endpoints.cce(&target.region);
        let endpoint = if let Some(id) = self.by_endpoint.get(&base) {
            *id
        } else {
            let id = self.endpoints.insert(Endpoint { base: base.clone(), ..Endpoint::default() });
            self.by_endpoint.insert(base, id);
            id
        };
        let id = self.accounts.insert(Account::new(endpoint, name.clone(), self.config.limit, now));
        self.by_account.insert(name, id);
        id
    }

    pub(super) fn source_of(&mut self, source: &Source) -> usize {
        if let Some(id) = self.by_source.get(source) {
            return *id;
        }
        let source = Arc::new(source.clone());
        let id = self.sources.insert(SourceState::new(source.clone()));
        self.by_source.insert(source, id);
        id
    }

    /// The poll of a fetch is due: it waits for a credential, takes over the fault of its source, or is queued.
    pub(super) fn advance(&mut self, id: usize, now: Instant) {
        let forced = self.forced(id);
        let fetch = &mut self.fetches[id];
        if let State::Idle(due) = fetch.state {
            self.timers.remove(&(due, Timer::Fetch(id)));
            fetch.due_since = due.min(now);
        }
        let source = &mut self.sources[fetch.source];
        if source.reading.is_some() || source.is_old(forced, now) {
            fetch.state = State::Resolving;
            let source_id = fetch.source;
            self.read(source_id, now);
        } else if let Some(held) = source.fault.clone() {
            // The source is read again by its own timer.
            fetch.state = State::Resolving;
            self.take_over(id, &held, forced.is_some(), now);
            let wait = if held.fault.kind.is_definite() { LONGEST } else { self.retry_after(id) };
            self.set_timer(id, later(now, wait), now);
        } else {
            self.enqueue(id);
        }
    }

    pub(super) fn enqueue(&mut self, id: usize) {
        let fetch = &mut self.fetches[id];
        let class =
            fetch.watches.iter().filter_map(|key| self.watches.get(key)).map(|watch| match watch.pending {
                Some(Pending { forced: true, .. }) => Class::Requested,
                _ if watch.cadence.running => Class::Running,
                Some(Pending { first: true, .. }) => Class::First,
                _ => Class::Idle,
            });
        let class = class.max().unwrap_or(Class::Idle);
        let account = &mut self.accounts[fetch.account];
        if account.queue.is_empty() {
            self.endpoints[account.endpoint].ring.push_back(fetch.account);
        }
        let place = account.queue.enter(class, id);
        fetch.state = State::Queued(place);
    }

    pub(super) fn leave_queue(&mut self, id: usize) {
        let fetch = &mut self.fetches[id];
        let State::Queued(place) = fetch.state else { return };
        let account = &mut self.accounts[fetch.account];
        account.queue.leave(place, id);
        if account.queue.is_empty() {
            self.endpoints[account.endpoint].ring.retain(|served| *served != fetch.account);
        }
        fetch.state = State::Resolving;
    }
}
