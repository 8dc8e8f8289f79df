//! The client of the cloud over real TCP and TLS: faults, the operator's own identity, the way through a proxy, and how
//! Secrets are read.

mod captured_log;
mod faults;
mod operator_identity;
mod poll;
mod proxy;
mod secret_reading;
mod server;
