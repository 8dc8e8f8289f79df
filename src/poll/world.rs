//! The I/O of the engine's loop: requests to the cloud, and reads of credentials. When they are made, and what follows
//! from their results, is left to [`super::engine`].

use std::hash::RandomState;

use jiff::Timestamp;
use kube::Client as KubeClient;

use super::{Fetched, Request, Resolution, Source};
use crate::cloud::{
    client::{Client, News},
    credentials::{OperatorIdentities, secret},
    fault::{Fault, FaultKind},
    target::Region,
    upgrades::Workflow,
};
use crate::kubernetes::{ApiServer, told};
use crate::serve::metrics::Metrics;

/// The outside world, as a trait so that simulations and tests can make it up.
pub trait World: Send + Sync + 'static {
    /// Sends one request. `now` dates its signature.
    fn fetch(&self, request: &Request, now: Timestamp) -> impl Future<Output = Fetched> + Send;
    /// Lists the upgrades of one cluster; where nobody plays any, there are none.
    fn upgrades(
        &self,
        _request: &Request,
        _now: Timestamp,
    ) -> impl Future<Output = Result<Vec<Workflow>, Fault>> + Send {
        std::future::ready(Ok(Vec::new()))
    }
    /// Reads one credential.
    fn resolve(&self, source: &Source, now: Timestamp) -> impl Future<Output = Resolution> + Send;
}

/// The real world.
pub struct Outside {
    /// Huawei Cloud.
    pub cloud: Client,
    /// Kubernetes, for Secrets.
    pub kube: KubeClient,
    /// The operator's own identity in each region.
    pub identities: OperatorIdentities,
    /// Hashes bodies; the same as the engine's.
    pub hasher: RandomState,
    /// Where requests are counted.
    pub metrics: Metrics,
}

impl World for Outside {
    async fn fetch(&self, request: &Request, now: Timestamp) -> Fetched {
        self.metrics.poll_delay.observe(request.delay.as_secs_f64());
        self.metrics.shared_fetches.inc_by(request.sharers as u64);
        let Request { target, credential, known, .. } = request;
        let timer = self.metrics.request();
        let fetched =
            self.cloud.list_new_tasks(target, &credential.credential, now, *known, &self.hasher).await;
        timer.ended(fetched.as_ref().err());
        match &fetched {
            // An unchanged answer is not decoded, so this line is not logged at every poll.
            Ok(News::Answer(answer, _)) if answer.left_out > 0 => {
                let (region, cluster) = (&target.region, &target.cluster_id);
                tracing::warn!(%region, %cluster, left_out = answer.left_out, "tasks without a usable uid are left out");
            }
            // A temporary credential may have been revoked: only the source that issued it acts on this.
            Err(fault) if fault.kind == FaultKind::AuthenticationFailed => {
                self.identities.refused(&credential.id, now);
            }
            _ => {}
        }
        fetched
    }

    async fn upgrades(&self, request: &Request, now: Timestamp) -> Result<Vec<Workflow>, Fault> {
        let Request { target, credential, .. } = request;
        let timer = self.metrics.request();
        let listed = self.cloud.list_upgrades(target, &credential.credential, now).await;
        timer.ended(listed.as_ref().err());
        listed
    }

    async fn resolve(&self, source: &Source, now: Timestamp) -> Resolution {
        match source {
            Source::Secret { namespace, name } => read_secret(&self.kube, namespace, name).await,
            Source::Operator(region) => self.own(region, now).await,
        }
    }
}

impl Outside {
    /// The operator's own credential. A valid one is returned at once, and renewed in the background when it is aging.
    async fn own(&self, region: &Region, now: Timestamp) -> Resolution {
        let identity = self.identities.of(region);
        let read = match identity.held(now) {
            Some((current, is_aging)) => {
                if is_aging {
                    // The source keeps the result for the next read, and makes one renewal at a time.
                    tokio::spawn(async move { identity.credential(now).await });
                }
                Ok(current)
            }
            None => identity.credential(now).await,
        };
        read.map_or_else(Resolution::Missing, Resolution::Resolved)
    }
}

/// What a Secret of the operator's cluster holds; read with `get` alone, never with a list or a watch.
pub async fn read_secret(api_server: &impl ApiServer, namespace: &str, name: &str) -> Resolution {
    let not_found = |message: String| Fault::new(FaultKind::SecretNotFound, message);
    match api_server.secret(namespace, name).await {
        Ok(secret) => secret::credential(secret).map_or_else(Resolution::Missing, Resolution::Resolved),
        Err(kube::Error::Api(status)) if status.code == 404 => Resolution::Missing(not_found(format!(
            "the namespace {namespace} has no Secret named \"{name}\": create it with the keys accessKey and secretKey, or correct \
             spec.credentials.secretRef.name"
        ))),
        Err(kube::Error::Api(status)) if status.code == 403 => Resolution::Doubtful(not_found(format!(
            "the operator may not read the Secret \"{name}\": allow its service account to get it (the chart's value \
             rbac.secretNames limits what it may read)"
        ))),
        Err(error) => {
            tracing::debug!(
                namespace,
                name,
                error = told(&error),
                "the API server did not hand out a Secret; it is asked again"
            );
            let said = "the API server does not hand out the Secret: check its health";
            Resolution::Missing(Fault::new(FaultKind::CloudUnavailable, said))
        }
    }
}
