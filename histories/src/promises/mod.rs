//! What is promised, checked at every step: how much is asked of the cloud and of the API server ([`load`]), what is written
//! and told ([`told`]), and what the status must say once the trouble is over ([`afterwards`]).

pub mod afterwards;
pub mod load;
pub mod told;
