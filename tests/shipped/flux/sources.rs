//! The part of source-controller, which does not run: an artifact is taken out of the Git repository or the OCI registry as the
//! resource asks for it, and written into the status, from which the other controllers read it. There is no Git either: what is
//! committed is a folder of this machine. The registry serves every artifact, as a blob.

use std::{fs, path::Path, process::Command, sync::atomic::Ordering};

use cbw_testkit::program::{self, folder};
use cbw_testkit::wait::{LIMIT, until};
use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::fleet::{Fleet, NAME};

impl Fleet {
    /// Commits that a folder holds these manifests and nothing else, and gives the commit to every `GitRepository`.
    pub async fn publish(&self, folder: &str, manifests: &[Value]) {
        let place = self.files.join(folder);
        // A story may name a folder for the first time.
        let _ = fs::remove_dir_all(&place);
        fs::create_dir_all(&place).unwrap();
        let text = manifests.iter().map(Value::to_string).collect::<Vec<_>>().join("\n---\n");
        let (file, text) = match manifests {
            [] => ("kustomization.yaml", "resources: []"),
            _ => ("manifests.yaml", text.as_str()),
        };
        fs::write(place.join(file), text).unwrap();
        self.commits.fetch_add(1, Ordering::Relaxed);
        let archive = Command::new("tar").args(["-cz", "."]).current_dir(&self.files).output().unwrap();
        assert!(archive.status.success(), "{archive:?}");
        let digest = digest(&archive.stdout);
        self.request("POST", &format!("git/blobs/uploads/?digest={digest}"), archive.stdout).await;
        for source in self.flux("GitRepository").list(&ListParams::default()).await.unwrap() {
            let (name, revision) = (source.name_any(), self.revision());
            self.write_artifact("GitRepository", &name, &revision, "git", &digest).await;
        }
    }

    /// Pushes a chart as this version, to the path that the pages name.
    pub fn push_chart(&self, chart: &Path, version: &str) {
        let (chart, package) = (chart.to_str().unwrap(), format!("{NAME}-{version}.tgz"));
        let target = format!("oci://{}/{NAME}/charts", self.registry);
        let helm =
            |arguments: &[&str]| program::run(Command::new("helm").current_dir(folder()).args(arguments));
        helm(&["package", chart, "--version", version]).ended(0, "");
        helm(&["push", "--plain-http", &package, &target]).ended(0, "");
    }

    /// Gives the newest chart in the range of the `OCIRepository` to it, as the layer that it selects.
    pub async fn publish_chart(&self) {
        let sources = self.flux("OCIRepository");
        let source = async || sources.get_opt(NAME).await.unwrap();
        let source = until("Flux has applied the OCIRepository", LIMIT, source).await;
        let spec = &source.data["spec"];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (url, range) = (text(&spec["url"]), text(&spec["ref"]["semver"]));
        let path = url.strip_prefix("oci://ghcr.io/").expect("an address of the pages");
        let range = range.strip_suffix('x').expect("a range of patches, the only one that is known here");
        assert_eq!(spec["layerSelector"]["operation"], "copy");

        let tags = self.request("GET", &format!("{path}/tags/list"), vec![]).await;
        let tags: Value = serde_json::from_slice(&tags).unwrap();
        let tags = tags["tags"].as_array().unwrap().iter().map(text);
        let patches = tags.filter_map(|tag| Some((tag.strip_prefix(range)?.parse::<u64>().ok()?, tag)));
        let (_, tag) = patches.max().unwrap_or_else(|| panic!("no chart of {range}x has been pushed"));
        let manifest = self.request("GET", &format!("{path}/manifests/{tag}"), vec![]).await;
        let revision = format!("{tag}@{}", digest(&manifest));
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        let mut layers = manifest["layers"].as_array().unwrap().iter();
        let selected = layers.find(|layer| layer["mediaType"] == spec["layerSelector"]["mediaType"]);
        let layer = selected.unwrap_or_else(|| panic!("the chart has no such layer: {manifest:#}"));
        self.write_artifact("OCIRepository", NAME, &revision, path, &text(&layer["digest"])).await;
    }

    /// Writes the status as source-controller does after a fetch.
    async fn write_artifact(&self, kind: &str, name: &str, revision: &str, path: &str, digest: &str) {
        let (sources, now) = (self.flux(kind), Timestamp::now());
        let generation = sources.get(name).await.unwrap().metadata.generation;
        let url = format!("http://{}/v2/{path}/blobs/{digest}", self.registry);
        let artifact = json!({ "path": digest, "revision": revision, "url": url, "digest": digest, "lastUpdateTime": now });
        let ready = json!({
            "type": "Ready", "status": "True", "reason": "Succeeded", "message": format!("stored artifact for revision {revision}"),
            "observedGeneration": generation, "lastTransitionTime": now,
        });
        let status = json!({ "observedGeneration": generation, "artifact": artifact, "conditions": [ready] });
        let status = Patch::Merge(json!({ "status": status }));
        sources.patch_status(name, &PatchParams::default(), &status).await.unwrap();
    }

    /// Asks the registry, and returns the body of its answer.
    async fn request(&self, method: &str, path: &str, body: Vec<u8>) -> Vec<u8> {
        let url = format!("http://{}/v2/{path}", self.registry);
        let request = program::http().request(method.parse().unwrap(), url);
        let answer =
            request.header("Content-Type", "application/octet-stream").body(body).send().await.unwrap();
        answer.error_for_status().unwrap().bytes().await.unwrap().to_vec()
    }
}

fn digest(content: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(content)))
}
