//! cce-backup-watch.
