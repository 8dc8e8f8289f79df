//! `cce-backup-watch tasks` as a user runs it: the real command against the simulator over real HTTP.

mod exit_codes;
mod identity;
mod leaks;
mod newer_than;
mod output;
mod secret;
mod shell;
mod terminal;
mod wait;
mod watch;

use std::io::Read;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use cce_simulator::{Config, Simulator, Task};
use jiff::Timestamp;

const PROGRAM: &str = env!("CARGO_BIN_EXE_cce-backup-watch");
const PROJECT: &str = "0123456789abcdef0123456789abcdef";
const CLUSTER: &str = "11111111-2222-3333-4444-555555555555";
const ACCESS_KEY: &str = "CANARYACCESSKEY00001";
const SECRET_KEY: &str = "canary/secret+key=for0tests0000000000001";

/// What a run left behind.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// A simulator that knows the key of [`tasks`].
async fn simulator() -> Simulator {
    Simulator::start(Config::with_key(ACCESS_KEY, SECRET_KEY)).await.unwrap()
}

/// The program with an environment of its own.
fn program() -> Command {
    let mut command = Command::new(PROGRAM);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// `tasks` with all that it needs, and these flags.
fn tasks(simulator: &Simulator, flags: &[&str]) -> Command {
    let mut command = program();
    command.args(["tasks", "--region", "cn-north-4", "--project-id", PROJECT, "--cluster-id", CLUSTER]);
    command.arg("--region-endpoint").arg(format!("cn-north-4={}", simulator.url()));
    command.args(flags).env("HUAWEICLOUD_SDK_AK", ACCESS_KEY).env("HUAWEICLOUD_SDK_SK", SECRET_KEY);
    command
}

fn run(command: &mut Command) -> Ran {
    command.output().unwrap().into()
}

/// The program while it runs; ended with the test.
struct Running(Option<Child>);

fn start(command: &mut Command) -> Running {
    Running(Some(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()))
}

impl Running {
    fn child(&mut self) -> &mut Child {
        self.0.as_mut().unwrap()
    }

    fn signal(&mut self, signal: &str) {
        let id = self.child().id().to_string();
        assert!(Command::new("kill").args([&format!("-{signal}"), &id]).status().unwrap().success());
    }

    fn end(mut self) -> Ran {
        self.0.take().unwrap().wait_with_output().unwrap().into()
    }

    /// Reads standard output until it holds this many lines.
    fn lines(&mut self, count: usize) -> String {
        let stdout = self.child().stdout.as_mut().unwrap();
        let (mut text, mut byte) = (String::new(), [0]);
        while text.lines().count() < count || !text.ends_with('\n') {
            assert_eq!(stdout.read(&mut byte).unwrap(), 1, "ended after {text:?}");
            assert!(byte.is_ascii(), "the tests ask for nothing else");
            text.extend(byte.map(char::from));
        }
        text
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Waits until something holds, and not for ever.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A task created that many seconds after 2023-11-25T09:00:00Z.
fn task(uid: &str, phase: &str, second: i64) -> Task {
    Task::new(uid, phase).created(at(second)).updated(at(second + 10))
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_902_800 + second).unwrap()
}
