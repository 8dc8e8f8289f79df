//! What running the operator needs: metrics, probes, logs, and the Lease of a leader or a shard.

pub mod http;
pub mod lease;
pub mod poll_metrics;
pub mod resource_metrics;
pub mod telemetry;
