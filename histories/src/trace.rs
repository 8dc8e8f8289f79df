//! The trace of a history, line by line. Lines are always hashed, so that two runs of one seed can be compared, and
//! printed to stdout on request.

use std::fmt;
use std::time::Duration;

/// The hash of the lines so far. The lines themselves are not kept.
#[derive(Debug)]
pub struct Trace {
    hash: u64,
    prints: bool,
    line: String,
}

impl Trace {
    /// An empty trace; `prints` says whether it prints each line.
    pub fn new(prints: bool) -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, prints, line: String::new() }
    }

    /// Adds a line.
    pub fn note(&mut self, at: Duration, what: fmt::Arguments<'_>) {
        use fmt::Write;
        self.line.clear();
        // Writing to a String cannot fail.
        let _ = write!(self.line, "{:9.3} s  {what}", at.as_secs_f64());
        for byte in self.line.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if self.prints {
            println!("{}", self.line);
        }
    }

    /// The hash of all lines.
    pub fn hash(&self) -> u64 {
        self.hash
    }
}
