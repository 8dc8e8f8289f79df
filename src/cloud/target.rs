//! Which cluster a call is about.
use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kind of a CCE cluster, which decides the path of its API.
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
    ValueEnum,
)]
pub enum ClusterType {
    /// A cluster with nodes of its own.
    #[default]
    Standard,
    /// A serverless cluster.
    Autopilot,
}
