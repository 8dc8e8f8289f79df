//! Programs that tests run: the operator's own binary, the tools that `hack/control-plane` provides, and servers that end
//! with the test.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::Duration,
};

use crate::wait::{LIMIT, until};

/// The root of the repository.
pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// How many lines of the log are shown when a test fails.
const SHOWN: usize = 80;

/// The operator's binary of this build: it lies above the folder of the test that runs.
pub fn operator() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let binary = test.ancestors().map(|folder| folder.join("cce-backup-watch")).find(|path| path.is_file());
    binary.expect("cargo builds the operator before the tests of its package")
}

/// A tool of a pinned version, which is fetched or built the first time: `prometheus`, `promtool`, `amtool`, `actionlint`.
pub fn tool(name: &str) -> PathBuf {
    let provided = Command::new(Path::new(ROOT).join("hack/control-plane/provision.sh"))
        .arg(name)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(provided.status.success(), "{name} can neither be fetched nor built");
    let folder = String::from_utf8(provided.stdout).unwrap();
    PathBuf::from(folder.trim()).join(name)
}

/// The folder for the files of a run. It lies beside the audit log, so that `run.sh --state-dir` keeps it and any other
/// run throws it away.
pub fn folder() -> PathBuf {
    let folder = PathBuf::from(std::env::var_os("CBW_AUDIT_LOG").unwrap()).with_file_name("operators");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// What a command that has ended left behind.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code, unless a signal ended it.
    pub code: Option<i32>,
    /// What it printed, which must be UTF-8.
    pub stdout: String,
    /// What it said beside that.
    pub stderr: String,
}

impl Ran {
    /// Everything that it has printed.
    pub fn printed(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// Checks the exit code, and that these words are in what it has printed.
    #[track_caller]
    pub fn ended(&self, code: i32, words: &str) {
        let is = self.code == Some(code) && self.printed().contains(words);
        assert!(is, "not {code} with {words:?}: {self:#?}");
    }

    /// Checks the exit code, and that these words are in what it said beside its result.
    #[track_caller]
    pub fn said(&self, code: i32, words: &str) {
        let is = self.code == Some(code) && self.stderr.contains(words);
        assert!(is, "not {code} with {words:?}: {self:#?}");
    }

    /// The same, of a command that gave no result.
    #[track_caller]
    pub fn refused(&self, code: i32, words: &str) {
        self.said(code, words);
        assert_eq!(self.stdout, "", "a result beside {words:?}: {self:#?}");
    }

    /// The same, of a command that said this and nothing else.
    #[track_caller]
    pub fn said_only(&self, code: i32, text: &str) {
        self.refused(code, text);
        assert_eq!(self.stderr, text);
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// Asks servers of a test on this machine. It reads none of the machine's authorities, which takes longer than most answers, and
/// keeps no connection.
pub fn http() -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy().timeout(LIMIT).pool_max_idle_per_host(0);
    client.tls_certs_only([]).build().unwrap()
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Ran {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}")).into()
}

/// Runs a command to its end that reads this.
pub fn run_with(command: &mut Command, input: &str) -> Ran {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

/// A server that logs to a file. Dropping it kills it, and prints the end of the log if the test fails.
pub struct Server {
    child: Child,
    command: Command,
    /// Where its stderr goes.
    pub log: PathBuf,
}

impl Server {
    /// Starts it.
    pub fn start(mut command: Command, log: PathBuf) -> Self {
        File::create(&log).unwrap();
        let child = spawn(&mut command, &log);
        Self { child, command, log }
    }

    /// Starts it again, with the arguments and the environment of the first start.
    pub fn spawn(&mut self) {
        self.child = spawn(&mut self.command, &self.log);
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything that it has logged.
    pub fn text(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Kills it with SIGKILL, in the middle of whatever it does.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends it a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// The exit status, if it has ended.
    pub fn exit(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits until it has ended.
    pub async fn ended(&mut self, limit: Duration) -> ExitStatus {
        until("the server has ended", limit, async || self.exit()).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let text = self.text();
            let lines: Vec<_> = text.lines().collect();
            let end = &lines[lines.len().saturating_sub(SHOWN)..];
            eprintln!("the end of {}:\n{}\n", self.log.display(), end.join("\n"));
        }
    }
}

fn spawn(command: &mut Command, log: &Path) -> Child {
    let log = File::options().append(true).open(log).unwrap();
    let out = log.try_clone().unwrap();
    command
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(log)
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"))
}
