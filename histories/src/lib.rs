//! Deterministic simulation: searches generated histories of the operator for a broken promise.
//!
//! A history runs the operator's real engine, plan and reconcile; everything around them is simulated: the time, the
//! cloud, the API server, the users, and the machine that kills the process. [`script`] generates what happens from a
//! seed, [`history`] runs it, [`promises`] are checked at every step, and [`search`] runs many histories and shrinks
//! the first that breaks a promise.

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
