//! What those who run the operator need: metrics, probes and logs.

pub mod http;
pub mod leader;
pub mod poll_metrics;
pub mod resource_metrics;
pub mod telemetry;
