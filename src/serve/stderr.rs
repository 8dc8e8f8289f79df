//! Standard error as the log writes to it: one event is one line, and no character of others in it is one that a terminal
//! or a CI system would obey. A line that cannot be written is lost, and the process goes on.

use std::io::{self, Write};

use crate::cloud::text::{clean, inert, without_userinfo};

/// Writes what it is given in one call as one line.
pub struct Lines;

impl Write for Lines {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let _ = io::stderr().lock().write_all(line(event).as_bytes());
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn line(event: &[u8]) -> String {
    let text = String::from_utf8_lossy(event);
    format!("{}\n", inert(&clean(&without_userinfo(text.trim_end_matches('\n')), usize::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_without_anything_to_obey() {
        assert_eq!(line("a\n::error::b\u{1b}[2J\u{202e}\n".as_bytes()), "a ::error::b\u{fffd}[2J\u{fffd}\n");
        assert_eq!(line(b"::error::b\n"), "\u{fffd}:error::b\n");
        assert_eq!(line(b"proxy http://u:CANARY@h: no\n"), "proxy http://***@h: no\n");
        assert_eq!(line(b"{\"message\":\"\\u001b\"}\n"), "{\"message\":\"\\u001b\"}\n");
    }
}
