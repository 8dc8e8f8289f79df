//! What the engine's loop does outside: requests to the cloud, and reads of credentials.

use std::hash::RandomState;

use jiff::Timestamp;
use kube::Client as KubeClient;

use super::{Fetched, Request, Resolution, Source, secret};
use crate::cloud::{
    client::{Client, News},
    fault::FaultKind,
    other_type::OtherTypes,
    source::OperatorIdentities,
    target::Region,
};
use crate::metrics::Metrics;

/// The outside of the engine.
pub trait World: Send + Sync + 'static {
    /// Sends one request. `now` dates its signature.
    fn fetch(&self, request: &Request, now: Timestamp) -> impl Future<Output = Fetched> + Send;
    /// Reads one credential.
    fn resolve(&self, source: &Source, now: Timestamp) -> impl Future<Output = Resolution> + Send;
}

/// The real one.
pub struct Outside {
    /// Huawei Cloud.
    pub cloud: Client,
    /// Kubernetes, for Secrets.
    pub kube: KubeClient,
    /// The operator's own identity in each region.
    pub identities: OperatorIdentities,
    /// Clusters whose `clusterType` was looked into.
    pub types: OtherTypes,
    /// Hashes bodies; the engine's own.
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
        let news = self.cloud.list_new_tasks(target, &credential.credential, now, *known, &self.hasher).await;
        timer.ended(news.as_ref().err());
        match news {
            Ok(News::Unchanged) => Fetched::Unchanged,
            Ok(News::Answer(answer, hash)) => {
                // Told when an answer changes, and not at every poll.
                if answer.left_out > 0 {
                    let (region, cluster) = (&target.region, &target.cluster_id);
                    tracing::warn!(%region, %cluster, left_out = answer.left_out, "tasks without a usable uid are left out");
                }
                Fetched::Answer(answer, hash)
            }
            Err(fault) => {
                if fault.kind == FaultKind::AuthenticationFailed {
                    // Heard only by the source that handed this credential out: a temporary one may have been revoked.
                    self.identities.refused(&credential.id, now);
                }
                // One request besides the account's rate, once for a cluster that is not found.
                let credential = &credential.credential;
                Fetched::Fault(self.types.explain(&self.cloud, target, credential, now, fault).await)
            }
        }
    }

    async fn resolve(&self, source: &Source, now: Timestamp) -> Resolution {
        match source {
            Source::Secret { namespace, name } => secret::resolve(&self.kube, namespace, name).await,
            Source::Operator(region) => self.own(region, now).await,
        }
    }
}

impl Outside {
    /// The operator's own credential. Nobody waits for a renewal while the old one works.
    async fn own(&self, region: &Region, now: Timestamp) -> Resolution {
        let identity = self.identities.of(region);
        let read = match identity.held(now) {
            Some((current, is_aging)) => {
                if is_aging {
                    // What it brings is held for the next time; one renewal at a time is made.
                    tokio::spawn(async move { identity.credential(now).await });
                }
                Ok(current)
            }
            None => identity.credential(now).await,
        };
        read.map_or_else(Resolution::Missing, Resolution::Resolved)
    }
}
