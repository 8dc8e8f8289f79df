//! `cce-backup-watch discover` as a user runs it: the real command against the simulator over TLS.

mod existing;
mod faults;
mod hostile;
mod kubernetes;
mod manifests;

use std::path::PathBuf;

use crate::command::{tls::Tls, *};
use cce_simulator::Cluster;
use serde_json::Value;

const OTHER_PROJECT: &str = "ffffffffffffffffffffffffffffffff";

/// A simulator behind TLS.
struct Cloud {
    simulator: Simulator,
    tls: Tls,
}

impl Cloud {
    /// The project lists these clusters.
    async fn with(clusters: impl IntoIterator<Item = Cluster>) -> Self {
        let simulator = simulator().await;
        simulator.set_clusters(PROJECT, clusters);
        let tls = Tls::start(&simulator).await;
        Self { simulator, tls }
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

/// A folder of one test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("cbw-discover-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Left behind it would harm nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
