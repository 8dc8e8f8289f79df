//! The command `cce-simulator`.

use std::{
    io::{IsTerminal, Write},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
};

use cce_simulator::{Config, Credential, Scenario, Simulator};
use clap::{Parser, builder::NonEmptyStringValueParser};
use tokio::signal::unix::{SignalKind, signal};

/// A CCE endpoint for tests and demos: checks signatures and plays scripted backups.
#[derive(Parser)]
#[command(version, after_long_help = include_str!("help.txt"))]
struct Arguments {
    /// Where to listen; with port 0 a free one, which the first line of the output names.
    #[arg(long, env = "CCE_SIMULATOR_LISTEN", default_value = "127.0.0.1:0", value_name = "ADDR")]
    listen: SocketAddr,
    /// The access key that may sign requests.
    #[arg(long, env = "CCE_SIMULATOR_ACCESS_KEY", value_name = "AK", value_parser = NonEmptyStringValueParser::new())]
    access_key: String,
    /// The secret key that belongs to it.
    #[arg(long, env = "CCE_SIMULATOR_SECRET_KEY", hide_env_values = true, value_name = "SK", value_parser = NonEmptyStringValueParser::new())]
    secret_key: String,
    /// The security token that has to come with them.
    #[arg(long, env = "CCE_SIMULATOR_SECURITY_TOKEN", hide_env_values = true, value_name = "T", value_parser = NonEmptyStringValueParser::new())]
    security_token: Option<String>,
    /// What to play; the built-in scenario when absent.
    #[arg(long, env = "CCE_SIMULATOR_SCENARIO", value_name = "FILE")]
    scenario: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info")),
        )
        // Logs go to stderr, because the first line of stdout is the address.
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprint!("cce-simulator: {error}");
            let mut cause = error.source();
            while let Some(next) = cause {
                eprint!(": {next}");
                cause = next.source();
            }
            eprintln!();
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    // Signals are caught before the address is printed, because its reader may end the simulator at once.
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let scenario = match &arguments.scenario {
        Some(path) => Scenario::from_file(path)?,
        None => Scenario::built_in()?,
    };
    let credential = Credential {
        access_key: arguments.access_key,
        secret_key: arguments.secret_key,
        security_token: arguments.security_token,
        expires_at: None,
    };
    let config = Config { listen: arguments.listen, credentials: vec![credential], scenario };
    let simulator = Simulator::start(config).await?;
    // A failed write is ignored: the simulator serves also when nobody reads its output.
    let mut stdout = std::io::stdout();
    let _ = writeln!(stdout, "listening on {}", simulator.url()).and_then(|()| stdout.flush());
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    Ok(())
}
