//! The command as a user runs it: the binary, its environment, a folder of its own, and the simulator that it asks.

mod kubernetes;

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
pub use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
pub use std::time::{Duration, Instant};

pub use cbw_testkit::program::{Ran, run, run_with};
pub use cbw_testkit::tls::Tls;
use cce_simulator::Config;
pub use cce_simulator::{Simulator, Task};
pub use jiff::{SignedDuration, Timestamp};
pub use kubernetes::{Kubernetes, kubeconfig};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_cce-backup-watch");
pub const PROJECT: &str = "0123456789abcdef0123456789abcdef";
pub const CLUSTER: &str = "11111111-2222-3333-4444-555555555555";
pub const ACCESS_KEY: &str = "CANARYACCESSKEY00001";
pub const SECRET_KEY: &str = "canary/secret+key=for0tests0000000000001";
pub const SECURITY_TOKEN: &str = "canary-security-token-0001";

/// A simulator that knows the key of [`tasks`].
pub async fn simulator() -> Simulator {
    Simulator::start(Config::with_key(ACCESS_KEY, SECRET_KEY)).await.unwrap()
}

/// A simulator behind TLS.
pub struct Cloud {
    pub simulator: Simulator,
    pub tls: Tls,
}

impl Cloud {
    pub async fn start() -> Self {
        let simulator = simulator().await;
        let tls = Tls::start(&simulator, "127.0.0.1").await;
        Self { simulator, tls }
    }
}

/// A folder of one test.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static FOLDERS: AtomicU64 = AtomicU64::new(0);
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("cbw-commands-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Left behind it would harm nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The program with an environment of its own.
pub fn program() -> Command {
    let mut command = Command::new(PROGRAM);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("TZ", "UTC");
    command
}

/// `tasks` with all that it needs, and these flags.
pub fn tasks(simulator: &Simulator, flags: &[&str]) -> Command {
    on_cluster("tasks", &simulator.url(), flags)
}

/// A command that asks about one cluster of the endpoint at `url`, with all that it needs, and these flags.
pub fn on_cluster(name: &str, url: &str, flags: &[&str]) -> Command {
    let mut command = program();
    command.args([name, "--region", "cn-north-4", "--project-id", PROJECT, "--cluster-id", CLUSTER]);
    command.arg("--region-endpoint").arg(format!("cn-north-4={url}"));
    command.args(flags).env("HUAWEICLOUD_SDK_AK", ACCESS_KEY).env("HUAWEICLOUD_SDK_SK", SECRET_KEY);
    command
}

/// The program while it runs; ended with the test.
pub struct Running(Option<Child>);

pub fn start(command: &mut Command) -> Running {
    Running(Some(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()))
}

impl Running {
    pub fn child(&mut self) -> &mut Child {
        self.0.as_mut().unwrap()
    }

    pub fn signal(&mut self, signal: &str) {
        let id = self.child().id().to_string();
        assert!(Command::new("kill").args([&format!("-{signal}"), &id]).status().unwrap().success());
    }

    pub fn end(mut self) -> Ran {
        self.0.take().unwrap().wait_with_output().unwrap().into()
    }

    /// Reads standard output until it holds this many lines.
    pub fn lines(&mut self, count: usize) -> String {
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
pub async fn until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl Running {
    /// Reads standard error until it holds this text.
    pub fn says(&mut self, wanted: &str) -> String {
        let stderr = self.child().stderr.as_mut().unwrap();
        let (mut text, mut byte) = (Vec::new(), [0]);
        while !String::from_utf8_lossy(&text).contains(wanted) {
            assert_eq!(stderr.read(&mut byte).unwrap(), 1, "ended after {}", String::from_utf8_lossy(&text));
            text.extend(byte);
        }
        String::from_utf8(text).unwrap()
    }
}

/// The command with a terminal, that of util-linux' `script`, for all three streams, its output on standard output.
pub fn on_terminal(command: &Command) -> Command {
    let quoted = |text: &std::ffi::OsStr| format!("'{}'", text.to_str().unwrap().replace('\'', r"'\''"));
    let line: Vec<_> = std::iter::once(command.get_program()).chain(command.get_args()).map(quoted).collect();
    let mut script = Command::new("script");
    script.args([
        "--quiet",
        "--return",
        "--command",
        &format!("stty cols 100; {}", line.join(" ")),
        "/dev/null",
    ]);
    script.env_clear().env("TERM", "xterm").env("SHELL", "/bin/sh").stdin(Stdio::null());
    script.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    script
}

/// A task created that many seconds after 2023-11-25T09:00:00Z.
pub fn task(uid: &str, phase: &str, second: i64) -> Task {
    Task::new(uid, phase).created(at(second)).updated(at(second + 10))
}

/// A task that ended this long ago.
pub fn ended(uid: &str, phase: &str, ago: SignedDuration) -> Task {
    let end = Timestamp::now() - ago;
    Task::new(uid, phase).created(end - SignedDuration::from_mins(5)).updated(end).completed(end)
}

/// Above and below the two hours of the tests' limits.
pub const OLD: SignedDuration = SignedDuration::from_hours(3);
pub const YOUNG: SignedDuration = SignedDuration::from_mins(1);

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_902_800 + second).unwrap()
}

pub fn holds_no_key(ran: &Ran) {
    for key in [SECRET_KEY, SECURITY_TOKEN, ACCESS_KEY] {
        assert!(!ran.stdout.contains(key) && !ran.stderr.contains(key), "{key}: {ran:?}");
    }
}

/// A stream whose reader has gone, as after `| head -1`.
pub fn closed() -> Stdio {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// A stream that takes nothing, as on a full disk.
pub fn full() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

pub fn code(command: &mut Command, stdout: Stdio, stderr: Stdio) -> Option<i32> {
    command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).status().unwrap().code()
}
