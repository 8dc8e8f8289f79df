//! A CCE endpoint for tests and demos: it checks every signature and plays scripted backups.
//!
//! [`Simulator`] lists snapshot tasks and upgrades, starts backups and lists clusters, Standard and Autopilot, as Huawei Cloud does:
//! the gateway's signature check, CCE's answers, and the errors of both. What it answers comes from a [`Scenario`],
//! from tasks or raw answers set by a test, or is a [`Fault`]. It also serves IAM and pod identity, which issue
//! temporary credentials (see [`Identity`]). The admin API sets tasks, answers and faults over HTTP.
//!
//! It shares no code with the operator, so that the tests do not repeat the operator's mistakes, and it is not part of
//! the operator's image.

pub mod backup;
pub mod cluster;
pub mod credential;
pub mod fault;
pub mod go_time;
pub mod identity;
mod outcome;
pub mod scenario;
mod server;
pub mod signature;
mod simulator;
mod state;
mod steering;
pub mod task;
mod uid;
pub mod upgrade;
mod writes;

pub use self::{
    backup::StartFault,
    cluster::{Cluster, Product},
    credential::Credential,
    fault::{Fault, FaultKind},
    identity::{Identity, IdentityCall, IdentityCounts},
    scenario::{ANY_CLUSTER, Scenario},
    simulator::{Config, Simulator, StartError},
    state::{Counts, State},
    task::{Item, Task},
    upgrade::{Workflow, WorkflowStep},
};
