//! What one story has: a namespace in place of the pages' `flux-system` and `platform`, a cloud, the controllers, the repository
//! `fleet.git`, and the manifests of the pages.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, process::Command};

use cbw_testkit::program::{ROOT, Server, folder};
use cbw_testkit::registry;
use cbw_testkit::scene::{self, CLUSTER, Scene};
use cbw_testkit::trial::skip;
use cce_backup_watch::api::ClusterBackupWatch;
use cce_simulator::Task;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::controllers;

/// The name of the chart and of its release, and the namespace of the release.
pub const NAME: &str = "cce-backup-watch";

/// A repository with what Flux applies of it.
pub struct Fleet {
    /// The namespace, and the cloud.
    pub scene: Scene,
    /// What has been committed.
    pub files: PathBuf,
    /// How often.
    pub commits: AtomicUsize,
    /// Where it is served from.
    pub registry: String,
    /// Who applies it.
    pub controllers: &'static [&'static str],
    _servers: Vec<Server>,
}

impl Fleet {
    /// A good backup, and a repository with a watch of it, which the documented Kustomization `backup-watches` applies. That waits until
    /// the folder of `operators` is published, a Kustomization that the page names without showing it.
    pub async fn new(scene: Scene, controllers: &'static [&'static str]) -> Self {
        if Command::new("go").arg("version").output().is_err() {
            skip("go is not on PATH");
        }
        controllers::define(&scene).await;
        let log = folder().join(format!("{}-registry.log", scene.namespace));
        let (port, server) = registry::start(log).await;
        let registry = format!("localhost:{port}");
        let mut servers = vec![server];
        for name in controllers {
            servers.push(controllers::start(&scene, name).await);
        }
        let files = folder().join(format!("{}-fleet", scene.namespace));
        let commits = AtomicUsize::new(0);
        let fleet = Self { scene, files, commits, registry, controllers, _servers: servers };
        fleet.add_repository("flux-system");
        fleet.apply(&json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": { "name": "operators" },
            "spec": {
                "interval": "10m", "retryInterval": "30s", "path": "./operators", "prune": true, "wait": true, "timeout": "5m",
                "sourceRef": { "kind": "GitRepository", "name": "flux-system" },
            },
        }));
        fleet.apply(&fleet.documented("Kustomization", "backup-watches"));
        fleet.backups("Success");
        fleet.publish("backup-watches", &[fleet.watch("prod", "huawei")]).await;
        fleet
    }

    /// A `GitRepository` of the one repository.
    pub fn add_repository(&self, name: &str) {
        self.apply(&json!({
            "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": { "name": name },
            "spec": { "interval": "1h", "url": "https://git.example.com/fleet.git", "ref": { "branch": "main" } },
        }));
    }

    /// A page, with the fleet's namespace.
    pub fn page(&self, path: &str) -> String {
        let text = fs::read_to_string(Path::new(ROOT).join("docs").join(path)).unwrap();
        let ours = &self.scene.namespace;
        let text = text.replace("namespace: flux-system", &format!("namespace: {ours}"));
        text.replace("namespace: platform", &format!("namespace: {ours}"))
            .replace("--namespace platform", &format!("--namespace {ours}"))
    }

    /// A manifest of `docs/gitops.md`.
    pub fn documented(&self, kind: &str, name: &str) -> Value {
        let page = self.page("gitops.md");
        let blocks = page.split("\n```").filter_map(|block| block.strip_prefix("yaml\n"));
        let documents = blocks.flat_map(|block| serde_saphyr::from_multiple::<Value>(block).unwrap());
        let mut named = documents.filter(|one| one["kind"] == kind && one["metadata"]["name"] == name);
        named.next().unwrap_or_else(|| panic!("docs/gitops.md has no {kind} {name}"))
    }

    /// Applies a manifest. The API server must know each of its fields.
    pub fn apply(&self, manifest: &Value) {
        let strictly = ["apply", "--server-side", "--validate=strict", "--filename=-"];
        self.scene.cluster.kubectl(&self.scene.namespace, &strictly, &manifest.to_string()).unwrap();
    }

    /// Applies a Kustomization of the page under this name, with these changes to its spec; null removes a field.
    pub fn apply_as(&self, name: &str, of: &str, changes: &Value) {
        let mut manifest = self.documented("Kustomization", of);
        manifest["metadata"]["name"] = name.into();
        for (field, value) in changes.as_object().unwrap() {
            manifest["spec"][field] = value.clone();
        }
        manifest["spec"].as_object_mut().unwrap().retain(|_, value| !value.is_null());
        self.apply(&manifest);
    }

    /// Runs kubectl in the namespace, which waits for the end of what it deletes.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        self.scene.cluster.kubectl(&self.scene.namespace, arguments, "").unwrap()
    }

    /// The manifest of a watch that reads this Secret.
    pub fn watch(&self, name: &str, secret: &str) -> Value {
        let changes = json!({ "maxAge": "26h", "credentials": { "secretRef": { "name": secret } } });
        let mut watch = scene::watch(name, &changes);
        watch["metadata"]["namespace"] = self.scene.namespace.as_str().into();
        watch
    }

    /// The watch `prod` as it is.
    pub async fn prod(&self) -> ClusterBackupWatch {
        self.scene.api().get("prod").await.unwrap()
    }

    /// Whether there is a watch.
    pub async fn has(&self, name: &str) -> bool {
        self.scene.api::<ClusterBackupWatch>().get_opt(name).await.unwrap().is_some()
    }

    /// From now on the cloud lists one backup, which has just ended in this phase.
    pub fn backups(&self, phase: &str) {
        self.scene.cloud.set_tasks(CLUSTER, [Task::new(format!("{phase}-{}", Timestamp::now()), phase)]);
    }

    /// The same of a failure, and the watch `prod` says so.
    pub async fn backup_fails(&self) {
        self.backups("Failed");
        self.scene.asks("prod", &Timestamp::now().to_string()).await;
        self.says_of_backup("False BackupFailed").await;
    }

    /// Waits until the watch `prod` says this of the backup.
    pub async fn says_of_backup(&self, words: &str) {
        self.scene.shows("prod", words, |status| scene::healthy(status) == words).await;
    }

    /// The newest commit, as a source names it.
    pub fn revision(&self) -> String {
        format!("main@sha1:{:040x}", self.commits.load(Ordering::Relaxed))
    }
}
