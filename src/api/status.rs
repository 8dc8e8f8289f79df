//! The `status`: what the operator saw of the cluster's backups, and the verdicts on it.

// The comments become the text of `kubectl explain`, which knows no backticks.
#![allow(clippy::doc_markdown)]

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// What the operator saw of the cluster's backups.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterBackupWatchStatus {
    /// The generation of the spec that this status answers; -1 while nothing was reconciled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = -1))]
    pub observed_generation: Option<i64>,

    /// The phase of the newest backup, exactly as the API reports it. Success alone means that it is good.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub phase: Option<String>,

    /// The progress of the newest backup in percent; absent when the API gives none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "percent_schema")]
    pub progress: Option<u8>,

    /// The time of the latest backup as the API states it; for information only, no verdict uses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub latest_backup_time: Option<Timestamp>,

    /// The newest successful backup ever seen. It stays when the API no longer lists the task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_success: Option<SuccessRecord>,

    /// The newest failed backup ever seen. It stays when the API no longer lists the task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<FailureRecord>,

    /// The tasks, newest first by creation time, at most historyLimit. Absent until the first good answer of the API.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 50))]
    pub tasks: Option<Vec<TaskStatus>>,

    /// The newest upgrade of the cluster; absent when there is none, or when spec.upgrades is Ignore.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upgrade: Option<Box<UpgradeStatus>>,

    /// The value of the annotation cce.backupwatch.io/requestedAt that was handled last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub last_handled_reconcile_at: Option<String>,

    /// The verdicts. Ready says whether the watch works, BackupHealthy whether the backup is good; Reconciling and
    /// Stalled are present only while they are true. With upgrades set to Watch, UpgradeProtected says whether the upgrade
    /// that runs is protected by a backup.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
}

/// A successful backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SuccessRecord {
    /// The id of the task.
    #[schemars(length(min = 1, max = 128))]
    pub uid: String,
    /// When it was completed; absent when the API gives no readable time, or while that is in the future.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub time: Option<Timestamp>,
}

/// A failed backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailureRecord {
    /// The id of the task.
    #[schemars(length(min = 1, max = 128))]
    pub uid: String,
    /// When it ended; absent when the API gives no readable time, or while that is in the future.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub time: Option<Timestamp>,
    /// What the failing items of the task say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub message: Option<String>,
}

/// One snapshot task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskStatus {
    /// The id of the task.
    #[schemars(length(min = 1, max = 128))]
    pub uid: String,
    /// The phase exactly as reported; a task without one is unfinished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub phase: Option<String>,
    /// The progress in percent; absent when the API gives none that is 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "percent_schema")]
    pub progress: Option<u8>,
    /// When the task was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub creation_time: Option<Timestamp>,
    /// When the task last changed, as the API states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub update_time: Option<Timestamp>,
    /// When the task was completed, as the API states it; it may be set on a running task and proves nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub completion_time: Option<Timestamp>,
    /// When the phase or the progress last changed, as this operator saw it; when the task was first seen, its own
    /// updateTime where that is earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub progress_time: Option<Timestamp>,
    /// The parts of the task.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub items: Vec<ItemStatus>,
}

/// One part of a snapshot task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ItemStatus {
    /// The id of the part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub id: Option<String>,
    /// What is done: master-backup, or master-backup-rollback, which is no backup and counts for no verdict.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub type_: Option<String>,
    /// The state of the part, such as Init, Queuing, Running, Pause, Success or Failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub status: Option<String>,
    /// When the part was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub creation_time: Option<Timestamp>,
    /// When the part last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub update_time: Option<Timestamp>,
    /// What the API says of the part, cleaned and cut to 256 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub message: Option<String>,
}

/// One upgrade of the cluster, which the API calls a workflow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpgradeStatus {
    /// The id of the upgrade workflow.
    #[schemars(length(min = 1, max = 128))]
    pub uid: String,
    /// The version before the upgrade.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub from_version: Option<String>,
    /// The version to which the cluster is upgraded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub to_version: Option<String>,
    /// The phase exactly as reported: Init, Running, Pending (a step failed, and a person must act), Success or Cancel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub phase: Option<String>,
    /// The newest step that is under way or failed: Snapshot, PreCheck, Cluster (the upgrade itself), PostCheck or
    /// Rollback. A Rollback stays when it has succeeded; of other steps nothing is kept then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub step: Option<String>,
    /// The state of that step, such as Queuing, Running or Failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub step_phase: Option<String>,
    /// When the upgrade was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub start_time: Option<Timestamp>,
    /// The id of the snapshot task that the step Snapshot names.
    #[serde(rename = "snapshotUID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub snapshot_uid: Option<String>,
    /// When the result of the step PreCheck expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub precheck_expiry_time: Option<Timestamp>,
}

fn time_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "date-time" })
}

fn percent_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "format": "int32", "minimum": 0, "maximum": 100 })
}
