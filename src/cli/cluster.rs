//! The flags that name one cluster, the same for every command that asks about one.

use clap::{ArgMatches, Args, parser::ValueSource};

use super::{UsageError, watch::WatchName};
use crate::cloud::target::{ClusterId, ClusterType, ProjectId, Region, Target};

/// The variable from which Huawei's own SDKs take the project.
const SDK_PROJECT_ID: &str = "HUAWEICLOUD_SDK_PROJECT_ID";

/// Which cluster.
#[derive(Debug, Args)]
pub struct ClusterArgs {
    /// A watch, whose resource and Secret say which cluster and which key. They are read with the current kubeconfig.
    /// --credentials or --secret give another key.
    #[arg(id = WATCH, value_name = "[NAMESPACE/]WATCH")]
    pub watch: Option<WatchName>,

    /// The region of the cluster, such as cn-north-4.
    #[arg(long, env = "CBW_REGION", required_unless_present = WATCH)]
    pub region: Option<Region>,

    /// The project of the cluster: 32 lower-case hex digits. Also from `HUAWEICLOUD_SDK_PROJECT_ID`.
    #[arg(long, env = "CBW_PROJECT_ID")]
    pub project_id: Option<ProjectId>,

    /// The cluster: a UUID.
    #[arg(long, env = "CBW_CLUSTER_ID", required_unless_present = WATCH)]
    pub cluster_id: Option<ClusterId>,

    /// Which of CCE's products the cluster is.
    #[arg(long, env = "CBW_CLUSTER_TYPE", value_enum, default_value_t, ignore_case = true)]
    pub cluster_type: ClusterType,
}

/// Not `watch`, which is the id of the switch.
pub(super) const WATCH: &str = "watch_name";
/// The flags that a watch stands for.
pub(super) const STANDS_FOR: [&str; 4] = ["region", "project_id", "cluster_id", "cluster_type"];

impl ClusterArgs {
    /// The cluster that the flags name, for a command without a watch.
    pub fn target(&self) -> Result<Target, UsageError> {
        let (Some(region), Some(cluster_id)) = (&self.region, &self.cluster_id) else {
            return Err(UsageError::new("give --region and --cluster-id, or a watch"));
        };
        let project_id = match &self.project_id {
            Some(project) => project.clone(),
            None => sdk_project()?,
        };
        Ok(Target {
            region: region.clone(),
            project_id,
            cluster_id: cluster_id.clone(),
            cluster_type: self.cluster_type,
        })
    }
}

/// The flag beside a watch that names a cluster too, if there is one.
pub(super) fn beside_a_watch(matches: &ArgMatches) -> Option<&'static str> {
    let is_given = |id: &str| matches.try_get_raw(id).is_ok_and(|values| values.is_some());
    let is_typed = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    if is_given(WATCH) { STANDS_FOR.into_iter().find(|id| is_typed(id)) } else { None }
}

/// The project that the variable of Huawei's own SDKs names, for a command without `--project-id`.
pub(super) fn sdk_project() -> Result<ProjectId, UsageError> {
    match std::env::var(SDK_PROJECT_ID).ok().filter(|value| !value.trim().is_empty()) {
        Some(value) => ProjectId::parse(value.trim())
            .map_err(|error| UsageError::new(format!("{SDK_PROJECT_ID}: {error}"))),
        None => Err(UsageError::new(format!("give --project-id, or set {SDK_PROJECT_ID}"))),
    }
}
