//! What every scenario runs on: a scene of the testkit, whose cloud is slow and behind TLS, and the machine below.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use cbw_testkit::{
    audit::Log,
    cluster::Cluster,
    program::folder,
    scene::{ACCESS_KEY, ACCOUNT, SECRET_KEY, Scene},
    setup::define_as,
    tls::Tls,
};
use cce_simulator::{Config, Simulator, Task};
use jiff::{Timestamp, ToSpan};

use crate::{Result, process::Process};

/// A bench.
pub struct Bench {
    /// The namespace of the watches, and the cloud.
    pub scene: Scene,
    /// The endpoint of the cloud.
    pub tls: Tls,
    /// The kubeconfig of the operators that are measured, which may do everything.
    pub kubeconfig: PathBuf,
    /// The API server and etcd.
    pub servers: [Process; 2],
    audit: Log,
    /// The time from which the times of finished backups are counted back. It is fixed, so that a list that is set
    /// again is the same.
    epoch: Timestamp,
}

impl Bench {
    /// Installs a definition, unless it is empty, and starts a cloud that takes so long for each answer; there are no watches yet.
    pub async fn new(crd: &str, latency: Duration) -> Result<Self> {
        let cluster = Cluster::shared();
        define_as(&cluster, crd);
        let cloud = Simulator::start(Config::with_key(ACCESS_KEY, SECRET_KEY)).await?;
        cloud.set_latency(latency);
        let tls = Tls::start(&cloud, "127.0.0.1").await;
        // The same name each time, because every series has it: bytes of a scrape are compared with a record.
        let scene = Scene::of(cluster, "bench", "bench".to_owned(), Arc::new(cloud)).await;
        // Another operator may need other rights than this one, and each works in all namespaces.
        let account = format!("--serviceaccount={}:{ACCOUNT}", scene.namespace);
        let admin = ["create", "clusterrolebinding", "bench", "--clusterrole=cluster-admin", &account];
        scene.cluster.kubectl("default", &admin, "")?;
        let kubeconfig = folder().join("bench.kubeconfig");
        let token = scene.token(ACCOUNT).await;
        fs::write(&kubeconfig, scene.cluster.kubeconfig_of(&token, None, &scene.namespace))?;
        let server = |name: &str| Process::of_file(&scene.cluster.audit_log.with_file_name(name));
        let servers = [server("kube-apiserver.pid")?, server("etcd.pid")?];
        let audit = Log::open(&scene.cluster, &scene.namespace);
        Ok(Self { scene, tls, kubeconfig, servers, audit, epoch: Timestamp::now() })
    }

    /// The CPU time of the API server and etcd so far, in seconds.
    pub fn servers_cpu(&self) -> Result<f64> {
        Ok(self.servers[0].cpu_seconds()? + self.servers[1].cpu_seconds()?)
    }

    /// How many requests the operators have made of the API server since the last call.
    pub fn new_requests(&mut self) -> usize {
        self.audit.count_new()
    }

    /// How many polls the cloud has seen since its counts were reset.
    pub fn polls(&self) -> u64 {
        let total = self.scene.cloud.total();
        total.accepted + total.refused
    }

    /// How many clusters were polled since the counts were reset.
    pub fn polled_clusters(&self) -> usize {
        self.scene.cloud.counts_by_cluster().len()
    }

    /// Lists so many finished backups for a cluster, one a day, after one that began just now if there is one. Another
    /// generation gives them other ids, so that they are new to an operator.
    pub fn set_backups(&self, cluster: &str, generation: usize, newest: Option<Task>, finished: usize) {
        let mut end = self.epoch;
        let finished = (1..=finished).map(|number| {
            end -= 24.hours();
            let task = Task::new(format!("{cluster}-{generation}-{number}"), "Success").progress(100);
            task.created(end - 3.minutes()).updated(end).completed(end)
        });
        self.scene.cloud.set_tasks(cluster, newest.into_iter().chain(finished));
    }
}

/// The processor, its number of cores and how busy they are, which a reader needs to judge a figure of time.
pub fn machine() -> Result<String> {
    let processors = fs::read_to_string("/proc/cpuinfo")?;
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("a processor without a name", |(_, model)| model.trim());
    let cores = std::thread::available_parallelism()?;
    let load = fs::read_to_string("/proc/loadavg")?;
    let load = load.split(' ').next().unwrap_or_default();
    Ok(format!("{cores} cores of {model}, a load of {load} at the start"))
}
