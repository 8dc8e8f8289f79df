//! `cce-backup-watch discover` as a user runs it: the real command against the simulator over TLS.

mod existing;
mod faults;
mod hostile;
mod kubernetes;
mod manifests;

use crate::command::*;
use cce_simulator::Cluster;
use serde_json::Value;

const OTHER_PROJECT: &str = "ffffffffffffffffffffffffffffffff";

impl Cloud {
    /// The project lists these clusters.
    async fn with_clusters(clusters: impl IntoIterator<Item = Cluster>) -> Self {
        let cloud = Self::start().await;
        cloud.simulator.set_clusters(PROJECT, clusters);
        cloud
    }

    fn discover(&self, flags: &[&str]) -> Command {
        let mut command = program();
        command.args(["discover", "--region", "cn-north-4", "--project-id", PROJECT]);
        command.arg("--region-endpoint").arg(format!("cn-north-4={}", self.tls.url()));
        command.args(["--ca-file", self.tls.ca_file()]).args(flags);
        command.env("HUAWEICLOUD_SDK_AK", ACCESS_KEY).env("HUAWEICLOUD_SDK_SK", SECRET_KEY);
        // Nothing of this machine is at hand.
        command.env("KUBECONFIG", "/nowhere/config").env("HOME", "/nowhere");
        command
    }
}

fn id(n: u32) -> String {
    format!("{n:08x}-2222-3333-4444-555555555555")
}

fn cluster(n: u32, name: &str) -> Cluster {
    Cluster::new(id(n), name)
}

/// The documents of a stream.
fn documents(yaml: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(yaml).unwrap()
}

fn names(yaml: &str) -> Vec<String> {
    let names =
        documents(yaml).into_iter().map(|document| document["metadata"]["name"].as_str().unwrap().to_owned());
    names.collect()
}
