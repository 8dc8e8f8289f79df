//! How a program is started that is measured.

use std::fmt;
use std::process::{Output, Stdio};

use tokio::process;

use crate::Result;

/// How an operator is started: a program and its first arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command(Vec<String>);

impl std::str::FromStr for Command {
    type Err = &'static str;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        let words: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
        if words.is_empty() { Err("names no program") } else { Ok(Self(words)) }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

impl Command {
    /// Runs the program with more arguments until it ends, and returns its output.
    pub async fn run(&self, arguments: &[&str]) -> Result<Output> {
        Ok(self
            .with(arguments)
            .stdin(Stdio::null())
            .output()
            .await
            .map_err(|error| format!("{self}: {error}"))?)
    }

    /// The first line that it prints about its version; empty where it prints none.
    pub async fn version(&self) -> Result<String> {
        let printed = self.run(&["--version"]).await?;
        Ok(String::from_utf8_lossy(&printed.stdout).lines().next().unwrap_or_default().to_owned())
    }

    /// The program with more arguments, not started yet.
    pub fn with(&self, arguments: &[&str]) -> process::Command {
        let mut command = process::Command::new(&self.0[0]);
        command.args(&self.0[1..]).args(arguments);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_a_program_and_its_first_arguments() {
        let command: Command = " hack/other.sh  --fast ".parse().unwrap();
        assert_eq!(command, Command(vec!["hack/other.sh".to_owned(), "--fast".to_owned()]));
        assert_eq!(command.to_string(), "hack/other.sh --fast");
        assert!("  ".parse::<Command>().is_err());
    }
}
