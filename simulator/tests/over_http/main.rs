//! The simulator over real HTTP, asked by a client written by hand that shares no code with it.

mod admin;
mod backups;
mod binary;
mod cce;
mod client;
mod clusters;
mod faults;
mod identity;
mod upgrades;
