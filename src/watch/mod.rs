//! The controller.
pub mod plan;
