//! `--secret`: the key from a Secret of the cluster that the current kubeconfig names.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::{Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use serde_json::{Value, json};

use super::*;

/// What the API server answers when asked for `platform/huawei`.
type Answer = Arc<Mutex<(StatusCode, Value)>>;

/// An API server that knows one path, and a kubeconfig that leads to it.
struct Kubernetes {
    answer: Answer,
    kubeconfig: PathBuf,
}

impl Kubernetes {
    async fn start(name: &str) -> Self {
        let answer = Answer::new(Mutex::new((StatusCode::OK, Value::Null)));
        let ask = async |State(answer): State<Answer>| {
            let (status, body) = answer.lock().unwrap().clone();
            (status, [("content-type", "application/json")], body.to_string()).into_response()
        };
        let router = Router::new()
            .route("/api/v1/namespaces/platform/secrets/huawei", get(ask))
            .with_state(answer.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });

        let kubeconfig = std::env::temp_dir().join(format!("cbw-kubeconfig-{name}-{}", std::process::id()));
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c", "users": [{"name": "u", "user": {}}],
            "clusters": [{"name": "k", "cluster": {"server": server}}],
            "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        });
        std::fs::write(&kubeconfig, config.to_string()).unwrap();
        Self { answer, kubeconfig }
    }

    fn answers(&self, status: StatusCode, body: Value) {
        *self.answer.lock().unwrap() = (status, body);
    }

    fn holds(&self, values: &[(&str, &str)]) {
        let values = values.iter().map(|(key, value)| ((*key).to_owned(), json!(base64(value.as_bytes()))));
        self.answers(
            StatusCode::OK,
            json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "huawei", "namespace": "platform"},
                "data": values.collect::<serde_json::Map<_, _>>(),
            }),
        );
    }

    fn tasks(&self, simulator: &Simulator, flags: &[&str]) -> Command {
        let mut command = tasks(simulator, flags);
        command.args(["--secret", "platform/huawei"]).env("KUBECONFIG", &self.kubeconfig);
        // The environment's key is not the one that is asked for.
        command.env("HUAWEICLOUD_SDK_SK", "another");
        command
    }
}

impl Drop for Kubernetes {
    fn drop(&mut self) {
        // Left behind it would harm nobody.
        let _ = std::fs::remove_file(&self.kubeconfig);
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = bytes.chunks(3).flat_map(|chunk| {
        let bits = chunk.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte))
            << (8 * (3 - chunk.len()));
        (0..4).map(move |i| if i > chunk.len() { '=' } else { char::from(DIGITS[bits >> (18 - 6 * i) & 63]) })
    });
    digits.collect()
}

fn status(code: u16, reason: &str) -> (StatusCode, Value) {
    let body = json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": "no",
    });
    (StatusCode::from_u16(code).unwrap(), body)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_is_the_secrets_alone() {
    let (simulator, kubernetes) = (simulator().await, Kubernetes::start("key").await);
    simulator.set_tasks(CLUSTER, [task("a", "Success", 0)]);
    kubernetes.holds(&[
        ("accessKey", &format!("{ACCESS_KEY}\n")),
        ("secretKey", &format!("\u{feff} {SECRET_KEY}\r\n")),
        ("securityToken", ""),
    ]);
    let ran = run(&mut kubernetes.tasks(&simulator, &[]));
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
    assert_eq!(simulator.counts(CLUSTER).accepted, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_cannot_be_used_ends_with_3_and_says_why() {
    let (simulator, kubernetes) = (simulator().await, Kubernetes::start("unusable").await);
    kubernetes.holds(&[("accessKey", ACCESS_KEY)]);
    run(&mut kubernetes.tasks(&simulator, &[]))
        .said(3, "the Secret huawei cannot be used: it has accessKey, and needs the key secretKey");

    kubernetes.holds(&[("accessKey", ACCESS_KEY), ("secretKey", &format!("'{SECRET_KEY}'"))]);
    run(&mut kubernetes.tasks(&simulator, &[]))
        .said(3, "the Secret huawei cannot be used: secretKey holds quotes");

    for ((code, body), said) in [
        (
            status(404, "NotFound"),
            "there is no Secret platform/huawei in the cluster of the current kubeconfig",
        ),
        (
            status(403, "Forbidden"),
            "the user of the current kubeconfig may not read the Secret platform/huawei",
        ),
        (status(401, "Unauthorized"), "cannot read the Secret platform/huawei: "),
        (status(500, "InternalError"), "cannot read the Secret platform/huawei: "),
    ] {
        kubernetes.answers(code, body);
        run(&mut kubernetes.tasks(&simulator, &[])).said(3, said);
    }
    assert_eq!(simulator.requests(CLUSTER), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_outlasts_a_short_fault_of_kubernetes_and_a_rotated_key() {
    let (simulator, kubernetes) = (simulator().await, Kubernetes::start("rotated").await);
    simulator.set_tasks(CLUSTER, [task("a", "Running", 0)]);
    kubernetes.holds(&[("accessKey", ACCESS_KEY), ("secretKey", SECRET_KEY)]);
    let wait = ["--wait", "--timeout", "30s", "--interval", "1s"];
    let command = start(&mut kubernetes.tasks(&simulator, &wait));
    until("a poll", || simulator.requests(CLUSTER) >= 1).await;
    let (code, body) = status(500, "InternalError");
    kubernetes.answers(code, body);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    simulator.add_credential(cce_simulator::Credential::new("NEWACCESSKEY00000001", "new-secret"));
    simulator.remove_credential(ACCESS_KEY);
    simulator.set_tasks(CLUSTER, [task("a", "Success", 0)]);
    kubernetes.holds(&[("accessKey", "NEWACCESSKEY00000001"), ("secretKey", "new-secret")]);
    command.end().said(0, "the poll failed and is tried again: cannot read the Secret");
    assert_eq!(simulator.counts(CLUSTER).refused, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_kubeconfig_the_way_to_one_is_named() {
    let simulator = simulator().await;
    run(tasks(&simulator, &["--secret", "a/b"]).env("KUBECONFIG", "/nowhere/config").env("HOME", "/nowhere"))
        .said(3, "(KUBECONFIG, ~/.kube/config or a service account)");
}
