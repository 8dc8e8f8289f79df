//! Recognizes a wrong `clusterType`: when a cluster is not found, the API of the other type is asked until it has said
//! whether it knows the cluster, so that the message can name the mistake.

use std::collections::HashMap;
use std::hash::RandomState;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::{
    client::Client,
    credentials::Credential,
    fault::{Fault, FaultKind},
    target::Target,
};
use crate::api::ClusterType;

/// The most clusters that are remembered; then all are forgotten, and each is asked about once more when its poll fails
/// again.
const CLUSTERS: usize = 10_000;

/// What the other API said of clusters that were not found, remembered for each key separately: a tenant must not learn
/// what only the key of another may see.
#[derive(Debug, Default)]
pub struct OtherTypes {
    said: Mutex<HashMap<(Target, u64), bool>>,
    hasher: RandomState,
}

impl OtherTypes {
    /// The fault of a poll, with the mistake in its message if the cluster is of the other type. It makes one request for
    /// each cluster and key, and another one only after a fault that may pass by itself; and none for any fault but
    /// [`FaultKind::ClusterNotFound`].
    pub async fn explain(
        &self,
        cloud: &Client,
        target: &Target,
        credential: &Credential,
        now: Timestamp,
        fault: Fault,
    ) -> Fault {
        if fault.kind != FaultKind::ClusterNotFound {
            return fault;
        }
        let key = (target.clone(), credential.fingerprint(&self.hasher));
        let known = self.all().get(&key).copied();
        let is_of_other_type = if let Some(known) = known {
            known
        } else {
            let other = Target { cluster_type: other(target.cluster_type), ..target.clone() };
            let answer = cloud.list_tasks(&other, credential, now).await;
            if answer.as_ref().is_err_and(|fault| !fault.kind.is_definite()) {
                return fault;
            }
            let mut all = self.all();
            if all.len() >= CLUSTERS {
                all.clear();
            }
            all.insert(key, answer.is_ok());
            answer.is_ok()
        };
        if is_of_other_type { Fault { message: message(target.cluster_type), ..fault } } else { fault }
    }

    /// Ignores poisoning: each change of the map is one call, so a panic elsewhere leaves it consistent.
    fn all(&self) -> MutexGuard<'_, HashMap<(Target, u64), bool>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn other(type_: ClusterType) -> ClusterType {
    match type_ {
        ClusterType::Standard => ClusterType::Autopilot,
        ClusterType::Autopilot => ClusterType::Standard,
    }
}

fn message(said: ClusterType) -> String {
    let (said, is) = (said.as_str(), other(said).as_str());
    format!(
        "the cluster is of the type {is}, and clusterType says {said}: set clusterType to {is}, which in a resource is \
         immutable: delete it and create it anew"
    )
}
