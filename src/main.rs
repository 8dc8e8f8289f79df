//! The command `cce-backup-watch`.

use std::process::ExitCode;

use cce_backup_watch::{
    api::crd,
    cli::{Cli, Command, environment, manual},
    commands::{backup, discover, poll, probe, run, status, tasks},
    serve::panics,
};
use clap::FromArgMatches;

fn main() -> ExitCode {
    panics::are_lines();
    let words: Vec<_> = std::env::args_os().collect();
    let called = words.first().cloned();
    let matches = environment::matches(&Cli::called(called.as_deref()), words, |name| std::env::var_os(name));
    let cli = match matches.and_then(Cli::checked).and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => return run::usage(&error),
    };
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
