//! The `spec`: which CCE cluster to watch, with which credentials, how often, and what counts as too old or stuck.
//!
//! Every limit stands in the schema ([`super::rule`] has those that need a message), so that the API server refuses bad
//! input. The operator still parses each value at its edge: a hand-edited CRD may let anything through.

// Each printcolumn has a type of its own; clippy takes them for one attribute.
#![allow(clippy::duplicated_attributes)]

use kube::{CustomResource, KubeSchema, core::Duration};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{duration, rule, status::ClusterBackupWatchStatus};

/// What to watch, and how.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "cce.backupwatch.io",
    version = "v1alpha1",
    kind = "ClusterBackupWatch",
    plural = "clusterbackupwatches",
    singular = "clusterbackupwatch",
    shortname = "cbw",
    category = "cce",
    namespaced,
    status = "ClusterBackupWatchStatus",
    derive = "PartialEq",
    doc = "ClusterBackupWatch reports the control-plane backups of one Huawei Cloud CCE cluster: whether one is running and how far it is, whether the last one succeeded, and whether it is too old.",
    selectable = ".spec.region",
    selectable = ".spec.projectID",
    selectable = ".spec.clusterID",
    selectable = ".status.phase",
    printcolumn(
        name = "Phase",
        type_ = "string",
        json_path = ".status.phase",
        description = "The phase of the newest backup, as the API reports it."
    ),
    printcolumn(
        name = "Progress",
        type_ = "integer",
        json_path = ".status.progress",
        description = "The progress of the newest backup in percent."
    ),
    printcolumn(
        name = "Healthy",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='BackupHealthy')].status",
        description = "Whether the backup is good."
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='BackupHealthy')].reason",
        description = "Why the backup is good or not."
    ),
    printcolumn(
        name = "Watch",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason",
        description = "Whether the watch works, as a reason: Polled, Suspended, or why it does not."
    ),
    printcolumn(
        name = "Last Success",
        type_ = "date",
        json_path = ".status.lastSuccess.time",
        description = "How long ago the newest successful backup was completed."
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "How long ago the resource was created."
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status",
        priority = 1,
        description = "Whether the watch works."
    ),
    printcolumn(
        name = "Cluster",
        type_ = "string",
        json_path = ".spec.clusterID",
        priority = 1,
        description = "The CCE cluster that is watched."
    ),
    printcolumn(
        name = "Display Name",
        type_ = "string",
        json_path = r".metadata.annotations.cce\.backupwatch\.io/display-name",
        priority = 1,
        description = "The name under which people know the cluster."
    ),
    printcolumn(
        name = "Upgrade",
        type_ = "string",
        json_path = ".status.upgrade.toVersion",
        priority = 1,
        description = "The target version of the newest upgrade, where upgrades are watched."
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::not_above("activeInterval", "1h", "interval", "10s"))]
pub struct ClusterBackupWatchSpec {
    /// The region of the CCE cluster, for example cn-north-4. Immutable. The operator turns it into the address of
    /// the API; a resource can never name a host.
    #[schemars(length(max = 63))]
    #[x_kube(validation = rule::immutable("region"), validation = rule::matches(
        "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        "region",
        "the id of a region, such as cn-north-4: lower-case letters, digits and inner hyphens",
    ))]
    pub region: String,

    /// The id of the Huawei Cloud project that the cluster belongs to: 32 lower-case hexadecimal digits. Immutable.
    #[serde(rename = "projectID")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = rule::immutable("projectID"), validation = rule::matches(
        "^[0-9a-f]{32}$",
        "projectID",
        "32 lower-case hexadecimal digits, such as 0123456789abcdef0123456789abcdef",
    ))]
    pub project_id: String,

    /// The id of the CCE cluster: a UUID in lower case. Immutable.
    #[serde(rename = "clusterID")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = rule::immutable("clusterID"), validation = rule::matches(
        "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
        "clusterID",
        "a UUID in lower case, such as 11111111-2222-3333-4444-555555555555",
    ))]
    pub cluster_id: String,

    /// The kind of the cluster: Standard or Autopilot. Immutable.
    #[serde(default)]
    #[x_kube(validation = rule::immutable("clusterType"))]
    pub cluster_type: ClusterType,

    /// Where the access key comes from. When omitted, the operator's own identity is used, where the operator allows
    /// it for this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,

    /// How often to poll while no backup runs, between 10s and 24h.
    #[serde(default = "default::interval", deserialize_with = "duration::required")]
    #[schemars(schema_with = "duration_schema", extend("default" = "5m"))]
    #[x_kube(validation = rule::duration("interval", "10s", "24h"))]
    pub interval: Duration,

    /// How often to poll while a backup runs, between 2s and 1h, and not above interval.
    #[serde(default = "default::active_interval", deserialize_with = "duration::required")]
    #[schemars(schema_with = "duration_schema", extend("default" = "10s"))]
    #[x_kube(validation = rule::duration("activeInterval", "2s", "1h"))]
    pub active_interval: Duration,

    /// A newest success older than this is stale, between 10s and 8784h. When omitted, a success never grows stale.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "duration::optional")]
    #[schemars(schema_with = "duration_schema")]
    #[x_kube(validation = rule::duration("maxAge", "10s", "8784h"))]
    pub max_age: Option<Duration>,

    /// An unfinished backup whose phase and progress did not change for this long is stuck, between 10s and 168h.
    #[serde(default = "default::stuck_after", deserialize_with = "duration::required")]
    #[schemars(schema_with = "duration_schema", extend("default" = "2h"))]
    #[x_kube(validation = rule::duration("stuckAfter", "10s", "168h"))]
    pub stuck_after: Duration,

    /// How many tasks the status keeps, from 1 to 50.
    #[serde(default = "default::history_limit")]
    #[schemars(range(min = 1, max = 50))]
    pub history_limit: i32,

    /// Whether the upgrades of the cluster are followed too: Ignore or Watch. With Watch the operator also lists the upgrade
    /// workflows of the cluster, and the UpgradeProtected condition says whether the upgrade that runs is protected by a
    /// backup.
    #[serde(default)]
    pub upgrades: Upgrades,

    /// Stops polling while true. The status stays as it is; the Ready condition says Suspended.
    #[serde(default)]
    pub suspend: bool,
}

/// Which of CCE's two products a cluster is; they differ in the path of their API.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
    clap::ValueEnum,
)]
#[value(rename_all = "verbatim")]
pub enum ClusterType {
    /// A CCE Standard or Turbo cluster.
    #[default]
    Standard,
    /// A CCE Autopilot cluster.
    Autopilot,
}

impl ClusterType {
    /// Its name, as in manifests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "Standard",
            Self::Autopilot => "Autopilot",
        }
    }

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Standard => Self::Autopilot,
            Self::Autopilot => Self::Standard,
        }
    }
}

/// Whether the upgrades of a cluster are followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Upgrades {
    /// No request is made for them.
    #[default]
    Ignore,
    /// The upgrade workflows are listed.
    Watch,
}

/// Where the access key of a watch comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// The Secret, in the namespace of the resource, that holds the keys accessKey, secretKey and, for temporary
    /// credentials, securityToken.
    pub secret_ref: SecretRef,
}

/// A reference to a Secret in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// The name of the Secret.
    #[schemars(length(max = 253))]
    #[x_kube(validation = rule::matches(
        r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
        "name",
        "the name of a Secret: lower-case letters, digits, and inner hyphens and dots",
    ))]
    pub name: String,
}

/// A duration as Go writes it. Bounded in length, so that the cost of its rule is known to the API server.
fn duration_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "maxLength": duration::MAX_BYTES })
}

/// The defaults, for objects that an API server with another CRD stored without them.
mod default {
    use super::Duration;

    const fn minutes(minutes: u64) -> std::time::Duration {
        std::time::Duration::from_secs(minutes * 60)
    }

    pub fn interval() -> Duration {
        minutes(5).into()
    }

    pub fn active_interval() -> Duration {
        std::time::Duration::from_secs(10).into()
    }

    pub fn stuck_after() -> Duration {
        minutes(120).into()
    }

    pub const fn history_limit() -> i32 {
        10
    }
}
