//! A wrong `clusterType`: when a cluster is not found, the API of the other type is asked whether it knows the cluster, so
//! that the message can name the mistake. Pure; the requests are left to whoever polls.

use super::fault::{Fault, FaultKind};
use crate::api::ClusterType;

/// What is known of a cluster that is not found: whether it is one of the other type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Look {
    /// Nothing.
    #[default]
    Unknown,
    /// The next request asks the other API.
    Next,
    /// The other API has said.
    Is(bool),
}

impl Look {
    /// What the answer of the other API says. After a fault that may pass by itself, it is asked again.
    pub fn learned(answer: Result<(), &Fault>) -> Self {
        match answer {
            Ok(()) => Self::Is(true),
            Err(fault) if fault.kind.is_definite() => Self::Is(false),
            Err(_) => Self::Unknown,
        }
    }

    /// The message that names the mistake, for a fault of a poll; none where there is no such mistake.
    pub fn message(self, fault: &Fault, said: ClusterType) -> Option<String> {
        if self != Self::Is(true) || fault.kind != FaultKind::ClusterNotFound {
            return None;
        }
        let (said, is) = (said.as_str(), said.other().as_str());
        Some(format!(
            "the cluster is of the type {is}, and clusterType says {said}: set clusterType to {is}, which in a resource is \
             immutable: delete it and create it anew"
        ))
    }
}
