//! The command `cce-backup-watch`.

use std::process::ExitCode;

use cce_backup_watch::{
    api::crd,
    cli::{Cli, Command, manual},
    commands::{backup, discover, poll, probe, run, status, tasks},
};
use clap::FromArgMatches;

fn main() -> ExitCode {
    let called = std::env::args_os().next();
    let matches = Cli::called(called.as_deref()).get_matches();
    if let Some(error) = Cli::conflict(&matches) {
        error.exit();
    }
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    // Both kube and reqwest use this TLS provider. Installing it fails only if one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match cli.command {
        Command::Controller(args) => run::operator(*args),
        Command::Status(args) => run::command(&args.log.log_filter, status::run(&args)),
        Command::Poll(args) => run::command(&args.log.log_filter, poll::run(&args)),
        Command::Tasks(args) => run::command(&args.log.log_filter, tasks::run(&args)),
        Command::Backup(args) => run::command(&args.log.log_filter, backup::run(&args)),
        Command::Discover(args) => run::command(&args.log.log_filter, discover::run(&args)),
        Command::Probe(args) => run::command("warn", probe::run(&args)),
        Command::Completion { shell } => {
            run::print(Ok::<_, String>(manual::completion(shell, called.as_deref())))
        }
        Command::Man { command } => run::print(manual::page(command.as_ref())),
        Command::Crd => run::print(crd::yaml()),
    }
}
