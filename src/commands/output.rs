//! What a command writes: results to standard output, messages to standard error, and nothing else anywhere.
//!
//! Both streams may be closed or full at any time (`| head -1`, a full disk). No command may end of that: a backup that
//! runs is followed all the same, and the exit code gives the verdict.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

use super::error::Error;
use crate::cloud::text::{clean, inert, without_userinfo};

/// The longest message, in characters: an API server's refusal may repeat a whole request.
const MAX_MESSAGE: usize = 2_000;

/// Writes one message, one line, to standard error. Every character of others in it is made harmless. That it cannot be
/// written is told to nobody, for there is no other place.
pub fn note(message: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{}", shown(&message.to_string()));
}

/// One line of text of others as it may stand on a terminal and in the log of a CI system. This is the one function for every edge
/// where such text is printed; the log has the same in [`crate::serve::stderr`], and a table cell by cell.
pub fn shown(line: &str) -> String {
    inert(&clean(&without_userinfo(line), MAX_MESSAGE))
}

/// Writes a whole result to standard output.
pub fn result(text: &str) -> Result<(), Error> {
    match write(text) {
        // A reader such as `grep -q` may close the pipe early. The exit code must still give the verdict.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

/// Writes a part of the results to standard output, so that a reader has it now.
pub fn write(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Whether to write colours to a stream; see <https://no-color.org>.
pub fn is_colourful(is_terminal: bool) -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    is_terminal && !is_set("NO_COLOR") && !is_dumb()
}

/// Whether the terminal only takes lines.
pub fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}
