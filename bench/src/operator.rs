//! The operator as a process: this build, an older one, or another operator that takes the same flags.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use cbw_testkit::{
    program::{Server, folder},
    scene::REGION,
};
use reqwest::StatusCode;

use crate::{Result, bench::Bench, process::Process};

/// How long the operator may take to start or to end.
const LIMIT: Duration = Duration::from_mins(1);
/// How long to wait between two checks of a condition of the operator.
const LOOK: Duration = Duration::from_millis(10);

/// Flags that lift the rate limit of an account, so that the operator is measured and not its limit.
pub const LIFTED: [&str; 4] = ["--account-rate", "100000", "--account-burst", "100000"];

/// A running operator.
pub struct Operator {
    server: Server,
    /// The process, to read what the kernel accounts for.
    pub process: Process,
    url: String,
    client: reqwest::Client,
}

impl Operator {
    /// Starts an operator with the flags that every operator gets and some more, and waits until it serves HTTP.
    pub async fn start(command: &str, bench: &Bench, flags: &[&str]) -> Result<Self> {
        // Another process could take this port before the operator does; then the start fails and says so.
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut program = program(command);
        program
            .args(["controller", "--listen", &address.to_string(), "--ca-file", bench.tls.ca_file()])
            .args(["--region-endpoint", &format!("{REGION}={}", bench.tls.url())])
            .args(flags)
            .env("KUBECONFIG", &bench.kubeconfig);
        let server = Server::start(program, folder().join("bench.log"));
        let (process, url) = (Process(server.pid()), format!("http://{address}"));
        let client = reqwest::Client::builder().no_proxy().build()?;
        let mut operator = Self { server, process, url, client };
        operator.answers("serve HTTP", |_| true).await?;
        Ok(operator)
    }

    /// Waits until `/readyz` says that the caches are filled.
    pub async fn ready(&mut self) -> Result<()> {
        self.answers("become ready", |code| code.is_success()).await
    }

    async fn answers(&mut self, what: &str, wanted: impl Fn(StatusCode) -> bool) -> Result<()> {
        let begun = Instant::now();
        while !self.get("readyz").await.is_ok_and(|answer| wanted(answer.status())) {
            if self.server.exit().is_some() || begun.elapsed() > LIMIT {
                return Err(format!("the operator does not {what}; its log:\n{}", self.log()).into());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Whether `/livez` says that the process works.
    pub async fn is_alive(&self) -> Result<bool> {
        Ok(self.get("livez").await?.status().is_success())
    }

    /// Ends the process by SIGTERM, and waits for its end.
    pub async fn stop(mut self) {
        self.server.signal("TERM");
        self.server.ended(LIMIT).await;
    }

    /// Its metrics; empty where it has none.
    pub async fn metrics(&self) -> Result<String> {
        let answer = self.get("metrics").await?;
        if answer.status().is_success() { Ok(answer.text().await?) } else { Ok(String::new()) }
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.server.text()
    }

    async fn get(&self, path: &str) -> reqwest::Result<reqwest::Response> {
        self.client.get(format!("{}/{path}", self.url)).send().await
    }
}

/// What an operator prints about its definition or its version; nothing where it fails to.
pub fn print(command: &str, argument: &str) -> Result<String> {
    let printed = program(command).arg(argument).output().map_err(|error| format!("{command}: {error}"))?;
    if !printed.status.success() {
        eprintln!("bench: `{command} {argument}` prints nothing to go by");
        return Ok(String::new());
    }
    Ok(String::from_utf8(printed.stdout)?)
}

/// A command, which is a program and its first arguments, as a program that is not started yet.
pub fn program(command: &str) -> Command {
    let mut words = command.split_whitespace();
    let mut program = Command::new(words.next().unwrap_or_default());
    program.args(words);
    program
}
