//! What is checked in and generated is current; `make generate` writes it.

mod crd;
mod metrics;
mod reference;
