//! The operator as a process: this build, an older one, or another operator that takes the same flags.

use std::{
    fmt,
    fs::{self, File},
    path::PathBuf,
    process::{Output, Stdio},
    time::{Duration, Instant},
};

use tokio::{
    net::TcpStream,
    process::{self, Child},
};

use crate::{Result, api_server::ApiServer, cloud::Cloud, kernel::Process, watches::REGION};

/// How long the operator may take to start or to end.
const LIMIT: Duration = Duration::from_mins(1);
/// How long to wait between two checks of a condition of the operator.
const LOOK: Duration = Duration::from_millis(10);

/// How an operator is started: a program and its first arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command(Vec<String>);

impl std::str::FromStr for Command {
    type Err = &'static str;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        let words: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
        if words.is_empty() { Err("names no program") } else { Ok(Self(words)) }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

impl Command {
    /// Runs the program with more arguments until it ends, and returns its output.
    pub async fn run(&self, arguments: &[&str]) -> Result<Output> {
        Ok(self
            .with(arguments)
            .stdin(Stdio::null())
            .output()
            .await
            .map_err(|error| format!("{self}: {error}"))?)
    }

    /// The first line that it prints about its version; empty where it prints none.
    pub async fn version(&self) -> Result<String> {
        let printed = self.run(&["--version"]).await?;
        Ok(String::from_utf8_lossy(&printed.stdout).lines().next().unwrap_or_default().to_owned())
    }

    fn with(&self, arguments: &[&str]) -> process::Command {
        let mut command = process::Command::new(&self.0[0]);
        command.args(&self.0[1..]).args(arguments);
        command
    }
}

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
        process::Command::new("kill").arg(self.process.0.to_string()).status().await?;
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

/// The folder for files of this run, beside the audit log.
pub fn folder() -> Result<PathBuf> {
    let audit_log = std::env::var_os("CBW_AUDIT_LOG").unwrap_or_default();
    let folder = PathBuf::from(audit_log).with_file_name("bench");
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// The end of a log.
fn tail(log: &std::path::Path) -> Result<String> {
    let text = String::from_utf8_lossy(&fs::read(log)?).into_owned();
    let lines: Vec<_> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(20)..].join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_a_program_and_its_first_arguments() {
        let command: Command = " hack/other.sh  --fast ".parse().unwrap();
        assert_eq!(command, Command(vec!["hack/other.sh".to_owned(), "--fast".to_owned()]));
        assert_eq!(command.to_string(), "hack/other.sh --fast");
        assert!("  ".parse::<Command>().is_err());
    }
}
