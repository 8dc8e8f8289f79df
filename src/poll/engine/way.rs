//! The way of a fetch that is due: past its credential, its key and its account, to the queue of its key. The first that is
//! closed stops it; then the fetch takes over the fault, and no request is sent.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::{Engine, FetchId};
use crate::cloud::target::Target;
use crate::poll::{
    AccountId, Source, SourceId, TenantId,
    account::{Account, Bucket, Endpoint, Tenant, Turn},
    credential_source::SourceState,
    fetch::{Fetch, GateId, Pending, State},
    gate::{Admission, Gate},
    policy,
    queue::{Class, Place},
};

impl Engine {
    /// The fetch of a cluster and a source, made where there is none. Who joins it makes it due.
    pub(super) fn fetch_of(&mut self, target: &Target, source: &Source, now: Instant) -> FetchId {
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
        id
    }

    fn account_of(&mut self, target: &Target, now: Instant) -> AccountId {
        let name = (target.region.clone(), target.project_id.clone());
        *self.by_account.entry(name).or_insert_with_key(|name| {
            let base = self.config.endpoints.cce(&target.region);
            let endpoint = *self.by_endpoint.entry(base).or_insert_with_key(|base| {
                self.endpoints.insert(Endpoint { base: base.clone(), ..Endpoint::default() })
            });
            self.accounts.insert(Account {
                endpoint,
                name: name.clone(),
                fetches: 0,
                turn: Turn::default(),
                waiting: BTreeSet::new(),
                bucket: Bucket::new(self.config.limit, now),
            })
        })
    }

    fn source_of(&mut self, source: &Source) -> SourceId {
        let source = Arc::new(source.clone());
        let new = |source: &Arc<Source>| self.sources.insert(SourceState::new(source.clone()));
        *self.by_source.entry(source).or_insert_with_key(new)
    }

    /// The key of a fetch in its account; none while there is no credential.
    fn tenant_of(&mut self, id: FetchId) -> Option<TenantId> {
        let fetch = &self.fetches[id];
        let key = self.sources[fetch.source].key()?;
        let account = fetch.account;
        let tenants = &mut self.tenants;
        let place = (account, key); // mark: tenant
        let tenant = self.by_tenant.entry(place).or_insert_with(|| {
            let (gate, turn, queue) = (Gate::default(), Turn::default(), BTreeSet::new());
            tenants.insert(Tenant { account, key, gate, turn, queue })
        });
        self.keys.entry(key).or_default();
        Some(*tenant)
    }

    /// The poll of a fetch is due.
    pub(super) fn advance(&mut self, id: FetchId, now: Instant) {
        self.cancel_timer(id);
        self.leave_queue(id);
        let requested = self.requested(id);
        let fetch = &mut self.fetches[id];
        if let State::Idle(due) = fetch.state {
            fetch.due_since = due.min(now);
        }
        fetch.blocked = None;
        if fetch.unanswered_since.is_none() {
            fetch.unanswered_since = Some(fetch.due_since);
            self.set_blind_timer(id, now); // mark: clock
        }
        let source = self.fetches[id].source;
        let trial_at = self.key_of(source).and_then(|key| key.gate.closed()).map(|closed| closed.until);
        if self.sources[source].is_old(requested, trial_at, now) {
            self.fetches[id].state = State::Reading;
            self.read(source);
            return;
        }
        self.fetches[id].tenant = self.tenant_of(id);
        // The trial of a credential is a read, and that has been made, also for a person.
        let is_closed = |(of, gate): &(GateId, &Gate)| match of {
            GateId::Credential(_) => gate.closed().is_some(),
            _ => gate.admits(requested.is_some(), now) == Admission::Closed,
        };
        let closed = self.gates(id).find(is_closed);
        match closed.map(|(gate, _)| gate) {
            Some(gate) => self.block(id, gate, now),
            None => self.enqueue(id),
        }
    }

    /// The gates that a fetch passes, in order.
    fn gates(&self, id: FetchId) -> impl Iterator<Item = (GateId, &Gate)> {
        let fetch = &self.fetches[id];
        let credential = (GateId::Credential(fetch.source), &self.sources[fetch.source].gate);
        let key = self.key_of(fetch.source);
        let key =
            key.zip(fetch.tenant).map(|(key, tenant)| (GateId::Key(self.tenants[tenant].key), &key.gate));
        let account = fetch.tenant.map(|tenant| (GateId::Account(tenant), &self.tenants[tenant].gate));
        [Some(credential), key, account].into_iter().flatten()
    }

    /// A fetch takes over the fault of a closed gate, and comes back when that may let a trial pass.
    fn block(&mut self, id: FetchId, gate: GateId, now: Instant) {
        let found = self.gates(id).find(|(of, _)| *of == gate);
        let Some((closed, protects)) =
            found.and_then(|(_, gate)| Some((gate.closed()?.clone(), gate.protects(now))))
        else {
            return;
        };
        // Only a person is asked anew for: that request, if the gate will let it pass, waits for the end of the trial that is
        // under way. Whoever else waits is told; a watch that joins would hear nothing until the next trial.
        let answers = |pending: &Pending| !pending.requested || protects || pending.since <= closed.sent_at;
        self.take_over(id, &closed.fault, answers, now);
        let mut due = if now < closed.until { closed.until } else { now + policy::TRIAL_CHECK };
        if matches!(gate, GateId::Key(_)) {
            due = self.sources[self.fetches[id].source].reread_at.map_or(due, |at| due.min(at));
        }
        self.fetches[id].blocked = Some(gate);
        let due = self.within(due.max(now), policy::SPACING);
        self.set_timer(id, due, now);
    }

    /// A gate has opened: the fetches that it blocked are let go, not all at once.
    pub(super) fn release(&mut self, gate: GateId, now: Instant) {
        let is_blocked = |fetch: &Fetch| fetch.blocked == Some(gate) && matches!(fetch.state, State::Idle(_));
        let blocked: Vec<_> =
            self.fetches.iter().filter(|(_, fetch)| is_blocked(fetch)).map(|(id, _)| id).collect();
        let count = u32::try_from(blocked.len()).unwrap_or(u32::MAX);
        let spread = policy::RELEASE.saturating_mul(count).min(policy::RELEASE_LONGEST);
        for id in blocked {
            let due = self.within(now, spread);
            self.set_timer(id, due, now);
        }
    }

    fn enqueue(&mut self, id: FetchId) {
        let fetch = &self.fetches[id];
        let Some(tenant) = fetch.tenant else { return };
        let class = if self.requested(id).is_some() {
            Class::Requested
        } else if self.cadence(id).running {
            Class::Running
        } else if self.pending(id).any(|pending| pending.first) {
            Class::First
        } else {
            Class::Idle
        };
        let (due, account) = (fetch.due_since, fetch.account);
        let place = Place::new(class, due, id);
        self.tenants[tenant].queue.insert(place);
        self.fetches[id].state = State::Queued(place);
        let account_state = &mut self.accounts[account];
        account_state.waiting.insert(tenant);
        self.endpoints[account_state.endpoint].waiting.insert(account);
    }

    /// Takes a fetch out of its queue, if it is in one.
    pub(super) fn leave_queue(&mut self, id: FetchId) {
        let fetch = &mut self.fetches[id];
        let (State::Queued(place), Some(tenant)) = (fetch.state, fetch.tenant) else { return };
        fetch.state = State::Reading;
        let account = &mut self.accounts[fetch.account];
        self.tenants[tenant].queue.remove(&place);
        if self.tenants[tenant].queue.is_empty() {
            account.waiting.remove(&tenant);
            if account.waiting.is_empty() {
                self.endpoints[account.endpoint].waiting.remove(&fetch.account);
            }
        }
    }
}
