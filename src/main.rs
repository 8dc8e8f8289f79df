//! The command `cce-backup-watch`.
fn main() {}
