//! The chart, as a test names it: where it lies, and the values that it is tested with.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::program::ROOT;

/// The chart, from the root of the repository.
pub const CHART: &str = "charts/cce-backup-watch";

/// The files of values that the chart is tested with, by name.
pub fn values() -> Vec<(String, PathBuf)> {
    let folder = fs::read_dir(Path::new(ROOT).join(CHART).join("ci")).unwrap();
    let mut files: Vec<_> = folder.map(|entry| entry.unwrap()).collect();
    files.sort_by_key(fs::DirEntry::file_name);
    files.into_iter().map(|file| (file.file_name().into_string().unwrap(), file.path())).collect()
}
