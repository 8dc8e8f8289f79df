//! A Lease, held by this process for as long as it works: that of the leader among replicas, or that of a shard.
//!
//! [`election`] has the rules; this file carries them out with the API server. A standby watches the Lease, so it knows
//! at once when the Lease is given back or deleted. Every write carries the resourceVersion that it replaces, so only
//! one of two processes gets a Lease that both want. Each renewal opens the [`Fence`], which guards all other writes of
//! the process.

mod election;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt, pin_mut};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api, Client,
    api::PostParams,
    runtime::{WatchStreamExt, watcher::watch_object},
};
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
};

use crate::api::CONTROLLER;
use crate::kubernetes::{fence::Fence, told, told_of_watch, within};
use election::{DEADLINE, Election, Step};

pub use election::Claim;

/// How long one request may take, and not beyond the deadline.
const REQUEST: Duration = Duration::from_secs(4);
/// How long giving the Lease back may take.
const RELEASE: Duration = Duration::from_secs(1);

/// Why a Lease is no longer held.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Another process holds it, or no process does.
    #[error("the Lease {0} was lost: {1}")]
    Lost(String, String),
    /// It could not be renewed in time.
    #[error("the Lease {name} could not be renewed for {after:?}")]
    Expired {
        /// Its name.
        name: String,
        /// How long it was tried.
        after: Duration,
    },
    /// The task that keeps it ended.
    #[error("keeping the Lease {0} ended unexpectedly")]
    Ended(String),
}

/// The Lease of this process, once it gets it.
pub struct Tenure {
    name: String,
    held: watch::Receiver<bool>,
    stop: oneshot::Sender<()>,
    keeping: JoinHandle<Result<(), LeaseError>>,
}

impl Tenure {
    /// Begins to stand by for a Lease, and to keep it once it is held. The client must not be behind the fence, which
    /// only a renewal opens.
    pub fn seek(client: Client, namespace: &str, claim: Claim, fence: Arc<Fence>) -> Self {
        let Claim { name, identity, .. } = claim.clone();
        tracing::info!(namespace, name, identity, "standing by for the Lease");
        let (tells, held) = watch::channel(false);
        let (stop, stopped) = oneshot::channel();
        let keeper = Keeper {
            leases: Api::namespaced(client, namespace),
            // Each process is its own field manager, so that managedFields say which one wrote what.
            params: PostParams {
                field_manager: Some(format!("{CONTROLLER}-{identity}")),
                ..PostParams::default()
            },
            name: name.clone(),
            election: Election::new(claim, Instant::now()),
            fence,
            held: tells,
            failures: 0,
        };
        Self { name, held, stop, keeping: tokio::spawn(keeper.keep(stopped)) }
    }

    /// Waits until this process holds the Lease.
    pub fn held(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut held = self.held.clone();
        async move {
            if held.wait_for(|held| *held).await.is_err() {
                // The keeper ended before it held the Lease; `ended` returns why.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Waits until the Lease is no longer held, and says why.
    pub async fn ended(&mut self) -> LeaseError {
        match (&mut self.keeping).await {
            Ok(Err(error)) => error,
            Ok(Ok(())) | Err(_) => LeaseError::Ended(self.name.clone()),
        }
    }

    /// Gives the Lease back, so that a standby gets it at once. The wait is short, because an API server that is out of
    /// reach must not keep this process from ending.
    pub async fn release(self) {
        if self.keeping.is_finished() {
            return;
        }
        // This fails only if the keeper has ended in between, and then there is no Lease to give back.
        let _ = self.stop.send(());
        if tokio::time::timeout(RELEASE, self.keeping).await.is_err() {
            tracing::warn!(name = self.name, "cannot give the Lease back in time; it expires by itself");
        }
    }
}

/// Keeps the Lease, in a task of its own.
struct Keeper {
    leases: Api<Lease>,
    params: PostParams,
    name: String,
    election: Election,
    fence: Arc<Fence>,
    held: watch::Sender<bool>,
    failures: u32,
}

impl Keeper {
    /// Keeps the Lease until it is lost, or until it is to be given back.
    async fn keep(mut self, mut stopped: oneshot::Receiver<()>) -> Result<(), LeaseError> {
        let changes = watch_object(self.leases.clone(), &self.name).default_backoff();
        pin_mut!(changes);
        loop {
            let due = self.election.due();
            let due = async move {
                match due {
                    Some(due) => tokio::time::sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            let done = tokio::select! {
                // The result is ignored: the Lease is given back also if the sender was dropped without a message.
                _ = &mut stopped => {
                    self.fence.close();
                    self.release().await;
                    return Ok(());
                }
                change = changes.next() => {
                    match change {
                        Some(Ok(lease)) => self.election.told(lease, Instant::now()),
                        Some(Err(error)) => self.blind(&error),
                        None => return Err(LeaseError::Ended(self.name)),
                    }
                    Ok(())
                }
                () = due => self.act().await,
            };
            if let Err(error) = done {
                self.fence.close();
                return Err(error);
            }
        }
    }

    async fn act(&mut self) -> Result<(), LeaseError> {
        let begun = Instant::now();
        let is_news = !self.election.is_held();
        let step = self.election.step(begun, Timestamp::now());
        let limit = self.election.deadline().map_or(REQUEST, |deadline| REQUEST.min(deadline - begun));
        if step == Step::Expired {
            return Err(LeaseError::Expired { name: self.name.clone(), after: DEADLINE });
        }
        match self.carry_out(&step, limit).await {
            Ok(Some(lease)) => {
                self.fence.open(begun, DEADLINE);
                self.election.wrote(lease, begun);
                if is_news {
                    tracing::info!(name = self.name, "holds the Lease");
                    self.held.send_replace(true);
                } else if self.failures > 0 {
                    tracing::info!(name = self.name, "renewed the Lease after a failure");
                }
                self.failures = 0;
            }
            // The Lease has to be read, because the step says so or because the write met another version.
            Ok(None) => match within(limit, self.leases.get_opt(&self.name)).await {
                Ok(lease) => {
                    let holder = holder(lease.as_ref());
                    if !self.election.read(lease, Instant::now()) {
                        return Err(LeaseError::Lost(self.name.clone(), holder));
                    }
                    self.failures = 0;
                }
                Err(error) => self.failed(&error),
            },
            Err(error) => self.failed(&error),
        }
        Ok(())
    }

    /// The Lease as it was written; `None` where it has to be read first.
    async fn carry_out(&self, step: &Step, limit: Duration) -> Result<Option<Lease>, kube::Error> {
        let written = match step {
            Step::Create(lease) => within(limit, self.leases.create(&self.params, lease)).await,
            Step::Replace(lease) => within(limit, self.leases.replace(&self.name, &self.params, lease)).await,
            Step::Look | Step::Expired => return Ok(None),
        };
        match written {
            Ok(lease) => Ok(Some(lease)),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(None),
            // The Lease was deleted. A 404 for a creation means that the namespace is missing, which is a failure.
            Err(kube::Error::Api(status)) if status.code == 404 && matches!(step, Step::Replace(_)) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn release(&mut self) {
        match self.given_back().await {
            Ok(true) => tracing::info!(name = self.name, "gave the Lease back"),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(
                    name = self.name,
                    error = told(&error),
                    "cannot give the Lease back; it expires by itself"
                );
            }
        }
    }

    /// Gives the Lease back; false if this process does not hold it.
    async fn given_back(&mut self) -> Result<bool, kube::Error> {
        // A second try, because the first may have met a harmless change such as that of a label.
        for _ in 0..2 {
            let Some(step) = self.election.release(Timestamp::now()) else { return Ok(false) };
            if self.carry_out(&step, REQUEST).await?.is_some() {
                return Ok(true);
            }
            let lease = within(REQUEST, self.leases.get_opt(&self.name)).await?;
            if !self.election.read(lease, Instant::now()) {
                return Ok(false);
            }
        }
        Ok(false)
    }

    /// Logs one warning when requests begin to fail, and not one for each try.
    fn failed(&mut self, error: &kube::Error) {
        self.failures += 1;
        let error = told(error);
        if self.failures == 1 {
            tracing::warn!(name = self.name, error, "cannot use the Lease; it is tried again");
        } else {
            tracing::debug!(name = self.name, error, "still cannot use the Lease");
        }
        self.election.failed(Instant::now());
    }

    fn blind(&mut self, error: &kube::runtime::watcher::Error) {
        let error = told_of_watch(error);
        if self.election.went_blind(Instant::now()) {
            tracing::warn!(name = self.name, error, "cannot watch the Lease; it is read every few seconds");
        } else {
            tracing::debug!(name = self.name, error, "still cannot watch the Lease");
        }
    }
}

fn holder(lease: Option<&Lease>) -> String {
    let holder = lease.and_then(|lease| lease.spec.as_ref()?.holder_identity.as_deref());
    match holder {
        Some(holder) if !holder.is_empty() => format!("its holder is {holder}"),
        _ if lease.is_none() => "it was deleted".to_owned(),
        _ => "it has no holder".to_owned(),
    }
}
