//! What those who run the operator need: metrics, probes and logs.

pub mod http;
pub mod leader;
pub mod metrics;
pub mod resource_metrics;
pub mod telemetry;
