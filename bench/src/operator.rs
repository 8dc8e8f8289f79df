//! The operator as a process: this build, an older one, or another operator that takes the same flags.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::{net::TcpStream, process::Child};

use crate::{
    Result,
    api_server::ApiServer,
    cloud::Cloud,
    command::Command,
    kernel::Process,
    made_up::{REGION, folder},
};

/// How long the operator may take to start or to end.
const LIMIT: Duration = Duration::from_mins(1);
/// How long to wait between two checks of a condition of the operator.
const LOOK: Duration = Duration::from_millis(10);

/// Flags that lift the rate limit of an account, so that the operator is measured and not its limit.
pub const LIFTED: [&str; 4] = ["--account-rate", "100000", "--account-burst", "100000"];

/// A running operator.
pub struct Operator {
    child: Child,
    /// The process, to read what the kernel accounts for.
    pub process: Process,
    url: String,
    client: reqwest::Client,
    log: PathBuf,
}

impl Operator {
    /// Starts an operator with the flags that every operator gets and some more, and waits until it serves HTTP.
    pub async fn start(
        command: &Command,
        cloud: &Cloud,
        api_server: &ApiServer,
        flags: &[&str],
    ) -> Result<Self> {
        let log = folder()?.join("operator.log");
        // Another process could take this port before the operator does; then the start fails and says so.
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut child = command
            .with(&["controller", "--listen", &address.to_string()])
            .arg("--ca-file")
            .arg(&cloud.ca_file)
            .args(["--region-endpoint", &format!("{REGION}={}", cloud.url)])
            .args(flags)
            .env("KUBECONFIG", &api_server.kubeconfig)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .kill_on_drop(true)
            .spawn()?;
        let process = Process(child.id().ok_or("the operator ended at once")?);
        let begun = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            if child.try_wait()?.is_some() || begun.elapsed() > LIMIT {
                return Err(format!("`{command}` does not serve {address}; its log:\n{}", tail(&log)?).into());
            }
            tokio::time::sleep(LOOK).await;
        }
        let client = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { child, process, url: format!("http://{address}"), client, log })
    }

    /// Waits until `/readyz` says that the caches are filled.
    pub async fn ready(&self) -> Result<()> {
        let ready = async {
            while !self.get("readyz").await?.status().is_success() {
                tokio::time::sleep(LOOK).await;
            }
            Ok(())
        };
        tokio::time::timeout(LIMIT, ready).await.map_err(|_| "the operator does not become ready")?
    }

    /// Whether `/livez` says that the process works.
    pub async fn is_alive(&self) -> Result<bool> {
        Ok(self.get("livez").await?.status().is_success())
    }

    /// Ends the process by SIGTERM, and waits for its end.
    pub async fn stop(mut self) -> Result<()> {
        tokio::process::Command::new("kill").arg(self.process.0.to_string()).status().await?;
        tokio::time::timeout(LIMIT, self.child.wait()).await??;
        Ok(())
    }

    /// Its metrics; empty where it has none.
    pub async fn metrics(&self) -> Result<String> {
        let answer = self.get("metrics").await?;
        if answer.status().is_success() { Ok(answer.text().await?) } else { Ok(String::new()) }
    }

    /// What it has logged so far.
    pub fn log(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(&self.log)?).into_owned())
    }

    async fn get(&self, path: &str) -> Result<reqwest::Response> {
        Ok(self.client.get(format!("{}/{path}", self.url)).send().await?)
    }
}

/// The end of a log.
fn tail(log: &std::path::Path) -> Result<String> {
    let text = String::from_utf8_lossy(&fs::read(log)?).into_owned();
    let lines: Vec<_> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(20)..].join("\n"))
}
