//! The operator as the pod of a release runs it: with the arguments that the chart renders, the token of its account, and the
//! permissions that the release gives that account.

use std::{collections::BTreeSet, net::TcpListener, process::Command};

use cbw_testkit::{
    audit,
    control_plane::ControlPlane,
    operator::Operator,
    program,
    scene::{REGION, Scene, healthy, ready},
    trial::{Shared, Test},
    wait::{LIMIT, holds, until},
};
use k8s_openapi::api::coordination::v1::Lease;
use serde_json::{Value, json};

use crate::{helm::documents, release::Release};

/// The metrics that alerts and dashboard may use, each with its labels.
const METRICS: &str = include_str!("../monitoring/metrics.txt");

/// What is promised of the operator of each way to install the chart, and of one of them alone.
pub fn tests() -> Vec<Test> {
    let listed = Shared::new(async || {
        let scene = Scene::new("operator-of-listed-namespaces").await;
        Running::start(scene, None, &["watch.namespaces={SHOP}"]).await
    });
    // It watches every namespace, so it has an API server of its own.
    let whole = Shared::new(async || {
        let control_plane = ControlPlane::start("operator-of-a-whole-cluster").await;
        let scene = Scene::on(&control_plane, "operator-of-a-whole-cluster").await;
        let values = ["rbac.secretNames={huawei}", "leaderElection.enabled=true"];
        Running::start(scene, Some(control_plane), &values).await
    });
    let mut tests = vec![
        listed.test("the operator of listed namespaces leaves others alone".to_owned(), leaves_others_alone),
        whole.test("the operator of a whole cluster holds its Lease".to_owned(), holds_its_lease),
    ];
    for (who, running) in [("listed namespaces", &listed), ("a whole cluster", &whole)] {
        let named = |promise: &str| format!("the operator of {who} {promise}");
        tests.extend([
            running.test(named("is Ready and follows a backup to its end"), follows_a_backup),
            running.test(named("publishes Events"), publishes_events),
            running.test(named("asks for nothing that its role forbids"), asks_for_nothing_forbidden),
            running.test(named("answers what helm test asks"), answers_what_helm_test_asks),
            running.test(named("exports the metrics that are promised and no others"), exports_the_metrics),
        ]);
    }
    tests
}

/// The operator of a release, which has followed a backup of the watch `prod` to its end.
struct Running {
    release: Release,
    operator: Operator,
    /// The namespace of a watch, `other`, that the values do not name.
    elsewhere: Scene,
    _control_plane: Option<ControlPlane>,
}

impl Running {
    async fn start(scene: Scene, control_plane: Option<ControlPlane>, values: &[&str]) -> Self {
        let listen = format!("listen.port={}", free_port());
        let endpoint = format!("cloud.regionEndpoints.{REGION}={}", scene.cloud.url());
        let local = ["listen.address=127.0.0.1", &listen, &endpoint];
        let release = Release::install(scene, &[values, &local].concat()).await;
        let (scene, shop) = (&release.scene, &release.shop);
        let elsewhere = scene.neighbour().await;
        scene.task("Running", 40);
        shop.watch("prod", json!({ "maxAge": "26h", "upgrades": "Watch" })).await;
        elsewhere.watch("other", json!({})).await;
        // The API server reads bindings from a cache.
        holds("the binding is in force", LIMIT, async || {
            let account = release.account();
            let said = release.can_i(&account, &shop.namespace, &["list", "clusterbackupwatches"]);
            said.lines().any(|line| line == "yes")
        })
        .await;

        let pod = &rendered(&release, "manifest", "Deployment")["spec"]["template"]["spec"];
        let account = pod["serviceAccountName"].as_str().unwrap();
        let operator = Operator::start_as(account, scene, &arguments(pod)).await;
        shop.shows("prod", "Ready", |status| ready(status).starts_with("True ")).await;
        scene.task("Success", 100);
        shop.shows("prod", "a healthy backup", |status| healthy(status).starts_with("True ")).await;
        Self { release, operator, elsewhere, _control_plane: control_plane }
    }
}

/// A port on which nobody listens. The schema of the chart's values refuses 0.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// What a release has of one kind, in its manifest or its hooks.
fn rendered(release: &Release, part: &str, kind: &str) -> Value {
    let home = &release.scene.namespace;
    let text = release.scene.cluster.helm(home, &["get", part, home]).unwrap();
    documents(&text).into_iter().find(|document| document["kind"] == kind).unwrap()
}

/// The arguments of a pod's container.
fn arguments(pod: &Value) -> Vec<String> {
    serde_json::from_value(pod["containers"][0]["args"].clone()).unwrap()
}

async fn follows_a_backup(running: &Running) {
    let status = running.release.shop.status("prod").await;
    assert_eq!((ready(&status).as_str(), healthy(&status).as_str()), ("True Polled", "True BackupSucceeded"));
}

async fn leaves_others_alone(running: &Running) {
    let status = running.elsewhere.status("other").await;
    assert_eq!(status.observed_generation, Some(-1), "as the definition makes it");
}

async fn holds_its_lease(running: &Running) {
    let scene = &running.release.scene;
    let lease = scene.api::<Lease>().get(&scene.namespace).await.unwrap();
    assert!(lease.spec.unwrap().holder_identity.is_some_and(|holder| !holder.is_empty()));
}

async fn publishes_events(running: &Running) {
    until("an Event of the success", LIMIT, async || {
        running.release.shop.reasons("prod").await.get("BackupSucceeded").copied()
    })
    .await;
}

async fn asks_for_nothing_forbidden(running: &Running) {
    let (all, forbidden) = audit::forbidden(&running.release.scene.cluster, &running.release.account());
    assert!(all > 0, "the audit log has nothing of {}", running.release.account());
    assert!(forbidden.is_empty(), "{forbidden:#?}");
}

/// There is no DNS server here to resolve the name of the Service, so the pod's command asks the address behind it.
async fn answers_what_helm_test_asks(running: &Running) {
    let home = &running.release.scene.namespace;
    let arguments = arguments(&rendered(&running.release, "hooks", "Pod")["spec"]);
    assert_eq!(arguments, ["probe", &format!("http://{home}.{home}.svc:8080/readyz")]);
    let url = format!("{}/readyz", running.operator.url);
    program::run(Command::new(program::operator()).args(["probe", &url])).ended(0, "");
}

async fn exports_the_metrics(running: &Running) {
    let text = until("the first status is exported", LIMIT, async || {
        let (_, text) = running.operator.get("/metrics").await;
        text.contains("_last_success_timestamp_seconds{").then_some(text)
    })
    .await;
    let exported: BTreeSet<_> = text
        .lines()
        .filter(|line| line.starts_with("cce_backup_watch_"))
        .map(|line| line.split(['{', ' ']).next().unwrap())
        .map(|name| {
            ["_bucket", "_count", "_sum"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name)
        })
        .collect();
    let promised = METRICS.lines().filter(|line| !line.starts_with('#'));
    let promised: BTreeSet<_> = promised.filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(exported, promised);
}
