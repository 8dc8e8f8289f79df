//! The names that a run makes up, and the folder of its files.

use std::{fs, path::PathBuf};

use crate::Result;

/// The access key that the cloud accepts.
pub const ACCESS_KEY: &str = "BENCHACCESSKEY000000";
/// Its secret key.
pub const SECRET_KEY: &str = "bench-secret-key";
/// The region of all watches.
pub const REGION: &str = "cn-north-4";

/// The folder for files of this run, beside the audit log.
pub fn folder() -> Result<PathBuf> {
    let audit_log = std::env::var_os("CBW_AUDIT_LOG").unwrap_or_default();
    let folder = PathBuf::from(audit_log).with_file_name("bench");
    fs::create_dir_all(&folder)?;
    Ok(folder)
}
