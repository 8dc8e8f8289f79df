//! The flags that name one cluster, the same for every command that asks about one.

use clap::Args;

use super::UsageError;
use crate::cloud::target::{ClusterId, ClusterType, ProjectId, Region, Target};

/// The variable from which Huawei's own SDKs take the project.
const SDK_PROJECT_ID: &str = "HUAWEICLOUD_SDK_PROJECT_ID";

/// Which cluster.
#[derive(Debug, Args)]
pub struct ClusterArgs {
    /// The region of the cluster, such as cn-north-4.
    #[arg(long, env = "CBW_REGION")]
    pub region: Region,

    /// The project of the cluster: 32 lower-case hex digits. Also from `HUAWEICLOUD_SDK_PROJECT_ID`.
    #[arg(long, env = "CBW_PROJECT_ID")]
    pub project_id: Option<ProjectId>,

    /// The cluster: a UUID.
    #[arg(long, env = "CBW_CLUSTER_ID")]
    pub cluster_id: ClusterId,

    /// Which of CCE's products the cluster is.
    #[arg(long, env = "CBW_CLUSTER_TYPE", value_enum, default_value_t, ignore_case = true)]
    pub cluster_type: ClusterType,
}

impl ClusterArgs {
    /// The cluster to ask about.
    pub fn target(&self) -> Result<Target, UsageError> {
        let project_id = match &self.project_id {
            Some(project) => project.clone(),
            None => sdk_project()?,
        };
        Ok(Target {
            region: self.region.clone(),
            project_id,
            cluster_id: self.cluster_id.clone(),
            cluster_type: self.cluster_type,
        })
    }
}

/// The project that the variable of Huawei's own SDKs names, for a command without `--project-id`.
pub(super) fn sdk_project() -> Result<ProjectId, UsageError> {
    match std::env::var(SDK_PROJECT_ID).ok().filter(|value| !value.trim().is_empty()) {
        Some(value) => ProjectId::parse(value.trim())
            .map_err(|error| UsageError::new(format!("{SDK_PROJECT_ID}: {error}"))),
        None => Err(UsageError::new(format!("give --project-id, or set {SDK_PROJECT_ID}"))),
    }
}
