//! Caches one credential and renews it before it expires. Concurrent callers share one fetch, and a failed renewal
//! never discards a credential that still works.
//!
//! No I/O of its own: the time is passed in, and so is the fetch, a future that is polled only if this caller is the
//! one to fetch.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

use crate::cloud::{
    credentials::{Credential, CredentialId, ResolvedCredential},
    fault::{Fault, FaultKind},
};

/// How long before its expiry a credential is renewed, as in the SDK; at most half of the time that it has left.
const LEAD: SignedDuration = SignedDuration::from_mins(40);
/// The pause between two renewals while the old credential still works.
const RETRY: SignedDuration = SignedDuration::from_secs(60);
/// The pause between two fetches while no credential works: long enough that thousands of watches cost one request.
const PAUSE: SignedDuration = SignedDuration::from_secs(10);

/// A credential from its source; one that does not expire is never renewed.
pub(super) struct Fetched {
    pub credential: Credential,
    pub expires: Option<Timestamp>,
}

#[derive(Default)]
pub(super) struct Renewing {
    state: Mutex<State>,
    /// Held by the caller that fetches.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    /// The last failure, and when it was. For a while it is returned without another fetch.
    failed: Option<(Fault, Timestamp)>,
    /// How many different credentials there were: the number in the id of the newest.
    count: u64,
    /// The part of each id that tells the credentials of one IAM from those of another.
    place: String,
}

struct Held {
    current: ResolvedCredential,
    fetched: Timestamp,
    renew: Timestamp,
    end: Timestamp,
}

enum Look {
    Fresh(ResolvedCredential),
    /// Usable, and due for renewal.
    Aging(ResolvedCredential),
    Failed(Fault),
    Missing,
}

impl Renewing {
    /// For the credentials of one of several IAMs.
    pub fn at(iam: &str) -> Self {
        let state = State { place: format!("@{iam}"), ..State::default() };
        Self { state: Mutex::new(state), ..Self::default() }
    }

    pub async fn get(
        &self,
        now: Timestamp,
        fetch: impl Future<Output = Result<Fetched, Fault>>,
    ) -> Result<ResolvedCredential, Fault> {
        let mut turn = None;
        loop {
            // Checked again once this caller has the turn: another one may have renewed while it waited.
            match self.with(|state| state.look(now)) {
                Look::Fresh(current) => return Ok(current),
                Look::Failed(fault) => return Err(fault),
                Look::Aging(current) if turn.is_none() => match self.turn.try_lock() {
                    Ok(ours) => turn = Some(ours),
                    Err(_) => return Ok(current),
                },
                Look::Missing if turn.is_none() => turn = Some(self.turn.lock().await),
                Look::Aging(_) | Look::Missing => {
                    let fetched = fetch.await;
                    return self.with(|state| state.take(fetched, now));
                }
            }
        }
    }

    /// The cached credential while it is valid, and whether it is due for renewal.
    pub fn held(&self, now: Timestamp) -> Option<(ResolvedCredential, bool)> {
        match self.with(|state| state.look(now)) {
            Look::Fresh(current) => Some((current, false)),
            Look::Aging(current) => Some((current, true)),
            Look::Failed(_) | Look::Missing => None,
        }
    }

    /// A credential that the cloud refused is fetched anew, at the earliest a minute after it was fetched.
    pub fn refused(&self, identity: &CredentialId, now: Timestamp) {
        self.with(|state| {
            if let Some(held) = state.held.as_mut().filter(|held| held.current.id == *identity) {
                // The clock may have been set back since.
                let fetched = held.fetched.min(now);
                held.end = held.end.min(now.max(later(fetched, RETRY)));
            }
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        // Ignores poisoning: no change of the state panics half-way, so it is consistent.
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn look(&self, now: Timestamp) -> Look {
        match (&self.held, &self.failed) {
            (Some(held), _) if now < held.renew && now < held.end => Look::Fresh(held.current.clone()),
            (Some(held), _) if now < held.end => Look::Aging(held.current.clone()),
            // A failure of the future is from before the clock was set back.
            (_, Some((fault, at))) if *at <= now && now < later(*at, PAUSE) => Look::Failed(fault.clone()),
            _ => Look::Missing,
        }
    }

    fn take(&mut self, fetched: Result<Fetched, Fault>, now: Timestamp) -> Result<ResolvedCredential, Fault> {
        let expired = "the temporary credential has expired before its first use: check this host's clock";
        match fetched {
            Ok(fetched) if fetched.expires.is_some_and(|end| end <= now) => {
                self.keep(Fault::new(FaultKind::CloudUnavailable, expired), now)
            }
            Ok(fetched) => Ok(self.replace(fetched, now)),
            Err(fault) => self.keep(fault, now),
        }
    }

    fn replace(&mut self, fetched: Fetched, now: Timestamp) -> ResolvedCredential {
        let Fetched { credential, expires } = fetched;
        let identity = match &self.held {
            Some(held) if held.current.credential.same_as(&credential) => held.current.id.clone(),
            _ => {
                self.count += 1;
                CredentialId(format!("operator{}#{}", self.place, self.count))
            }
        };
        let end = expires.unwrap_or(Timestamp::MAX);
        let left = end.duration_since(now);
        let renew = later(now, RETRY.max(left - LEAD.min(left / 2)));
        tracing::info!(
            identity = identity.0,
            expires = expires.map(tracing::field::display),
            "took the operator's own credential"
        );
        self.failed = None;
        let current = ResolvedCredential { credential: Arc::new(credential), id: identity };
        self.held = Some(Held { current: current.clone(), fetched: now, renew, end });
        current
    }

    /// Records a failed fetch, and returns the old credential if it is still valid.
    fn keep(&mut self, fault: Fault, now: Timestamp) -> Result<ResolvedCredential, Fault> {
        // Logs each new failure once, not once per attempt.
        if self.failed.as_ref().is_none_or(|(known, _)| known.message != fault.message) {
            tracing::warn!(reason = %fault.kind, "cannot fetch the operator's own credential, will try again: {fault}");
        }
        self.failed = Some((fault.clone(), now));
        match &mut self.held {
            Some(held) if now < held.end => {
                held.renew = later(now, RETRY);
                Ok(held.current.clone())
            }
            _ => Err(fault),
        }
    }
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}

impl fmt::Debug for Renewing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewing").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
