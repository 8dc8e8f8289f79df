//! The promises. Two kinds are checked at every step: the load on the cloud and the API server ([`load`]), and the
//! statuses and Events that are written ([`told`], [`upgrades`]). What the status must say once the trouble is over is checked at the
//! end ([`afterwards`]). No I/O: a broken promise is returned as a finding.

pub mod afterwards;
pub mod load;
pub mod told;
pub mod upgrades;
