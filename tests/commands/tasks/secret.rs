//! `--secret`: the key from a Secret of the cluster that the current kubeconfig names.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use serde_json::json;

use super::*;

const SECRET: &str = "/api/v1/namespaces/platform/secrets/huawei";

impl Kubernetes {
    /// These are the values of the Secret.
    fn holds(&self, values: &[(&str, &str)]) {
        let values: BTreeMap<_, _> =
            values.iter().map(|(key, value)| (*key, ByteString((*value).into()))).collect();
        self.answers(vec![json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "huawei", "namespace": "platform"},
            "data": values,
        })]);
    }

    fn tasks(&self, simulator: &Simulator, flags: &[&str]) -> Command {
        let mut command = self.known_to(tasks(simulator, flags));
        // The environment's key is not the one that is asked for.
        command.args(["--secret", "platform/huawei"]).env("HUAWEICLOUD_SDK_SK", "another");
        command
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_is_the_secrets_alone() {
    let (simulator, kubernetes) = (simulator().await, Kubernetes::start(SECRET).await);
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
    let (simulator, kubernetes) = (simulator().await, Kubernetes::start(SECRET).await);
    kubernetes.holds(&[("accessKey", ACCESS_KEY)]);
    run(&mut kubernetes.tasks(&simulator, &[]))
        .said(3, "the Secret huawei cannot be used: it has accessKey, and needs the key secretKey");

    kubernetes.holds(&[("accessKey", ACCESS_KEY), ("secretKey", &format!("'{SECRET_KEY}'"))]);
    run(&mut kubernetes.tasks(&simulator, &[]))
        .said(3, "the Secret huawei cannot be used: secretKey holds quotes");

    for (code, reason, said) in [
        (404, "NotFound", "there is no Secret platform/huawei in the cluster of the current kubeconfig"),
        (403, "Forbidden", "the user of the current kubeconfig may not read the Secret platform/huawei"),
        (401, "Unauthorized", "cannot read the Secret platform/huawei: "),
        (500, "InternalError", "cannot read the Secret platform/huawei: "),
    ] {
        kubernetes.refuses(code, reason);
        run(&mut kubernetes.tasks(&simulator, &[])).said(3, said);
    }
    assert_eq!(simulator.requests(CLUSTER), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_outlasts_a_short_fault_of_kubernetes_and_a_rotated_key() {
    let (simulator, kubernetes) = (simulator().await, Kubernetes::start(SECRET).await);
    simulator.set_tasks(CLUSTER, [task("a", "Running", 0)]);
    kubernetes.holds(&[("accessKey", ACCESS_KEY), ("secretKey", SECRET_KEY)]);
    let wait = ["--wait", "--timeout", "30s", "--interval", "1s"];
    let command = start(&mut kubernetes.tasks(&simulator, &wait));
    until("a poll", || simulator.requests(CLUSTER) >= 1).await;
    kubernetes.refuses(500, "InternalError");
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
