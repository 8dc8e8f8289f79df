//! What the end-to-end tests share: the control plane, the cloud and the operator, and ways to disturb what happens
//! between them, to wait for it and to count it. The cases are beside this folder; those of the harness itself are in
//! `harness_works`.

pub mod api_proxy;
pub mod audit;
pub mod cluster;
pub mod control_plane;
pub mod fault_table;
pub mod operator;
pub mod polls;
pub mod rbac;
pub mod scene;
pub mod sharder;
pub mod trial;
pub mod twins;
pub mod wait;
