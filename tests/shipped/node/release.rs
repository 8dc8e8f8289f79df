//! A release of the chart on the node, its pods, as the API server and the kernel see them, and the cloud that they poll.

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use cbw_testkit::{
    chart::CHART,
    cluster::Cluster,
    jobs,
    program::Server,
    scene::{ACCESS_KEY, CLUSTER, PROJECT, REGION, SECRET_KEY, Scene, ready},
    wait::{LIMIT, holds},
};
use cce_simulator::{Config, Simulator};
use serde_json::{Value, json};

use super::servers;

/// The release.
pub const RELEASE: &str = "cce-backup-watch";
/// A watch of a backup that does not end, so that its cluster is polled all the time.
const ENDLESS: &str = "endless";
/// The time without a poll that no test lets pass, far above what they take.
const LONGEST: Duration = Duration::from_mins(1);
/// The cluster of which the `CronJob` starts a backup.
pub const WAITS: &str = "33333333-2222-3333-4444-555555555555";
const NAMESPACE: &str = "backup";

/// A node that runs a release of the chart, which polls a cloud in this process.
pub struct Node {
    /// The namespace of the release and of its watches.
    pub scene: Scene,
    _servers: Vec<Server>,
}

impl Node {
    /// Starts it, and installs the release; nothing where there are no namespaces for a node.
    pub async fn start() -> Option<Self> {
        let address = std::env::var("NODE_ADDRESS").ok()?;
        let cluster = Cluster::shared();
        let servers = servers::start(&cluster).await;
        // The pods reach this address.
        let listen = format!("{address}:0").parse().unwrap();
        let cloud = Simulator::start(Config { listen, ..Config::with_key(ACCESS_KEY, SECRET_KEY) });
        let (client, cloud) = (cluster.client().await, Arc::new(cloud.await.unwrap()));
        cloud.set_tasks(WAITS, []);
        let scene = Scene { test: "node", namespace: NAMESPACE.to_owned(), cluster, client, cloud };
        let node = Self { scene, _servers: servers };
        node.kubectl(&["create", "namespace", NAMESPACE]);
        // The API server refuses a pod that violates the restricted Pod Security Standard.
        jobs::prepare(&node.scene).await;
        node.scene.secret("huawei", json!({ "accessKey": ACCESS_KEY, "secretKey": SECRET_KEY })).await;
        node.install(&json!({}));
        node.scene.task("Running", 10);
        node.scene.watch(ENDLESS, json!({})).await;
        Some(node)
    }

    /// Installs the release, or changes these values of it, and waits until its pods are ready. A node that a test has left
    /// without new pods gets some again.
    pub fn install(&self, changes: &Value) {
        let schedule = json!({
            "cloud": { "regionEndpoints": { REGION: self.scene.cloud.url() } },
            "scheduledBackup": {
                "enabled": true,
                "suspend": true,
                "clusters": [{ "name": "nightly", "region": REGION, "projectID": PROJECT, "clusterID": WAITS }],
                "credentials": { "secretName": "huawei-backup" },
            },
        });
        self.kubectl(&["uncordon", "node"]);
        let values = [schedule, changes.clone()].map(|values| format!("--set-json={values}"));
        let upgrade = ["upgrade", "--install", RELEASE, CHART, "--reuse-values", "--wait", "--timeout=3m"];
        self.helm(&[&upgrade[..], &[&values[0], &values[1]]].concat());
    }

    /// The same with two replicas, one of which leads, and a budget that lets one of them go at a time.
    pub async fn install_two(&self) {
        self.install(&json!({
            "replicaCount": 2, "leaderElection": { "enabled": true }, "podDisruptionBudget": { "enabled": true },
        }));
        holds("there are two pods", LIMIT, async || self.pods().len() == 2).await;
    }

    /// Runs helm in the namespace.
    pub fn helm(&self, arguments: &[&str]) {
        self.done(self.scene.cluster.helm(NAMESPACE, arguments));
    }

    /// Runs kubectl in the namespace.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        self.done(self.scene.cluster.kubectl(NAMESPACE, arguments, ""))
    }

    /// What a command said. If it has failed, the pods and the Events say why.
    fn done(&self, said: Result<String, String>) -> String {
        let why = ["get", "pods,events", "--output=wide"];
        said.unwrap_or_else(|said| {
            panic!("{said}{}", self.scene.cluster.kubectl(NAMESPACE, &why, "").unwrap())
        })
    }

    /// The names of the operator's pods. One that is stopping is among them until it is gone.
    pub fn pods(&self) -> Vec<String> {
        let operators = ["get", "pods", "--selector=app.kubernetes.io/component=controller", "--output=name"];
        self.kubectl(&operators).lines().map(|line| line.replacen("pod/", "", 1)).collect()
    }

    /// A value of an object, such as `deployment/x`, by its JSON path; empty where there is none.
    pub fn value(&self, object: &str, path: &str) -> String {
        self.kubectl(&["get", object, "--ignore-not-found", &format!("--output=jsonpath={{{path}}}")])
    }

    /// Runs a story of pods that come and go, and waits until two polls after its end. Says how long the longest time without a poll
    /// was, and fails if it was too long or if the watch has been blind.
    pub async fn polls_during(&self, what: &str, story: impl AsyncFnOnce()) {
        let running = Arc::new(());
        let (cloud, over) = (Arc::clone(&self.scene.cloud), Arc::downgrade(&running));
        // On a thread of the runtime, because the story's commands block this one. It ends with the story, also with one that fails.
        let longest = tokio::spawn(async move {
            let (mut seen, mut last, mut longest) = (cloud.requests(CLUSTER), Instant::now(), Duration::ZERO);
            while over.strong_count() > 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
                longest = longest.max(last.elapsed());
                let polls = cloud.requests(CLUSTER);
                if polls != seen {
                    (seen, last) = (polls, Instant::now());
                }
            }
            longest
        });
        story().await;
        self.scene.polled(CLUSTER, 2).await;
        drop(running);
        let longest = longest.await.unwrap();
        println!("longest time without a poll during {what}: {longest:.1?}");
        assert!(longest < LONGEST, "no poll for {longest:.1?} during {what}");
        self.never_blind(ENDLESS).await;
    }

    /// Fails unless every poll of a watch has succeeded.
    pub async fn never_blind(&self, watch: &str) {
        assert_eq!(ready(&self.scene.status(watch).await), "True Polled");
        let events = self.scene.reasons(watch).await;
        assert!(!events.contains_key("PollFailed"), "{watch}: {events:?}");
    }
}

/// The operator's processes: the pod and the folder in `/proc` of each. Those of pods are visible here, in the parent pid namespace.
pub fn processes() -> Vec<(String, String)> {
    let all = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().path().into_os_string().into_string().ok());
    let operator = |process: String| {
        let read = |file| fs::read(format!("{process}/{file}")).ok();
        let _ = read("cmdline")?.strip_prefix(b"/cce-backup-watch\0controller\0")?;
        let environment = String::from_utf8(read("environ")?).ok()?;
        let pod = environment.split('\0').find_map(|variable| variable.strip_prefix("HOSTNAME="))?;
        Some((pod.to_owned(), process))
    };
    all.filter_map(operator).collect()
}
