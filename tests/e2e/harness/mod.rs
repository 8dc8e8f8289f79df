//! What every end-to-end test uses and none of them tests: the control plane, the cloud and the operator, and ways to
//! disturb, wait for and count what happens between them. The cases stand beside this folder.

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
