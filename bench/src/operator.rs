//! The operator as a process, and what the kernel says that it uses.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde_json::Value;
use tokio::process::{Child, Command};

use crate::{Result, api_server::ApiServer, cloud::Cloud, watches::REGION};

/// How long the operator may take to start or to end.
const LIMIT: Duration = Duration::from_mins(1);

/// The unit in which the kernel tells times to programs, on x86-64 and arm64 alike.
const TICK: Duration = Duration::from_millis(10);

/// A running operator.
pub struct Operator {
    child: Child,
    pid: u32,
    url: String,
}

impl Operator {
    /// Starts it, and waits until it serves.
    pub async fn start(path: &Path, cloud: &Cloud, api_server: &ApiServer) -> Result<Self> {
        let log = folder()?.join("operator.log");
        let child = Command::new(path)
            .args(["controller", "--listen", "127.0.0.1:0", "--ca-file"])
            .arg(&cloud.ca_file)
            .args(["--region-endpoint", &format!("{REGION}={}", cloud.url)])
            // What is measured is the operator, not the limit that an account is given.
            .args(["--account-rate", "100000", "--account-burst", "100000"])
            .env("KUBECONFIG", &api_server.kubeconfig)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id().ok_or("the operator ended at once")?;
        let started = async {
            loop {
                if let Some(address) = listens(&log) {
                    return address;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let address = tokio::time::timeout(LIMIT, started)
            .await
            .map_err(|_| format!("the operator does not start; its log is {}", log.display()))?;
        Ok(Self { child, pid, url: format!("http://{address}") })
    }

    /// Ends it.
    pub async fn stop(mut self) -> Result<()> {
        Command::new("kill").arg(self.pid.to_string()).status().await?;
        tokio::time::timeout(LIMIT, self.child.wait()).await??;
        Ok(())
    }

    /// Its resident memory, in bytes.
    pub fn memory(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
    }

    /// The CPU time that it has used so far, in user and kernel mode, by threads that have ended as well.
    pub fn cpu_time(&self) -> Result<Duration> {
        let statistics = fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        // The name of the program comes in parentheses and may hold spaces; utime and stime are the 12th and 13th after it.
        let fields = statistics.rsplit(") ").next().unwrap_or_default().split(' ');
        let ticks = fields.skip(11).take(2).map(str::parse::<u32>).sum::<std::result::Result<u32, _>>()?;
        Ok(TICK * ticks)
    }

    /// Its metrics.
    pub async fn metrics(&self) -> Result<String> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        Ok(client.get(format!("{}/metrics", self.url)).send().await?.text().await?)
    }
}

/// The folder for files of this run, beside the audit log.
pub fn folder() -> Result<PathBuf> {
    let audit_log = std::env::var_os("CBW_AUDIT_LOG").unwrap_or_default();
    let folder = PathBuf::from(audit_log).with_file_name("bench");
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// The address in a log where the operator listens.
fn listens(log: &Path) -> Option<String> {
    let text = fs::read_to_string(log).ok()?;
    let mut lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let started = lines.find(|line| line["message"] == "started")?;
    started["listen"].as_str().map(str::to_owned)
}
