//! The list of upgrades of a fetch, for the watches that want it. It rides along with the polls of tasks: an answer to one
//! shows that every gate is open, and whether a task appeared or ended. So it needs no gate, no queue and no timer of its own,
//! and it goes behind every poll: it is asked for where nobody of the account waits and a token is left. An account that
//! never has one to spare must not keep an upgrade unseen, so a list that has waited for a minute goes before the next poll.
//! The cost is that it is read at a poll, and never between two.
//!
//! No fault of it moves a gate or touches the outcome of a poll. It has a backoff of its own.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Instant;

use super::Engine;
use crate::cloud::{Answer, fault::Fault, upgrades::Workflow};
use crate::poll::{Effect, FetchId, Request, TenantId, policy};
use crate::upgrade::{self, Outcome};

impl Engine {
    /// A poll was answered: asks for the upgrades too where they are due.
    pub(super) fn follow_upgrades(
        &mut self,
        id: FetchId,
        answer: Option<&Arc<Answer>>,
        tenant: TenantId,
        now: Instant,
    ) {
        if self.cadence(id).upgrades.is_none() {
            self.fetches[id].upgrades = None;
            return;
        }
        let tasks = answer.map(|answer| self.config.hasher.hash_one(ends(answer)));
        let listing = self.fetches[id].upgrades.get_or_insert_default();
        if tasks.is_some() && listing.tasks != tasks {
            listing.tasks = tasks;
            // After a fault the backoff lasts all the same.
            listing.due = listing.due.filter(|_| listing.failures > 0);
        }
        if let Some(answer) = answer {
            listing.answer = listing.may_run().then(|| answer.clone());
        }
        let is_due = !listing.in_flight && listing.due.is_none_or(|due| due <= now); // mark: list due
        if is_due {
            let waits_since = *listing.waits_since.get_or_insert(now);
            let is_late = now >= waits_since + policy::UPGRADES_WAIT;
            self.list_upgrades(id, tenant, is_late, now);
        }
    }

    /// A watch joined, or has another spec: while an upgrade runs it is not to wait for the interval of another one.
    pub(super) fn hasten_list(&mut self, id: FetchId, now: Instant) {
        let interval = self.cadence(id).upgrades.unwrap_or(policy::UPGRADES_IDLE);
        if let Some(listing) = self.fetches[id].upgrades.as_mut().filter(|listing| listing.may_run()) {
            listing.due = listing.due.map(|due| due.min(now + interval.mul_f64(0.8)));
        }
    }

    fn list_upgrades(&mut self, id: FetchId, tenant: TenantId, is_late: bool, now: Instant) {
        let account = &mut self.accounts[self.tenants[tenant].account];
        let credential = self.sources[self.fetches[id].source].credential.as_ref();
        let Some((credential, _)) = credential else { return };
        let has_room = account.waiting.is_empty() && account.bucket.has_token(now);
        let may_go = has_room || is_late && account.bucket.may_owe(now);
        if !may_go || self.listing >= self.config.concurrency.div_ceil(4) {
            return;
        }
        account.bucket.take(now);
        self.sent += 1;
        self.listing += 1;
        let fetch = &mut self.fetches[id];
        let listing = fetch.upgrades.get_or_insert_default();
        (listing.in_flight, listing.waits_since) = (true, None);
        let request = Request {
            id,
            target: fetch.target.clone(),
            credential: credential.clone(),
            known: None,
            delay: std::time::Duration::ZERO,
            sharers: 0,
        };
        self.effects.push(Effect::ListUpgrades(request));
    }

    /// The list of upgrades was read, or not.
    pub fn upgrades_listed(&mut self, id: FetchId, listed: Result<Vec<Workflow>, Fault>, now: Instant) {
        self.listing -= 1;
        if !self.fetches.contains_key(id) {
            return;
        }
        let idle = self.jitter(policy::UPGRADES_IDLE);
        let interval = self.cadence(id).upgrades.unwrap_or(policy::UPGRADES_IDLE);
        let fetch = &mut self.fetches[id];
        let Some(listing) = &mut fetch.upgrades else { return };
        listing.in_flight = false;
        let (wait, outcome) = match listed {
            Ok(workflows) => {
                listing.failures = 0;
                let newest = upgrade::newest(&workflows).cloned();
                let runs = newest.as_ref().is_some_and(|newest| !upgrade::is_over(newest.phase.as_deref()));
                (if runs { interval } else { idle }, Outcome::Workflows(newest.into_iter().collect()))
            }
            Err(fault) => {
                listing.failures += 1;
                let backoff = policy::Wait { first: interval, longest: policy::UPGRADES_IDLE };
                let wait = backoff.after(listing.failures).max(fault.retry_after.unwrap_or_default());
                (wait, Outcome::Fault(fault.into()))
            }
        };
        // The next poll comes up to a tenth early by its jitter, and must not miss the list by that.
        listing.due = Some(now + wait.mul_f64(0.8));
        if listing.outcome.as_ref() != Some(&outcome) {
            listing.outcome = Some(outcome);
            self.woken.extend(fetch.watches.iter().cloned());
        }
        if !listing.may_run() {
            listing.answer = None;
        }
    }

    /// The newest outcome of listing the upgrades that a watch wants, and the answer to a poll by which it is to be judged;
    /// none while there is another outcome of a poll than the one that was handed out as `delivered`, or taken over last.
    pub fn upgrades(&self, key: &str, delivered: Option<u64>) -> Option<(Outcome, Option<Arc<Answer>>)> {
        let watch = self.watches.get(key).filter(|watch| watch.pending.is_none())?;
        watch.cadence.upgrades?;
        let fetch = &self.fetches[watch.fetch];
        let listing = fetch.upgrades.as_ref()?;
        (delivered.unwrap_or(watch.taken) == fetch.number).then_some(())?;
        Some((listing.outcome.clone()?, listing.answer.clone()))
    }
}

/// Which tasks there are, and which of them have ended, in an order that does not depend on that of the answer.
fn ends(answer: &Answer) -> Vec<(&str, bool)> {
    let ended = |phase: Option<&str>| matches!(phase, Some("Success" | "Failed"));
    let mut tasks: Vec<_> =
        answer.tasks.iter().map(|task| (task.uid.as_str(), ended(task.phase.as_deref()))).collect();
    tasks.sort_unstable();
    tasks
}
