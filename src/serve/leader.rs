//! Leader election by a Lease: of several replicas one works, the others stand by.
//!
//! It saves requests, not correctness: every status write carries the resourceVersion that was looked at, and every
//! Event a name of its own, so that two that work at the same time for a moment do no harm.

use std::time::Duration;

use kube::Client;
use kube_lease_manager::{DurationSeconds, LeaseManager, LeaseManagerBuilder, LeaseManagerError};
use tokio::{sync::watch::Receiver, task::JoinHandle};

use crate::api::CONTROLLER;

/// How long a Lease holds without being renewed, as in Kubernetes' own controllers.
const DURATION: DurationSeconds = 15;
/// How long before its end it is renewed.
const GRACE: DurationSeconds = 5;
/// How long giving it back may take.
const RELEASE: Duration = Duration::from_secs(1);

/// Why there is no Lease.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// The Lease cannot be read or created.
    #[error("cannot use the Lease {namespace}/{name}: {cause}")]
    Unusable {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// What the API server said.
        cause: LeaseManagerError,
    },
    /// The election itself ended.
    #[error("the leader election ended unexpectedly")]
    Ended,
}

/// The Lease, held by this process.
pub struct Leadership {
    leads: Receiver<bool>,
    election: JoinHandle<Result<LeaseManager, LeaseManagerError>>,
}

impl Leadership {
    /// Waits until this process holds the Lease.
    pub async fn acquire(
        client: Client,
        namespace: &str,
        name: &str,
        instance: &str,
    ) -> Result<Self, LeaseError> {
        // Two processes of one name, on one machine, must not take each other for themselves.
        let identity = format!("{instance}_{:016x}", fastrand::u64(..));
        tracing::info!(namespace, name, identity, "standing by for the Lease");
        let manager = LeaseManagerBuilder::new(client, name)
            .with_namespace(namespace)
            .with_identity(identity.clone())
            .with_duration(DURATION)
            .with_grace(GRACE)
            // Of its own for each process: a shared one would let one overwrite the Lease of another unnoticed.
            .with_field_manager(format!("{CONTROLLER}-{identity}"))
            .build()
            .await
            .map_err(|cause| LeaseError::Unusable {
                namespace: namespace.into(),
                name: name.into(),
                cause,
            })?;
        let (mut leads, election) = manager.watch().await;
        leads.wait_for(|leads| *leads).await.map_err(|_| LeaseError::Ended)?;
        Ok(Self { leads, election })
    }

    /// Waits until the Lease is another's.
    pub async fn lost(&self) {
        // An election that ended holds nothing either.
        let _ = self.leads.clone().wait_for(|leads| !*leads).await;
    }

    /// Gives the Lease back, so that one that starts next need not wait for its end. A standby that has seen the Lease
    /// held looks again only at the end that it saw, 15 s after the last renewal at most. An API server that is out of
    /// reach must not keep this process from ending.
    pub async fn release(self) {
        drop(self.leads);
        let Ok(election) = tokio::time::timeout(RELEASE, self.election).await else {
            tracing::warn!("cannot give the Lease back in time; it ends by itself");
            return;
        };
        match election {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "cannot give the Lease back; it ends by itself"),
            Err(error) => tracing::warn!(%error, "the leader election broke off"),
        }
    }
}
