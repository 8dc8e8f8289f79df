//! The command `cce-simulator`.
fn main() {}
