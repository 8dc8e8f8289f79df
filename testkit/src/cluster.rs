//! Access to a control plane, by client and by kubectl: to the one that all tests share, or to one of a test's own.

use std::{
    fmt::Write as _,
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

/// A control plane.
#[derive(Clone)]
pub struct Cluster {
    /// The kubeconfig of a user with all rights.
    pub kubeconfig: PathBuf,
    /// The audit log of its API server.
    pub audit_log: PathBuf,
}

impl Cluster {
    /// The control plane that `run.sh` started for all tests.
    pub fn shared() -> Self {
        let path = |variable| PathBuf::from(std::env::var_os(variable).unwrap());
        Self { kubeconfig: path("KUBECONFIG"), audit_log: path("CBW_AUDIT_LOG") }
    }

    /// A configuration with all rights.
    pub async fn config(&self) -> Config {
        let kubeconfig = Kubeconfig::read_from(&self.kubeconfig).unwrap();
        Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap()
    }

    /// A client with all rights, and with connections of its own: a panic in one test must not break another's.
    pub async fn client(&self) -> Client {
        Client::try_from(self.config().await).unwrap()
    }

    /// Runs kubectl with an input, and returns its stdout; on failure its stdout followed by its stderr.
    pub fn kubectl(&self, namespace: &str, arguments: &[&str], input: &str) -> Result<String, String> {
        let mut child = Command::new("kubectl")
            .args(["--namespace", namespace])
            .args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl is on PATH");
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let mut printed = String::from_utf8(output.stdout).unwrap();
        if output.status.success() {
            return Ok(printed);
        }
        write!(printed, "{}", String::from_utf8_lossy(&output.stderr)).unwrap();
        Err(printed)
    }
}
