//! Access to a control plane, by client, kubectl and helm: to the one that all tests share, or to one of a test's own.

use std::{path::PathBuf, process::Command};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::json;

use super::program;

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
        let mut kubectl = Command::new("kubectl");
        kubectl.args(["--namespace", namespace]).args(arguments).env("KUBECONFIG", &self.kubeconfig);
        let ran = program::run_with(&mut kubectl, input);
        if ran.code == Some(0) { Ok(ran.stdout) } else { Err(ran.printed()) }
    }

    /// Runs helm in the root of the repository, and returns everything that it printed, as an error if it failed.
    pub fn helm(&self, namespace: &str, arguments: &[&str]) -> Result<String, String> {
        let mut helm = Command::new("helm");
        helm.current_dir(program::ROOT).env("KUBECONFIG", &self.kubeconfig);
        let ran = program::run(helm.args(arguments).args(["--namespace", namespace]));
        if ran.code == Some(0) { Ok(ran.printed()) } else { Err(ran.printed()) }
    }

    /// The kubeconfig of whoever has this token, at the URL of the API server or at another one.
    pub fn kubeconfig_of(&self, token: &str, server: Option<&str>, namespace: &str) -> String {
        let ours = Kubeconfig::read_from(&self.kubeconfig).unwrap();
        let cluster = ours.clusters[0].cluster.as_ref().unwrap();
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "e2e",
            "contexts": [{ "name": "e2e", "context": { "cluster": "e2e", "user": "e2e", "namespace": namespace } }],
            "clusters": [{ "name": "e2e", "cluster": {
                "server": server.or(cluster.server.as_deref()),
                "certificate-authority-data": cluster.certificate_authority_data,
            } }],
            "users": [{ "name": "e2e", "user": { "token": token } }],
        })
        .to_string()
    }
}
