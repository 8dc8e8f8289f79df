//! What the tests on a real API server share: the control plane, the cloud, the operator and its pods, Prometheus, and
//! ways to disturb what happens between them, to wait for it and to count it.
//!
//! `tests/e2e`, `tests/gates`, `tests/chart`, `tests/monitoring`, `tests/shipped` and `bench` stand on it. Each test gets a
//! [`scene::Scene`]; [`trial::run`] runs them side by side, and lists them as ignored where there is no control plane. The cases of the testkit itself are in `tests/e2e/testkit_works.rs`.

pub mod api_proxy;
pub mod audit;
pub mod chart;
pub mod cluster;
pub mod control_plane;
pub mod image;
pub mod jobs;
pub mod markdown;
pub mod operator;
pub mod program;
pub mod prometheus;
pub mod rbac;
pub mod registry;
pub mod scene;
pub mod setup;
mod stalls;
pub mod tls;
pub mod trial;
pub mod wait;
