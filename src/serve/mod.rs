//! What running the operator needs: metrics, probes and logs.

pub mod connections;
pub mod exposition;
pub mod http;
pub mod listen;
pub mod logs;
pub mod metrics;
pub mod panics;
pub mod poll_metrics;
pub mod resource_metrics;
mod stderr;
