//! The controllers of Flux as processes: their definitions, their start, and the reconciles that are requested of them, awaited, and
//! counted in the audit log.

use std::{fs, path::Path, process::Command};

use cbw_testkit::program::{self, ROOT, Server, folder};
use cbw_testkit::wait::{LIMIT, holds, until};
use cbw_testkit::{audit::Log, scene::Scene};
use jiff::Timestamp;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::runtime::wait::await_condition;
use serde_json::{Value, json};

use super::fleet::Fleet;

/// Applies the definitions that the pinned modules of Flux bring.
pub async fn define(scene: &Scene) {
    let [ours, sources] = ["hack/control-plane/modules/flux", "hack/flux/definitions"];
    for (name, pin) in
        [("kustomize-controller", ours), ("helm-controller", ours), ("source-controller", sources)]
    {
        let mut go = Command::new("go");
        go.args(["mod", "download", "-json", &format!("github.com/fluxcd/{name}")]);
        go.envs([("GOFLAGS", "-mod=readonly"), ("GOWORK", "off")]).current_dir(Path::new(ROOT).join(pin));
        let module: Value = serde_json::from_str(&program::run(&mut go).stdout).unwrap();
        let bases = format!("{}/config/crd/bases", module["Dir"].as_str().unwrap());
        scene.cluster.kubectl("default", &["apply", "--server-side", "--filename", &bases], "").unwrap();
    }
    // "kubectl wait" fails on a definition that has no conditions yet.
    let wait = ["wait", "crd", "--all", "--for=condition=Established", "--timeout=1s"];
    until("the definitions serve", LIMIT, async || scene.cluster.kubectl("default", &wait, "").ok()).await;
}

/// Starts a controller for the scene's namespace, with a service account of its own that may do everything, as `flux install` makes it.
/// By the account its requests are known in the audit log.
pub async fn start(scene: &Scene, name: &str) -> Server {
    let (namespace, role) = (&scene.namespace, format!("{}-{name}", scene.namespace));
    let account = format!("--serviceaccount={namespace}:{name}");
    scene.cluster.kubectl(namespace, &["create", "serviceaccount", name], "").unwrap();
    let binding = ["create", "clusterrolebinding", &role, "--clusterrole=cluster-admin", &account];
    scene.cluster.kubectl(namespace, &binding, "").unwrap();
    let home = folder().join(&role);
    fs::create_dir_all(&home).unwrap();
    let (log, kubeconfig) = (home.join("log"), home.join("kubeconfig"));
    fs::write(&kubeconfig, scene.cluster.kubeconfig_of(&scene.token(name).await, None, namespace)).unwrap();
    let mut command = Command::new(program::tool(name));
    command
        .args(["--metrics-addr=127.0.0.1:0", "--health-addr=127.0.0.1:0", "--watch-all-namespaces=false"])
        // What waits for a dependency looks again after a second and not after 30: that delay of Flux is not what is tried here.
        .args(["--log-encoding=console", "--requeue-dependency=1s"])
        .envs([("KUBECONFIG", &kubeconfig), ("HOME", &home), ("TMPDIR", &home)])
        .env("RUNTIME_NAMESPACE", namespace);
    let server = Server::start(command, log);
    holds("the controller has started", LIMIT, async || server.text().contains("Starting workers")).await;
    server
}

impl Fleet {
    /// The objects of one kind of Flux.
    pub fn flux(&self, kind: &str) -> Api<DynamicObject> {
        let (group, version) = match kind {
            "Kustomization" => ("kustomize.toolkit.fluxcd.io", "v1"),
            "HelmRelease" => ("helm.toolkit.fluxcd.io", "v2"),
            _ => ("source.toolkit.fluxcd.io", "v1"),
        };
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        Api::namespaced_with(self.scene.client.clone(), &self.scene.namespace, &kind)
    }

    /// Waits until an object of Flux meets a condition.
    pub async fn becomes(&self, kind: &str, name: &str, what: &str, holds: impl Fn(&DynamicObject) -> bool) {
        let objects = self.flux(kind);
        let condition = |object: Option<&DynamicObject>| object.is_some_and(&holds);
        if tokio::time::timeout(LIMIT, await_condition(objects.clone(), name, condition)).await.is_err() {
            let status = &objects.get(name).await.unwrap().data["status"];
            panic!("{kind} {name} is not within {LIMIT:?}: {what}\n{status:#}");
        }
    }

    /// Waits until an object says this of itself: the status of Ready, and in its message these words.
    pub async fn comes_to_say(&self, kind: &str, name: &str, ready: &str, words: &str) {
        let holds = |object: &DynamicObject| says(object).starts_with(ready) && says(object).contains(words);
        self.becomes(kind, name, &format!("{ready} {words}"), holds).await;
    }

    /// Waits until a Kustomization has done with the newest commit, and is Ready or not, as wanted, with these words.
    pub async fn comes_to(&self, name: &str, ready: &str, words: &[&str]) {
        self.becomes("Kustomization", name, &format!("{ready} {words:?}"), |object| {
            let working = condition(object, "Reconciling");
            object.data["status"]["lastAttemptedRevision"] == *self.revision()
                && (working.is_null() || working["reason"] == "ProgressingWithRetry")
                && condition(object, "Ready")["observedGeneration"].as_i64() == object.metadata.generation
                && says(object).starts_with(ready)
                && words.iter().all(|words| says(object).contains(words))
        })
        .await;
    }

    /// Waits until a Kustomization waits for another one.
    pub async fn waits_for(&self, name: &str, dependency: &str) {
        let words = format!("dependency '{}/{dependency}' is not ready", self.scene.namespace);
        self.comes_to_say("Kustomization", name, "False", &words).await;
    }

    /// Requests a reconcile, waits for its end, and returns what the object then says.
    pub async fn reconcile(&self, kind: &str, name: &str) -> String {
        let request = Timestamp::now().to_string();
        let annotations = json!({ "reconcile.fluxcd.io/requestedAt": request });
        let annotations = Patch::Merge(json!({ "metadata": { "annotations": annotations } }));
        // Flux takes away what the manager of kubectl has added, but nothing of its own command line.
        let params = PatchParams::apply("flux-client-side-apply");
        self.flux(kind).patch(name, &params, &annotations).await.unwrap();
        let handled = |object: &DynamicObject| object.data["status"]["lastHandledReconcileAt"] == *request;
        self.becomes(kind, name, "reconciled", handled).await;
        self.said(kind, name).await
    }

    /// What an object says of itself: the status of Ready, and its message.
    pub async fn said(&self, kind: &str, name: &str) -> String {
        says(&self.flux(kind).get(name).await.unwrap())
    }

    /// So many reconciles of each object find nothing new, and write nothing. Returns how often they asked the API server for a dry
    /// run. What Flux writes of its own resources does not count.
    pub async fn writes_nothing(&self, times: usize, objects: &[(&str, &str)]) -> usize {
        let accounts = self.controllers.iter().map(|name| format!("{}:{name}", self.scene.namespace));
        let mut logs: Vec<_> = accounts.map(|name| Log::of_account(&self.scene.cluster, &name)).collect();
        // One of each at first, so that nothing is left to do of earlier changes.
        for time in 0..=times {
            for (kind, name) in objects {
                self.reconcile(kind, name).await;
            }
            if time == 0 {
                logs.iter_mut().flatten().for_each(drop);
            }
        }
        let changes = logs.iter_mut().flatten().filter(is_change);
        let dry = |line: &Value| line["requestURI"].as_str().unwrap().contains("dryRun=All");
        let (asked, written): (Vec<_>, Vec<_>) = changes.partition(dry);
        assert!(written.is_empty(), "{written:#?}");
        asked.len()
    }
}

/// Whether a request, as the audit log has it, is for a change of what belongs to others.
fn is_change(line: &Value) -> bool {
    let object = |field: &str| line["objectRef"][field].as_str().unwrap_or_default();
    !["get", "list", "watch"].contains(&line["verb"].as_str().unwrap())
        && !object("apiGroup").ends_with(".toolkit.fluxcd.io")
        && !["events", "leases", "selfsubjectaccessreviews"].contains(&object("resource"))
}

fn condition<'a>(object: &'a DynamicObject, type_: &str) -> &'a Value {
    let mut conditions = object.data["status"]["conditions"].as_array().into_iter().flatten();
    conditions.find(|condition| condition["type"] == type_).unwrap_or(&Value::Null)
}

fn says(object: &DynamicObject) -> String {
    let text = |field| condition(object, "Ready")[field].as_str().unwrap_or_default();
    format!("{} {}", text("status"), text("message"))
}
