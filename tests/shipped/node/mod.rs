//! The chart's pod on a real kubelet and containerd. `hack/test-node.sh` runs these tests in namespaces of their own, with a control
//! plane, which end with it.
//!
//! They share one node. Each brings the release into the state that it needs.

mod release;
mod servers;

use std::{fs, process::Command, time::Duration};

use cbw_testkit::{
    audit,
    program::{Server, folder, run},
    scene::{CLUSTER, healthy, ready},
    trial::{Shared, Test, skip},
    wait::{LIMIT, SOON, holds, until},
};
use cce_simulator::Task;
use kube::ResourceExt;
use serde_json::json;

use self::release::{Node, RELEASE, WAITS, processes};

/// The tests of this part.
pub fn tests() -> Vec<Test> {
    let node = Shared::new(Node::start);
    vec![
        case(&node, "the pod has no right that it does not need", confined),
        case(&node, "a backup is followed to its end with the pod's own token", followed),
        case(&node, "helm test finds the Service", helm_test),
        case(&node, "a Job of the CronJob starts one backup", backs_up),
        case(&node, "a rolling update replaces both pods, and polls go on", rolled),
        case(&node, "a leader that is killed is started again, and polls go on", killed),
        case(&node, "a drain leaves one pod until the other has a successor", drained),
        case(&node, "helm uninstall stops the pods", uninstalled),
    ]
}

fn case(
    node: &Shared<Option<Node>>,
    sentence: &str,
    run: impl AsyncFn(&Node) + Send + Sync + 'static,
) -> Test {
    node.test(sentence.to_owned(), async move |node| match node {
        Some(node) => run(node).await,
        None => skip("it needs namespaces for a node, which hack/test-node.sh makes"),
    })
}

async fn confined(node: &Node) {
    node.install(&json!({}));
    let (_, process) = processes().remove(0);
    let status = fs::read_to_string(format!("{process}/status")).unwrap();
    for (field, value, means) in [
        ("Uid:", "65532 65532 65532 65532", "its user is not root"),
        ("Gid:", "65532 65532 65532 65532", "nor is its group"),
        ("Groups:", "65532", "it has no other group"),
        ("CapEff:", "0000000000000000", "it has no capability"),
        ("CapBnd:", "0000000000000000", "it can gain none"),
        ("NoNewPrivs:", "1", "not even by a program with more rights"),
        ("Seccomp:", "2", "its system calls are filtered"),
    ] {
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
        assert_eq!(line.split_whitespace().collect::<Vec<_>>().join(" "), value, "{means}: {field}");
    }
    let mounts = fs::read_to_string(format!("{process}/mountinfo")).unwrap();
    let root = mounts.lines().find(|mount| mount.split(' ').nth(4) == Some("/")).unwrap();
    let options = root.split(' ').nth(5).unwrap();
    assert!(options.split(',').any(|option| option == "ro"), "its root can be written: {root}");
}

async fn followed(node: &Node) {
    const WATCH: &str = "ends";
    const ENDS: &str = "22222222-2222-3333-4444-555555555555";
    node.install(&json!({}));
    let scene = &node.scene;
    node.kubectl(&["delete", "clusterbackupwatch", WATCH, "--ignore-not-found"]);
    scene.cloud.set_tasks(ENDS, []);
    let watch = scene.watch(WATCH, json!({ "clusterID": ENDS })).await;
    scene.shows(WATCH, "a poll without a backup", |status| ready(status) == "True Polled").await;

    // The name of its own tells its Events from those of an earlier run.
    let backup = format!("nightly-{}", watch.uid().unwrap());
    for (phase, progress) in [("Init", 0), ("Running", 50), ("Success", 100)] {
        scene.cloud.set_tasks(ENDS, [Task::new(&backup, phase).progress(progress)]);
        scene.shows(WATCH, phase, |status| status.phase.as_deref() == Some(phase)).await;
    }
    scene.shows(WATCH, "a healthy backup", |status| healthy(status).starts_with("True ")).await;
    for reason in ["BackupStarted", "BackupSucceeded"] {
        let told = async || scene.notes(WATCH, reason).await.iter().any(|note| note.contains(&backup));
        holds(reason, SOON, told).await;
    }
    node.never_blind(WATCH).await;

    let account = format!("{}:{RELEASE}", scene.namespace);
    let writers: Vec<_> = audit::Log::of_account(&scene.cluster, &account)
        .filter(|line| line["objectRef"]["subresource"] == "status" && line["objectRef"]["name"] == WATCH)
        .map(|line| line["user"]["extra"]["authentication.kubernetes.io/pod-name"][0].to_string())
        .collect();
    let pods: Vec<_> = node.pods().iter().map(|pod| format!("{pod:?}")).collect();
    let by_pods = !writers.is_empty() && writers.iter().all(|writer| pods.contains(writer));
    assert!(by_pods, "{writers:?} wrote the status, and the pods are {pods:?}");
}

async fn helm_test(node: &Node) {
    node.install(&json!({}));
    let address = node.value(&format!("service/{RELEASE}"), ".spec.clusterIP");
    let _dns = servers::dns(&format!("{RELEASE}.{}.svc.cluster.local", node.scene.namespace), &address);
    node.helm(&["test", RELEASE, "--timeout=2m"]);
}

async fn backs_up(node: &Node) {
    const JOB: &str = "nightly";
    node.install(&json!({}));
    node.kubectl(&["delete", "job", JOB, "--ignore-not-found"]);
    // No backup is there that is young enough.
    node.scene.cloud.restart();
    let before = node.scene.cloud.start_requests(WAITS);
    node.kubectl(&["create", "job", JOB, &format!("--from=cronjob/{RELEASE}-backup-nightly")]);
    node.kubectl(&["wait", "--for=condition=Complete", "--timeout=2m", &format!("job/{JOB}")]);
    assert_eq!(node.scene.cloud.start_requests(WAITS) - before, 1);
}

async fn rolled(node: &Node) {
    node.install_two().await;
    let before = node.pods();
    node.polls_during("a rolling update", async || {
        let again = format!("after {}", before.concat());
        node.install(&json!({ "podAnnotations": { "rolled": again } }));
        holds("both pods are new", LIMIT, async || {
            let now = node.pods();
            now.len() == 2 && now.iter().all(|pod| !before.contains(pod))
        })
        .await;
    })
    .await;
}

async fn killed(node: &Node) {
    node.install_two().await;
    let (pod, process) = until("one of the pods leads", LIMIT, async || {
        let holder = node.value(&format!("lease/{RELEASE}"), ".spec.holderIdentity");
        processes().into_iter().find(|(pod, _)| holder.starts_with(pod))
    })
    .await;
    let pod = format!("pod/{pod}");
    let container = |field| node.value(&pod, &format!(".status.containerStatuses[0].{field}"));
    let before: u32 = container("restartCount").parse().unwrap();
    node.polls_during("a kill of the leader", async || {
        run(Command::new("kill").args(["-KILL", process.trim_start_matches("/proc/")])).ended(0, "");
        let restarts = (before + 1).to_string();
        holds("it is started again", LIMIT, async || container("restartCount") == restarts).await;
        assert_eq!(container("lastState.terminated.exitCode"), "137");
        node.kubectl(&["wait", "--for=condition=Ready", "--timeout=2m", &pod]);
    })
    .await;
}

async fn drained(node: &Node) {
    node.install_two().await;
    node.polls_during("a drain of the node", async || {
        let (deployment, mut drain) = (format!("deployment/{RELEASE}"), Command::new("kubectl"));
        drain.args(["drain", "node", "--ignore-daemonsets", "--timeout=170s"]);
        let mut drain = Server::start(drain, folder().join("drain.log"));
        // The pod that is evicted first cannot start on another node, so the budget must refuse the eviction of the second.
        let refused = async || drain.text().contains("violate the pod's disruption budget");
        holds("the budget refuses the second eviction", LIMIT, refused).await;
        holds("one pod goes on", LIMIT, async || {
            processes().len() == 1 && node.value(&deployment, ".status.readyReplicas") == "1"
        })
        .await;
        node.scene.polled(CLUSTER, 2).await;
        // Once the node takes pods again, the first has a successor, and the second may be evicted.
        node.kubectl(&["uncordon", "node"]);
        assert!(drain.ended(Duration::from_mins(3)).await.success(), "{}", drain.text());
        node.kubectl(&["rollout", "status", &deployment, "--timeout=2m"]);
    })
    .await;
}

async fn uninstalled(node: &Node) {
    node.install(&json!({}));
    assert!(!processes().is_empty());
    node.helm(&["uninstall", RELEASE, "--wait", "--timeout=2m"]);
    holds("no process of it is left", Duration::from_secs(30), async || processes().is_empty()).await;
}
