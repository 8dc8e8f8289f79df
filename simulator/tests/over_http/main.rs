//! The simulator over real HTTP, asked by a client written by hand that shares no code with it.

mod admin;
mod binary;
mod cce;
mod client;
mod faults;
mod identity;
