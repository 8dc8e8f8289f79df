//! Runs the operator as a process with the permissions of a service account, and reads its log, metrics and probes.
//! Dropping it kills the process, and prints the end of the log if the test fails.

use std::{
    fs::{self, File},
    process::{Command, ExitStatus},
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    api_proxy::ApiProxy,
    program::{self, Server, folder},
    scene::{ACCOUNT, REGION, Scene},
    wait::{LIMIT, holds, until},
};

/// The counter of reconciles that failed to read from the API server or to write to it.
pub const FAILED_RECONCILES: &str = r#"reconcile_total{result="error"}"#;

impl Scene {
    /// Starts the operator.
    pub async fn operator(&self) -> Operator {
        Operator::start(self, &[]).await
    }
}

/// A running operator.
pub struct Operator {
    server: Server,
    /// Where it serves metrics and probes.
    pub url: String,
}

impl Operator {
    /// Starts it for the scene's namespace and cloud, with further flags, and waits until it says that it has started.
    pub async fn start(scene: &Scene, flags: &[&str]) -> Self {
        Self::launch(None, scene, flags, &[]).await
    }

    /// The same, but it reaches the API server through this proxy.
    pub async fn start_through(proxy: &ApiProxy, scene: &Scene, flags: &[&str]) -> Self {
        Self::launch(Some(&proxy.server), scene, flags, &[]).await
    }

    /// The same, with environment variables.
    pub async fn start_with(scene: &Scene, flags: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::launch(None, scene, flags, variables).await
    }

    /// The same as the pod of a release does: with these arguments and no others, and with a token of this service account in the
    /// scene's namespace.
    pub async fn start_as(account: &str, scene: &Scene, arguments: &[String]) -> Self {
        let mut command = Command::new(program::operator());
        command.args(arguments);
        Self::run(command, None, scene, account).await
    }

    async fn launch(server: Option<&str>, scene: &Scene, flags: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program::operator());
        command
            .args(["controller", "--watch-namespace", &scene.namespace, "--listen", "127.0.0.1:0"])
            .args(["--region-endpoint", &format!("{REGION}={}", scene.cloud.url())])
            .args(flags)
            .env("CBW_LOG_FILTER", "info,cce_backup_watch=debug")
            .envs(variables.iter().copied());
        Self::run(command, server, scene, ACCOUNT).await
    }

    /// Starts a command that runs the operator, with a token of this service account in the scene's namespace, at the URL of the API
    /// server or at another one.
    pub async fn run(mut command: Command, server: Option<&str>, scene: &Scene, account: &str) -> Self {
        let folder = folder();
        // A sentence may have a colon, which separates files in KUBECONFIG.
        let test = scene.test.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        // A scene may have more than one operator.
        let mut names = (1..).map(|n| folder.join(format!("{test}-{n}.log")));
        let log = names.find(|name| !name.exists()).unwrap();
        // Taken at once, because another may start beside it.
        File::create(&log).unwrap();
        let kubeconfig = log.with_extension("kubeconfig");
        let token = scene.token(account).await;
        fs::write(&kubeconfig, scene.cluster.kubeconfig_of(&token, server, &scene.namespace)).unwrap();
        command.env("KUBECONFIG", kubeconfig);
        let mut operator = Self { server: Server::start(command, log), url: String::new() };
        operator.started(0).await;
        operator
    }

    /// Kills the operator with SIGKILL, in the middle of whatever it does.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Starts the operator again with the flags and the environment of the first start, and waits until it has started.
    pub async fn restart(&mut self) {
        let before = self.starts().len();
        self.spawn();
        self.started(before).await;
    }

    /// Starts the operator again as [`Operator::restart`] does, but does not wait until it has started.
    pub fn spawn(&mut self) {
        self.server.spawn();
    }

    /// The exit status of the process, if it has ended.
    pub fn exit(&mut self) -> Option<ExitStatus> {
        self.server.exit()
    }

    /// Sends a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        self.server.signal(name);
    }

    /// Waits until the process has ended.
    pub async fn ended(&mut self, limit: Duration) -> ExitStatus {
        self.server.ended(limit).await
    }

    /// Waits until it works: as the leader, or as a shard. Returns how long that took.
    pub async fn leads(&self, limit: Duration) -> Duration {
        let begun = Instant::now();
        holds("it leads", limit, async || self.metric("leader").await == Some(1.0)).await;
        begun.elapsed()
    }

    /// Waits until it says that it is ready.
    pub async fn is_ready(&self) {
        holds("it is ready", LIMIT, async || self.get("/readyz").await.0 == 200).await;
    }

    /// Its peak resident memory so far, in bytes.
    pub fn most_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.server.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// Limits its file descriptors.
    pub fn limit_descriptors(&self, limit: usize) {
        let status = Command::new("prlimit")
            .args(["--pid", &self.server.pid().to_string(), &format!("--nofile={limit}:{limit}")])
            .status();
        assert!(status.unwrap().success());
    }

    /// How many file descriptors it has open.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.server.pid())).unwrap().count()
    }

    /// Everything that it has logged.
    pub fn text(&self) -> String {
        self.server.text()
    }

    /// The lines of its log, in JSON.
    pub fn log(&self) -> Vec<Value> {
        self.text().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The token with which it authenticates to the API server.
    pub fn bearer(&self) -> String {
        let kubeconfig = fs::read_to_string(self.server.log.with_extension("kubeconfig")).unwrap();
        let kubeconfig: Value = serde_json::from_str(&kubeconfig).unwrap();
        kubeconfig["users"][0]["user"]["token"].as_str().unwrap().to_owned()
    }

    /// The status code and the body that it serves at an HTTP path.
    pub async fn get(&self, path: &str) -> (u16, String) {
        self.try_get(path).await.unwrap()
    }

    /// The same, where the connection may break.
    pub async fn try_get(&self, path: &str) -> reqwest::Result<(u16, String)> {
        let response = program::http().get(format!("{}{path}", self.url)).send().await?;
        Ok((response.status().as_u16(), response.text().await?))
    }

    /// The value of a metric, with its labels as they are exported.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        let (_, text) = self.get("/metrics").await;
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix("cce_backup_watch_")?.strip_prefix(name)?.strip_prefix(' '));
        value.map(|value| value.parse().unwrap())
    }

    /// Waits until a metric has this value. Metrics of a watch are computed from the cache, which sees a status a little after it was
    /// written.
    pub async fn exports(&self, name: &str, value: Option<f64>) {
        holds(&format!("{name} is {value:?}"), LIMIT, async || self.metric(name).await == value).await;
    }

    /// The sum of a metric over all its labels.
    pub async fn metric_sum(&self, name: &str) -> f64 {
        let (_, text) = self.get("/metrics").await;
        let prefix = format!("cce_backup_watch_{name}{{");
        let values = text.lines().filter(|line| line.starts_with(&prefix));
        values.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }

    /// The addresses where it has listened, one for each start, as its log has them.
    fn starts(&self) -> Vec<String> {
        let lines = self.log();
        let starts = lines.iter().filter(|line| line["message"] == "started");
        starts.filter_map(|line| line["listen"].as_str().map(str::to_owned)).collect()
    }

    async fn started(&mut self, before: usize) {
        self.url = until("the operator has started", LIMIT, async || {
            let ended = self.exit();
            assert!(ended.is_none(), "the operator ended at its start: {ended:?}");
            self.starts().get(before).map(|address| format!("http://{address}"))
        })
        .await;
    }
}
