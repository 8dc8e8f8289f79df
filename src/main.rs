//! The command `cce-backup-watch`.

use std::process::ExitCode;

use cce_backup_watch::{
    api::crd,
    cli::{Cli, Command, manual},
    commands::{backup, discover, probe, tasks},
    operator,
};
use clap::FromArgMatches;

fn main() -> ExitCode {
    let called = std::env::args_os().next();
    let matches = Cli::called(called.as_deref()).get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    // Both kube and reqwest use this TLS provider. Installing it fails only if one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let result = match cli.command {
        Command::Controller(args) => block_on(operator::run(*args)),
        Command::Tasks(args) => return tasks::main(&args),
        Command::Backup(args) => return backup::main(&args),
        Command::Discover(args) => return discover::main(&args),
        Command::Probe(args) => block_on(async move { probe::run(&args).await }),
        Command::Completion { shell } => manual::completion(shell, called.as_deref()).map_err(Into::into),
        Command::Man { command } => manual::page(command.as_ref()).map_err(Into::into),
        Command::Crd => crd::yaml().map(|yaml| print!("{yaml}")).map_err(Into::into),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

type Failure = Box<dyn std::error::Error>;

fn block_on<E: Into<Failure>>(future: impl Future<Output = Result<(), E>>) -> Result<(), Failure> {
    // One thread: several would spend their time on waking each other, which doubles the cost of a poll.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(future);
    // Dropping the runtime would wait for blocking tasks, such as a DNS lookup, and delay the end of the process.
    runtime.shutdown_background();
    result.map_err(Into::into)
}
