//! cce-backup-watch.

pub mod cloud;
