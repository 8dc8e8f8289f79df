//! What those who run the operator need: metrics, probes and logs, and what lets one of several processes work.

pub mod http;
pub mod lease;
pub mod poll_metrics;
pub mod resource_metrics;
pub mod telemetry;
