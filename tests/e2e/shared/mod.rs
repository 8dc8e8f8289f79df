//! What several cases share and nothing but the end-to-end tests needs. What runs servers and programs is in `testkit`.

pub mod fault_table;
pub mod fleet;
pub mod pod_identity;
pub mod polls;
pub mod sharder;
pub mod twins;
