//! Runs a command to its end, and turns what comes of it into an exit code.

use std::fmt::Display;
use std::pin::pin;
use std::process::ExitCode;

use futures::FutureExt;
use tokio::signal::unix::{SignalKind, signal};

use super::{
    error::Error,
    output::{self, note, shown},
};
use crate::cli::ControllerArgs;
use crate::serve::logs::{self, LogFormat};

/// Starts the log, and runs a command that makes requests. The command returns its exit code.
pub fn command(log_filter: &str, command: impl Future<Output = Result<u8, Error>>) -> ExitCode {
    logs::start(LogFormat::Text, log_filter);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    finish(runtime.map_err(Error::Runtime).and_then(|runtime| {
        let result = runtime.block_on(interruptible(command));
        // Dropping the runtime would wait for blocking tasks, such as a DNS lookup, and delay the end of the process.
        runtime.shutdown_background();
        result
    }))
}

/// Works until the work is done, or a signal asks this process to end. Work within it that does something on a signal by itself comes
/// first. The first process of a container would else not notice one.
pub async fn interruptible<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let signal = signalled()?;
    let mut work = pin!(work);
    tokio::select! {
        biased;
        result = &mut work => result,
        // The signal may have come after the work was looked at, which then notices it now.
        signal = signal => work.now_or_never().unwrap_or(Err(Error::Signalled(signal))),
    }
}

/// The number of the signal that asks this process to end, once it comes.
fn signalled() -> Result<impl Future<Output = u8>, Error> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Runtime)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Runtime)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => 2,
            _ = terminate.recv() => 15,
        }
    })
}

/// Runs the operator, which starts its own log.
pub fn operator(args: ControllerArgs) -> ExitCode {
    // One thread: several would spend their time on waking each other, which doubles the cost of a poll.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    finish(runtime.map_err(Error::Runtime).and_then(|runtime| {
        let result = runtime.block_on(crate::operator::run(args));
        // As above.
        runtime.shutdown_background();
        Ok(result.map(|()| 0)?)
    }))
}

/// Says what is wrong with the command line, or prints the help that it asks for.
pub fn usage(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    if !error.use_stderr() || text.lines().all(|line| line == shown(line)) {
        // Help and the version go to standard output; a reader that is gone has what it wanted.
        let _ = error.print();
    } else {
        text.lines().for_each(note);
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// Prints the text that a command is there to print.
pub fn print<E: Display>(text: Result<String, E>) -> ExitCode {
    let text = text.map_err(|error| Error::Encode(error.to_string()));
    finish(text.and_then(|text| output::result(&text)).map(|()| 0))
}

/// The exit code of what came of a command. Says on standard error why it failed.
fn finish(result: Result<u8, Error>) -> ExitCode {
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            if !error.is_silent() {
                note(format_args!("error: {error}"));
            }
            ExitCode::from(error.exit_code())
        }
    }
}
