//! Pods without a kubelet: the Job controller makes the pod of a Job, the test runs the command of its container as the
//! pod has it, and reports the exit code to the API server as a kubelet would.
//!
//! It needs a control plane with a controller manager: `hack/control-plane/run.sh --with-controller-manager`.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Namespace, Pod, Secret, ServiceAccount},
};
use kube::{
    ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;

use crate::{
    program::{self, Ran},
    scene::{ACCESS_KEY, CLUSTER, REGION, SECRET_KEY, Scene},
    wait::{LIMIT, holds, until},
};

/// What a container reports that SIGKILL has ended.
const KILLED: i32 = 137;

/// Enforces the restricted Pod Security Standard in the scene's namespace: the API server refuses a pod that asks for more.
pub async fn restricted(scene: &Scene) {
    let labels = json!({ "metadata": { "labels": { "pod-security.kubernetes.io/enforce": "restricted" } } });
    let namespaces: kube::Api<Namespace> = kube::Api::all(scene.client.clone());
    namespaces.patch(&scene.namespace, &PatchParams::default(), &Patch::Merge(labels)).await.unwrap();
}

/// Makes the scene's namespace one of those that hold Jobs: a restricted one, with the Secret `huawei-backup`.
pub async fn prepare(scene: &Scene) {
    restricted(scene).await;
    scene.secret("huawei-backup", json!({ "accessKey": ACCESS_KEY, "secretKey": SECRET_KEY })).await;
    until("pods may be made", LIMIT, async || {
        scene.api::<ServiceAccount>().get_opt("default").await.unwrap()
    })
    .await;
}

/// Creates a Job from a manifest for the namespace `platform`, and returns its name.
pub fn create(scene: &Scene, manifest: &str) -> String {
    let ours = manifest.replace("namespace: platform\n", &format!("namespace: {}\n", scene.namespace));
    let arguments = ["create", "--validate=strict", "--output=jsonpath={.metadata.name}", "--filename=-"];
    scene.cluster.kubectl(&scene.namespace, &arguments, &ours).unwrap()
}

/// Runs the pod that the Job controller makes of a Job, to the end of its container.
pub async fn run_pod(scene: &Scene, job: &str) -> Ran {
    let pod = pending_pod(scene, job).await;
    let ran = program::run(&mut container(scene, &pod).await);
    report(scene, &pod, ran.code.unwrap_or(KILLED)).await;
    ran
}

/// Runs the pod of a Job, and kills its container as soon as it has asked for a backup, as when its node goes away.
pub async fn run_pod_until_it_starts_a_backup(scene: &Scene, job: &str) {
    let pod = pending_pod(scene, job).await;
    let mut container = container(scene, &pod).await;
    let mut running = container.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    holds("a backup is started", LIMIT, async || scene.cloud.start_requests(CLUSTER) > 0).await;
    running.kill().unwrap();
    running.wait().unwrap();
    report(scene, &pod, KILLED).await;
}

/// Waits until a Job has ended, and returns how: `Complete`, or `Failed` with the reason and the number of pods that
/// failed, such as `Failed PodFailurePolicy 1`.
pub async fn end(scene: &Scene, job: &str) -> String {
    until("the Job has ended", Duration::from_mins(1), async || {
        ended(&scene.api::<Job>().get(job).await.unwrap())
    })
    .await
}

/// How a Job has ended, if it has.
pub fn ended(job: &Job) -> Option<String> {
    let status = job.status.as_ref()?;
    let conditions = status.conditions.iter().flatten();
    let last = conditions
        .rev()
        .find(|c| c.status == "True" && ["Complete", "Failed"].contains(&c.type_.as_str()))?;
    if last.type_ == "Complete" {
        return Some("Complete".to_owned());
    }
    let reason = last.reason.as_deref().unwrap_or_default();
    Some(format!("Failed {reason} {}", status.failed.unwrap_or_default()))
}

async fn pending_pod(scene: &Scene, job: &str) -> Pod {
    let of_job = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={job}"));
    until("the Job has a pod that has not run", LIMIT, async || {
        let pods = scene.api::<Pod>().list(&of_job).await.unwrap();
        pods.items.into_iter().find(|pod| pod.status.as_ref().unwrap().phase.as_deref() == Some("Pending"))
    })
    .await
}

/// The command of a pod's only container, with its arguments and its variables. The address of the simulated cloud comes by
/// variables, so that no argument of the pod is changed.
async fn container(scene: &Scene, pod: &Pod) -> Command {
    let container = &pod.spec.as_ref().unwrap().containers[0];
    let mut command = Command::new(program::operator());
    command.args(container.args.iter().flatten()).env_clear();
    command.env("CBW_REGION_ENDPOINT", format!("{REGION}={}", scene.cloud.url())).env("CBW_INTERVAL", "1s");
    for variable in container.env.iter().flatten() {
        let from = variable.value_from.as_ref().and_then(|from| from.secret_key_ref.as_ref());
        let Some(key) = from.filter(|key| key.optional != Some(true)) else { continue };
        let secret = scene.api::<Secret>().get(&key.name).await.unwrap();
        let value = &secret.data.unwrap()[&key.key];
        command.env(&variable.name, std::str::from_utf8(&value.0).unwrap());
    }
    command
}

async fn report(scene: &Scene, pod: &Pod, code: i32) {
    let phase = if code == 0 { "Succeeded" } else { "Failed" };
    let status = json!({ "status": { "phase": phase, "containerStatuses": [{
        "name": pod.spec.as_ref().unwrap().containers[0].name, "image": "x", "imageID": "x", "ready": false, "restartCount": 0,
        "state": { "terminated": { "exitCode": code } },
    }] } });
    let pods = scene.api::<Pod>();
    pods.patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
}
