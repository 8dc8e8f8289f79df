//! The commands that ask the API server how watches stand, and the operator to look again: `status`, `poll`, and the names of
//! watches for `tasks` and `backup`. Each runs as a process, some with no more rights than the documentation names.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use cbw_testkit::{
    operator::Operator,
    program::{self, Ran, folder},
    rbac,
    scene::{ACCESS_KEY, CLUSTER, PROJECT, REGION, SECRET_KEY, Scene, healthy, kubectl, ready},
    trial::tests,
    wait::{LIMIT, holds, until},
};
use cce_simulator::{Cluster, Fault};
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use serde_json::{Value, json};

tests![
    status_has_the_worst_first_and_says_whether_an_operator_leads,
    status_without_a_lease_asks_the_deployment_and_else_cannot_tell,
    a_thousand_watches_are_shown_by_one_list,
    poll_says_who_did_not_answer,
    poll_gives_the_verdict_of_that_very_poll,
    poll_waits_for_the_end_of_a_backup_that_runs,
    tasks_and_backup_take_the_name_of_a_watch,
    discover_tries_the_key_that_the_watches_will_use,
];

/// A cluster that the cloud does not know.
const OTHER: &str = "99999999-2222-3333-4444-555555555555";

fn command(kubeconfig: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program::operator());
    command.args(arguments).stdin(Stdio::null()).env("KUBECONFIG", kubeconfig).env("TZ", "UTC");
    command
}

/// Runs a command with all rights.
fn run(scene: &Scene, arguments: &[&str]) -> Ran {
    program::run(&mut command(&scene.cluster.kubeconfig, arguments))
}

fn status(scene: &Scene, arguments: &[&str]) -> Ran {
    let place = ["status", "--namespace", &scene.namespace, "--operator-namespace", &scene.namespace];
    run(scene, &[&place, arguments].concat())
}

fn poll(scene: &Scene, arguments: &[&str]) -> Ran {
    let watch = format!("{}/prod", scene.namespace);
    run(scene, &[&["poll", &watch], arguments].concat())
}

/// The kubeconfig of a person who may do this with watches in the scene's namespace, and nothing else.
async fn person(scene: &Scene, verbs: &[&str]) -> PathBuf {
    let account: ServiceAccount =
        serde_json::from_value(json!({ "metadata": { "name": "person" } })).unwrap();
    scene.api().create(&PostParams::default(), &account).await.unwrap();
    let role = ["create", "role", "person", "--resource=clusterbackupwatches.cce.backupwatch.io"];
    let verbs_flag = format!("--verb={}", verbs.join(","));
    kubectl(&scene.namespace, &[&role[..], &[verbs_flag.as_str()]].concat(), "").unwrap();
    let subject = format!("--serviceaccount={}:person", scene.namespace);
    kubectl(&scene.namespace, &["create", "rolebinding", "person", "--role=person", &subject], "").unwrap();
    let user = format!("--as=system:serviceaccount:{}:person", scene.namespace);
    until("the rights are in force", LIMIT, async || {
        kubectl(&scene.namespace, &["auth", "can-i", verbs[0], "clusterbackupwatches", &user], "").ok()
    })
    .await;
    let token = kubectl(&scene.namespace, &["create", "token", "person"], "").unwrap();
    let path = folder().join(format!("{}-person.kubeconfig", scene.test));
    let kubeconfig = scene.cluster.kubeconfig_of(token.trim(), None, &scene.namespace);
    fs::write(&path, kubeconfig).unwrap();
    path
}

async fn status_has_the_worst_first_and_says_whether_an_operator_leads(scene: Scene) {
    rbac::grant(&scene, rbac::LEASES).await;
    let mut operator =
        Operator::start(&scene, &["--leader-elect", "--lease-namespace", &scene.namespace]).await;
    operator.leads(LIMIT).await;
    scene.task("Success", 100);
    scene.watch("good", json!({})).await;
    scene.watch("blind", json!({ "clusterID": OTHER })).await;
    scene.watch("off", json!({ "suspend": true })).await;
    let display = json!({ "metadata": { "annotations": { "cce.backupwatch.io/display-name": "生产集群" } } });
    scene.change("good", display).await;
    scene.shows("good", "a success", |status| healthy(status) == "True BackupSucceeded").await;
    scene.shows("blind", "its fault", |status| ready(status) == "False ClusterNotFound").await;
    scene.shows("off", "the suspension", |status| ready(status) == "True Suspended").await;

    let all = status(&scene, &[]);
    all.ended(1, "operator: alive");
    assert!(all.stdout.contains("holds the Lease"), "{all:#?}");
    let rows: Vec<_> = all.stdout.lines().filter(|line| line.starts_with(&scene.namespace)).collect();
    let names: Vec<_> = rows.iter().map(|row| row.split(['/', ' ']).nth(1).unwrap()).collect();
    assert_eq!(names, ["blind", "off", "good"], "{all:#?}");
    assert!(rows[0].contains("ClusterNotFound") && rows[2].contains("生产集群"), "{all:#?}");

    let good = format!("{}/good", scene.namespace);
    status(&scene, &[&good]).ended(0, "1 watch at");
    status(&scene, &[&good, "nowhere"]).ended(1, &format!("there is no watch {}/nowhere", scene.namespace));
    let json: Value = serde_json::from_str(&status(&scene, &["--output", "json"]).stdout).unwrap();
    assert_eq!(
        (&json["operator"]["state"], &json["watches"][0]["verdict"]),
        (&json!("alive"), &json!("blind"))
    );
    assert_eq!(json["watches"][2]["displayName"], "生产集群");

    operator.signal("TERM");
    operator.ended(LIMIT).await;
    status(&scene, &["good"]).ended(1, "AWAY, so what follows is old: nobody holds the Lease");
}

async fn status_without_a_lease_asks_the_deployment_and_else_cannot_tell(scene: Scene) {
    status(&scene, &[]).ended(0, "operator: cannot tell");
    let labels = json!({ "app.kubernetes.io/name": "cce-backup-watch" });
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "watch", "labels": labels },
        "spec": { "selector": { "matchLabels": labels }, "template": {
            "metadata": { "labels": labels }, "spec": { "containers": [{ "name": "controller", "image": "x", "args": ["controller"] }] },
        } },
    });
    kubectl(&scene.namespace, &["create", "--filename", "-"], &deployment.to_string()).unwrap();
    status(&scene, &[]).ended(1, "no pod is ready in the Deployment");
    let patch = r#"--patch={"status": {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1}}"#;
    let arguments = ["patch", "deployment", "watch", "--subresource=status", "--type=merge", patch];
    kubectl(&scene.namespace, &arguments, "").unwrap();
    status(&scene, &[]).ended(0, "operator: alive: 1 pod is ready in the Deployment");

    // Whoever may list watches alone sees them, and is told what else is missing.
    scene.watch("prod", json!({})).await;
    let person = person(&scene, &["list"]).await;
    let seen = program::run(&mut command(&person, &["status"]));
    seen.ended(0, "cannot tell: the user may list neither its Leases nor its Deployments");
    assert!(seen.stdout.contains(&format!("{}/prod", scene.namespace)), "{seen:#?}");
}

async fn a_thousand_watches_are_shown_by_one_list(scene: Scene) {
    let scene_ref = &scene;
    let creates =
        (0..1_000).map(|n| async move { scene_ref.watch(&format!("watch-{n:04}"), json!({})).await });
    stream::iter(creates).buffer_unordered(32).collect::<Vec<_>>().await;
    let person = person(&scene, &["list"]).await;
    let seen = program::run(&mut command(&person, &["status"]));
    seen.ended(0, "1000 watches at");
    assert_eq!(seen.stdout.matches("no operator has looked at this watch yet").count(), 1_000);
    let user = format!("system:serviceaccount:{}:person", scene.namespace);
    let log = fs::read_to_string(&scene.cluster.audit_log).unwrap();
    let lists =
        log.lines().filter(|line| line.contains(&user)).filter_map(|line| serde_json::from_str(line).ok());
    let lists = lists.filter(|line: &Value| {
        line["user"]["username"] == user.as_str() && line["objectRef"]["resource"] == "clusterbackupwatches"
    });
    assert_eq!(lists.count(), 1, "the requests for watches");
}

async fn poll_says_who_did_not_answer(scene: Scene) {
    poll(&scene, &[]).ended(3, &format!("there is no watch {}/prod", scene.namespace));
    scene.task("Success", 100);
    scene.watch("prod", json!({ "interval": "24h" })).await;
    poll(&scene, &["--timeout", "20s"]).ended(3, "no operator answered within 20s");

    let _operator = scene.operator().await;
    scene.shows("prod", "a success", |status| healthy(status) == "True BackupSucceeded").await;
    scene.cloud.set_fault(CLUSTER, Fault::status(503)).unwrap();
    poll(&scene, &["--timeout", "15s"]).ended(3, "the cloud did not answer within 15s: CloudUnavailable");
    scene.cloud.set_fault(CLUSTER, Fault::status(403)).unwrap();
    poll(&scene, &["--timeout", "40s"]).ended(3, "the watch does not see its cluster: PermissionDenied");
    scene.cloud.clear_fault(CLUSTER);
    poll(&scene, &[]).ended(0, "/prod: good: BackupSucceeded");

    scene.change("prod", json!({ "spec": { "suspend": true } })).await;
    poll(&scene, &[]).ended(3, "the watch is suspended, so nobody polls it");
}

async fn poll_gives_the_verdict_of_that_very_poll(scene: Scene) {
    let _operator = scene.operator().await;
    scene.task("Success", 100);
    scene.watch("prod", json!({ "interval": "24h" })).await;
    scene.shows("prod", "a success", |status| healthy(status) == "True BackupSucceeded").await;
    // No more rights than the documentation names.
    let person = person(&scene, &["get", "patch"]).await;
    let polled =
        |arguments: &[&str]| program::run(&mut command(&person, &[&["poll", "prod"], arguments].concat()));
    polled(&[]).ended(0, "/prod: good: BackupSucceeded");
    polled(&["--newer-than", "1h"]).ended(0, "/prod: good: BackupSucceeded");
    // The operator would look again in a day.
    scene.task("Failed", 40);
    polled(&[]).ended(1, "/prod: bad: BackupFailed");
    polled(&["--newer-than", "1h"]).ended(1, "/prod: bad: BackupFailed");
    scene
        .watch("none", json!({ "clusterID": "22222222-2222-3333-4444-555555555555", "interval": "24h" }))
        .await;
    scene.cloud.set_tasks("22222222-2222-3333-4444-555555555555", []);
    program::run(&mut command(&person, &["poll", "none"])).ended(0, "/none: unknown: NoBackup");
    program::run(&mut command(&person, &["poll", "none", "--newer-than", "1h"]))
        .ended(1, "no backup succeeded within the last 1h");
}

async fn poll_waits_for_the_end_of_a_backup_that_runs(scene: Scene) {
    let _operator = scene.operator().await;
    scene.task("Running", 10);
    scene.watch("prod", json!({})).await;
    scene.shows("prod", "10 %", |status| status.progress == Some(10)).await;
    poll(&scene, &[]).ended(0, "/prod: running: 10 %");
    poll(&scene, &["--newer-than", "1h", "--timeout", "30s"]).ended(1, "/prod: running: 10 %");
    let before = scene.status("prod").await.last_handled_reconcile_at;
    let watch = format!("{}/prod", scene.namespace);
    let arguments = ["poll", &watch, "--newer-than", "1h", "--timeout", "5m"];
    let waiting = command(&scene.cluster.kubeconfig, &arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It has asked once, and waits.
    holds("the poll is asked for", Duration::from_secs(20), async || {
        scene.status("prod").await.last_handled_reconcile_at != before
    })
    .await;
    scene.task("Success", 100);
    Ran::from(waiting.wait_with_output().unwrap()).ended(0, "/prod: good: BackupSucceeded");
}

async fn tasks_and_backup_take_the_name_of_a_watch(scene: Scene) {
    scene.task("Success", 100);
    scene.watch("prod", json!({})).await;
    let watch = format!("{}/prod", scene.namespace);
    let endpoint = format!("{REGION}={}", scene.cloud.url());
    let cloud = ["--region-endpoint", endpoint.as_str()];
    let tasks = run(&scene, &[&["tasks", &watch, "--output", "json"], &cloud[..]].concat());
    tasks.ended(0, "\"phase\": \"Success\"");
    let report: Value = serde_json::from_str(&tasks.stdout).unwrap();
    assert_eq!((&report["clusterID"], &report["region"]), (&json!(CLUSTER), &json!(REGION)));
    // A watch that is named outranks what a shell has exported.
    let mut exported = command(&scene.cluster.kubeconfig, &[&["tasks", &watch], &cloud[..]].concat());
    program::run(exported.env("CBW_REGION", "eu-west-0").env("CBW_CLUSTER_ID", OTHER)).ended(0, "backup-1");
    run(&scene, &[&["backup", &watch, "--dry-run"], &cloud[..]].concat())
        .ended(0, &format!("cluster {CLUSTER}"));
    let nowhere = format!("{}/nowhere", scene.namespace);
    run(&scene, &["tasks", &nowhere]).ended(3, &format!("there is no watch {nowhere}"));
    run(&scene, &["tasks", &watch, "--cluster-id", OTHER]).ended(2, "leave out --cluster-id");
}

async fn discover_tries_the_key_that_the_watches_will_use(scene: Scene) {
    scene.cloud.set_clusters(PROJECT, [Cluster::new(CLUSTER, "prod"), Cluster::new(OTHER, "gone")]);
    scene.secret("wrong", json!({ "accessKey": ACCESS_KEY, "secretKey": "wrong" })).await;
    let endpoint = format!("{REGION}={}", scene.cloud.url());
    let check = |secret: &str| {
        let place = ["--region", REGION, "--project-id", PROJECT, "--namespace", &scene.namespace];
        let flags = ["--region-endpoint", &endpoint, "--secret-name", secret, "--check"];
        let mut command =
            command(&scene.cluster.kubeconfig, &[&["discover"], &place[..], &flags[..]].concat());
        program::run(command.env("HUAWEICLOUD_SDK_AK", ACCESS_KEY).env("HUAWEICLOUD_SDK_SK", SECRET_KEY))
    };
    let right = check("huawei");
    right.ended(1, "gone would be blind (ClusterNotFound)");
    assert!(right.stdout.contains("name: prod"), "{right:#?}");
    right.ended(1, &format!("1 of 2 clusters answer to the key of the Secret {}/huawei", scene.namespace));
    // One refusal is enough: five would lock the key.
    let wrong = check("wrong");
    wrong.ended(1, "gone would be blind (AuthenticationFailed)");
    wrong.ended(1, "the others are not tried, because that is the same for them");
    check("nowhere").ended(3, "there is no Secret");
}
