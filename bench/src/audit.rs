//! The API server's audit log: how many requests a user has made. Each line is read once.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use serde::Deserialize;

use crate::Result;

/// A reader that counts one user's requests in the log.
pub struct AuditLog {
    reader: BufReader<File>,
    user: String,
    /// The beginning of a line that the server has not written to its end.
    begun: Vec<u8>,
    requests: u64,
}

impl AuditLog {
    /// Reads from the start of the log.
    pub fn open(path: &Path, user: String) -> Result<Self> {
        let reader = BufReader::new(File::open(path)?);
        Ok(Self { reader, user, begun: Vec::new(), requests: 0 })
    }

    /// How many requests the user has made so far. The server writes a line before it answers.
    pub fn requests(&mut self) -> Result<u64> {
        while self.reader.read_until(b'\n', &mut self.begun)? > 0 && self.begun.ends_with(b"\n") {
            self.requests += u64::from(is_request(&self.begun, &self.user));
            self.begun.clear();
        }
        Ok(self.requests)
    }
}

#[derive(Deserialize)]
struct Line<'a> {
    verb: &'a str,
    stage: &'a str,
    #[serde(borrow)]
    user: User<'a>,
}

#[derive(Deserialize)]
struct User<'a> {
    username: &'a str,
}

/// Whether a line is the one that counts for a request of the user. A watch has a line when it starts and one when it
/// ends, and the first counts.
fn is_request(line: &[u8], user: &str) -> bool {
    serde_json::from_slice::<Line>(line).is_ok_and(|line| {
        line.user.username == user && (line.verb != "watch" || line.stage == "ResponseStarted")
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn line(user: &str, verb: &str, stage: &str) -> String {
        format!(
            "{{\"kind\":\"Event\",\"stage\":\"{stage}\",\"verb\":\"{verb}\",\"user\":{{\"username\":\"{user}\"}}}}\n"
        )
    }

    #[test]
    fn a_watch_counts_once_and_others_do_not() {
        let is = |user, verb, stage| is_request(line(user, verb, stage).as_bytes(), "operator");
        assert!(is("operator", "update", "ResponseComplete"));
        assert!(is("operator", "watch", "ResponseStarted"));
        assert!(!is("operator", "watch", "ResponseComplete"));
        assert!(!is("admin", "update", "ResponseComplete"));
        assert!(!is_request(b"{}\n", "operator"));
    }

    #[test]
    fn a_line_that_is_still_being_written_counts_when_it_is_whole() {
        let folder = std::env::temp_dir().join(format!("cbw-bench-audit-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("audit.log");
        let mut file = File::create(&path).unwrap();
        let mut log = AuditLog::open(&path, "operator".to_owned()).unwrap();
        let text = line("operator", "update", "ResponseComplete");
        let (first, second) = text.split_at(20);
        file.write_all(format!("{text}{first}").as_bytes()).unwrap();
        assert_eq!(log.requests().unwrap(), 1);
        file.write_all(second.as_bytes()).unwrap();
        assert_eq!(log.requests().unwrap(), 2);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
