//! A cluster as the cloud lists it: what all steps of `discover` work on.

use crate::cloud::{clusters::Cluster, target::ProjectId};

/// A cluster and the project that lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedCluster {
    /// The project.
    pub project: ProjectId,
    /// The cluster.
    pub cluster: Cluster,
}

#[cfg(test)]
pub mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::cloud::target::{ClusterId, ClusterType};

    pub const PROJECT: &str = "0123456789abcdef0123456789abcdef";

    pub fn id(n: u32) -> ClusterId {
        ClusterId::parse(&format!("{n:08x}-2222-3333-4444-555555555555")).unwrap()
    }

    /// A Standard cluster with no fields but id and name.
    pub fn found(n: u32, name: &str) -> ListedCluster {
        ListedCluster {
            project: ProjectId::parse(PROJECT).unwrap(),
            cluster: Cluster {
                uid: id(n),
                cluster_type: ClusterType::Standard,
                name: Some(name.to_owned()),
                alias: None,
                version: None,
                phase: None,
                tags: BTreeMap::new(),
                creation_time: None,
            },
        }
    }
}
