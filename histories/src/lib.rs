//! Searches made-up histories of the operator for a broken promise: deterministic simulation.
//!
//! A history has the operator's own engine, plan and reconcile, and everything around them is made up: the time, the cloud,
//! the API server, the users, and the machine that kills the process. [`script`] says what happens, from a seed;
//! [`history`] runs it; [`promises`] are checked at every step; [`search`] runs many and shrinks what it finds.

pub mod api_server;
pub mod cloud;
pub mod finding;
pub mod history;
pub mod process;
pub mod promises;
pub mod script;
pub mod search;
pub mod time;
mod trace;
