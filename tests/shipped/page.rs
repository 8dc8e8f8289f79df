//! The commands that pages give, for bash to run as people do.

// The tests of the pages read more of them.
#[allow(dead_code)]
#[path = "../docs/markdown.rs"]
mod markdown;

use std::{path::Path, process::Command};

use cbw_testkit::program::tool;
pub use markdown::commands;

/// bash in a folder, with these pinned tools before all others. It takes the script as its next argument, and ends with the
/// first command that fails.
pub fn bash(tools: &[&str], folder: &Path) -> Command {
    let mut path: Vec<_> = tools.iter().map(|name| tool(name).parent().unwrap().to_owned()).collect();
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
    let mut bash = Command::new("bash");
    bash.current_dir(folder)
        .env("PATH", std::env::join_paths(path).unwrap())
        .args(["-e", "-o", "pipefail", "-c"]);
    bash
}
