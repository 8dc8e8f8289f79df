//! Shell completions and man pages, made from the definition of the command line, so that neither can be out of date.

use std::ffi::OsStr;
use std::io;
use std::str::FromStr;

use clap::{CommandFactory, ValueEnum};
use clap_complete::aot;
use clap_mangen::Man;

use super::{Cli, PLUGIN};

/// The shells with completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// `source <(cce-backup-watch completion bash)`
    Bash,
    /// `cce-backup-watch completion zsh > "${fpath[1]}/_cce-backup-watch"`
    Zsh,
    /// `cce-backup-watch completion fish | source`
    Fish,
}

/// A command that has a page of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page(String);

impl FromStr for Page {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let cli = Cli::command();
        let mut names = cli.get_subcommands().map(clap::Command::get_name);
        if names.any(|name| name == text) {
            return Ok(Self(text.to_owned()));
        }
        let names: Vec<_> = cli.get_subcommands().map(clap::Command::get_name).collect();
        Err(format!("there are pages for {}", names.join(", ")))
    }
}

/// The completions for the name that the program was called by.
pub fn completion(shell: Shell, argv0: Option<&OsStr>) -> String {
    let is_plugin = Cli::called(argv0).get_bin_name().is_some();
    let name = if is_plugin { PLUGIN.to_owned() } else { Cli::command().get_name().to_owned() };
    match shell {
        Shell::Bash => bash(&name),
        Shell::Zsh => script(aot::Zsh, &name),
        Shell::Fish => script(aot::Fish, &name),
    }
}

/// Writes to memory first, because the generators panic if the reader of the output has gone.
fn script(shell: impl aot::Generator, name: &str) -> String {
    let mut script = Vec::new();
    aot::generate(shell, &mut Cli::command(), name, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// A script for bash in which a hyphen in the program's name makes the completions of its commands unreachable
/// (<https://github.com/clap-rs/clap/issues/6421>), so only the command that is completed has its real name.
fn bash(name: &str) -> String {
    let plain = name.replace('-', "_");
    script(aot::Bash, &plain).replace(&format!("-o default {plain}\n"), &format!("-o default {name}\n"))
}

/// The page of the program, or of one of its commands, in roff.
pub fn page(page: Option<&Page>) -> io::Result<String> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let command = match page {
        Some(Page(name)) => command.find_subcommand(name).cloned().unwrap_or(command),
        None => command,
    };
    let mut roff = Vec::new();
    Man::new(command).manual("cce-backup-watch").render(&mut roff)?;
    // The name that clap_mangen gives to what follows the options says nothing to a reader of man pages.
    Ok(String::from_utf8_lossy(&roff).replace(".SH EXTRA\n", ".SH NOTES\n"))
}
