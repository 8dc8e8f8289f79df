//! The commands that pages give, for bash to run as people do.

use std::{path::Path, process::Command};

pub use cbw_testkit::markdown::commands;
use cbw_testkit::{markdown::Document, program::tool};

/// The commands of one section that begin with any of these words, as one script. A section that has none would pass without
/// having been tried, so it fails.
pub fn script(page: &str, heading: &str, words: &[&str]) -> String {
    let mut sections = Document::read(page).sections.into_iter();
    let mut commands = sections.find(|section| section.heading == heading).expect(heading).commands();
    commands.retain(|command| words.iter().any(|words| command.starts_with(words)));
    assert!(!commands.is_empty(), "{page}, {heading}: no command begins with any of {words:?}");
    commands.join("\n")
}

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
