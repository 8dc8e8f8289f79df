//! A control plane of a test's own, whose servers it may kill and start again.
//!
//! `hack/control-plane/run.sh` starts it inside the run that all tests share. When this process closes the script's
//! stdin, on purpose or by dying, the script ends the servers and everything that belongs to them. A server that is
//! started again has the arguments, the environment, the data and the port of the one that was killed.

use std::{
    ffi::OsString,
    fs::{self, File},
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use super::{
    cluster::Cluster,
    program::ROOT,
    wait::{holds, until},
};

const API_SERVER: &str = "kube-apiserver";
const ETCD: &str = "etcd";
/// How long a server may take to start, far above what it needs.
const START_LIMIT: Duration = Duration::from_mins(6);

/// A running control plane.
pub struct ControlPlane {
    /// How it is reached.
    pub cluster: Cluster,
    /// Where its servers keep what they write.
    state: PathBuf,
    run: Child,
    stopped: Vec<Stopped>,
    restarted: Vec<Child>,
}

/// How to start a server that was killed.
struct Stopped {
    name: &'static str,
    arguments: Vec<OsString>,
    environment: Vec<OsString>,
}

impl ControlPlane {
    /// Starts a control plane.
    pub async fn start(test: &str) -> Self {
        Self::start_with(test, &[]).await
    }

    /// The same, with flags of `run.sh`.
    pub async fn start_with(test: &str, flags: &[&str]) -> Self {
        let state = Cluster::shared().audit_log.with_file_name(format!("control-plane-{test}"));
        let (started, log) = (state.with_extension("started"), state.with_extension("log"));
        let run = Command::new(Path::new(ROOT).join("hack/control-plane/run.sh"))
            .arg("--state-dir")
            .arg(&state)
            .args(flags)
            .args(["--", "sh", "-c", "echo started; exec cat >/dev/null"])
            .stdin(Stdio::piped())
            .stdout(File::create(&started).unwrap())
            // The script logs every server that was killed.
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let cluster = Cluster { kubeconfig: state.join("kubeconfig"), audit_log: state.join("audit.log") };
        let mut control_plane = Self { cluster, state, run, stopped: Vec::new(), restarted: Vec::new() };
        holds("the control plane has started", START_LIMIT, async || {
            let ended = control_plane.run.try_wait().unwrap();
            assert!(ended.is_none(), "the control plane did not start; {} says why", log.display());
            !fs::read(&started).unwrap().is_empty()
        })
        .await;
        control_plane
    }

    /// Kills the API server.
    pub async fn stop_api_server(&mut self) {
        self.stop(API_SERVER).await;
    }

    /// Starts the API server again, and waits until it is ready.
    pub async fn start_api_server(&mut self) {
        self.restart(API_SERVER);
        let client = self.cluster.client().await;
        until("the API server is ready", START_LIMIT, async || {
            let readyz = axum::http::Request::get("/readyz").body(Vec::new()).unwrap();
            client.request_text(readyz).await.ok()
        })
        .await;
    }

    /// Kills etcd.
    pub async fn stop_etcd(&mut self) {
        self.stop(ETCD).await;
    }

    /// Starts etcd again, and waits until it serves.
    pub async fn start_etcd(&mut self) {
        let log = self.state.join("etcd.log");
        let serving = || fs::read_to_string(&log).unwrap().matches("serving client traffic").count();
        let before = serving();
        self.restart(ETCD);
        holds("etcd serves", START_LIMIT, async || serving() > before).await;
    }

    async fn stop(&mut self, name: &'static str) {
        let pid = fs::read_to_string(self.pid_file(name)).unwrap().trim().to_owned();
        let process = Path::new("/proc").join(&pid);
        let strings = |file: &str| {
            let bytes = fs::read(process.join(file)).unwrap();
            let parts = bytes.split(|byte| *byte == 0).filter(|part| !part.is_empty());
            parts.map(|part| OsString::from_vec(part.to_vec())).collect::<Vec<_>>()
        };
        let (arguments, environment) = (strings("cmdline"), strings("environ"));
        assert!(Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
        holds("the server has ended", START_LIMIT, async || {
            self.restarted.retain_mut(|child| child.try_wait().unwrap().is_none());
            let state = fs::read_to_string(process.join("stat")).unwrap_or_default();
            // A zombie, which its parent has not waited for yet, holds no port and no file and counts as ended.
            state.is_empty() || state.contains(") Z ")
        })
        .await;
        self.stopped.push(Stopped { name, arguments, environment });
    }

    fn restart(&mut self, name: &str) {
        let index = self.stopped.iter().position(|stopped| stopped.name == name).unwrap();
        let Stopped { arguments, environment, .. } = self.stopped.swap_remove(index);
        let log = File::options().append(true).open(self.state.join(format!("{name}.log"))).unwrap();
        // The environment holds the mark by which run.sh finds what it has to end.
        let child = Command::new("env")
            .arg("--ignore-environment")
            .args(environment)
            .args(arguments)
            .current_dir(&self.state)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        fs::write(self.pid_file(name), child.id().to_string()).unwrap();
        self.restarted.push(child);
    }

    fn pid_file(&self, name: &str) -> PathBuf {
        self.state.join(format!("{name}.pid"))
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        drop(self.run.stdin.take());
        let _ = self.run.wait();
        for child in &mut self.restarted {
            let _ = child.wait();
        }
    }
}
