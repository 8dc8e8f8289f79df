//! The operator connects only to hosts from its flags: nothing in a spec, a Secret, a redirect or a proxy variable
//! leads it to another host.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use cbw_testkit::{
    operator::Operator,
    scene::{ACCESS_KEY, CLUSTER, SECRET_KEY, Scene, kubectl, ready, watch},
    trial::tests,
    wait::{LIMIT, holds},
};
use cce_simulator::{Config, FaultKind, Simulator, Task};
use serde_json::json;
use tokio::net::TcpListener;

tests![
    a_region_is_asked_at_its_own_endpoint_and_nowhere_else,
    a_redirect_is_not_followed_and_no_proxy_is_used,
    no_field_of_a_resource_leads_to_another_host,
];

/// A host that nobody should connect to, and how many connections it got.
async fn stranger() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    (address, calls)
}

async fn a_region_is_asked_at_its_own_endpoint_and_nowhere_else(scene: Scene) {
    let other = Simulator::start(Config::with_key(ACCESS_KEY, SECRET_KEY)).await.unwrap();
    other.set_tasks(CLUSTER, [Task::new("elsewhere", "Success")]);
    scene.task("Running", 10);
    let endpoint = format!("private-1={}", other.url());
    let _operator = Operator::start(&scene, &["--region-endpoint", &endpoint]).await;
    scene.watch("here", json!({})).await;
    scene.watch("there", json!({ "region": "private-1" })).await;
    for (name, uid) in [("here", "backup-1"), ("there", "elsewhere")] {
        let status = scene.shows(name, "polled", |status| ready(status) == "True Polled").await;
        assert_eq!(status.tasks.unwrap()[0].uid, uid);
    }
    assert_eq!(other.requests(CLUSTER), 1);
    scene.polled(CLUSTER, 2).await;
    assert_eq!(other.requests(CLUSTER), 1);
}

async fn a_redirect_is_not_followed_and_no_proxy_is_used(scene: Scene) {
    let (address, calls) = stranger().await;
    let url = format!("http://{address}");
    // HTTPS_PROXY is not set: it would concern the connection to the API server, which is not the subject of this case.
    let variables = [("HTTP_PROXY", url.as_str()), ("http_proxy", url.as_str()), ("NO_PROXY", "")];
    scene.task("Success", 100);
    let _operator = Operator::start_with(&scene, &[], &variables).await;
    scene.watch("prod", json!({})).await;
    scene.shows("prod", "polled, past the proxy", |status| ready(status) == "True Polled").await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("{url}/api/v3.1/projects");
        scene.cloud.set_fault(CLUSTER, FaultKind::Redirect { location, status }).unwrap();
        let before = scene.cloud.counts(CLUSTER).faulted;
        scene.request("prod", &status.to_string()).await;
        let struck = async || scene.cloud.counts(CLUSTER).faulted > before;
        holds("the redirect was answered", LIMIT, struck).await;
    }
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    scene.shows("prod", "told", |status| ready(status) == "False InvalidResponse").await;
}

async fn no_field_of_a_resource_leads_to_another_host(scene: Scene) {
    let (address, calls) = stranger().await;
    let _operator = scene.operator().await;
    let (host, port) = address.split_once(':').unwrap();
    for (n, spec) in [
        json!({ "region": address }),
        json!({ "region": format!("x@{address}/") }),
        json!({ "region": format!("{host}:{port}#") }),
        json!({ "region": format!("cn-north-4={}", scene.cloud.url()) }),
        json!({ "region": "evil.example.com/" }),
        json!({ "region": "a\r\nHost: evil" }),
        json!({ "region": "" }),
        json!({ "projectID": format!("@{address}/aaaaaaaaaaaaaaaa") }),
        json!({ "projectID": "../../../../../../../../../../../.." }),
        json!({ "clusterID": format!("..//{address}/") }),
        json!({ "clusterID": "11111111-2222-3333-4444-5555555555%2F" }),
        json!({ "clusterType": "//evil.example.com" }),
        json!({ "credentials": { "secretRef": { "name": "../../other/secrets/huawei" } } }),
        json!({ "credentials": { "secretRef": { "name": "huawei/../../../../configmaps" } } }),
    ]
    .iter()
    .enumerate()
    {
        let resource = watch(&format!("evil-{n}"), spec).to_string();
        let refused = kubectl(&scene.namespace, &["create", "--filename", "-"], &resource).unwrap_err();
        assert!(refused.contains("is invalid"), "{spec}: {refused}");
    }
    // Values that would break out of a header, and annotations that the operator must not read.
    scene
        .secret("evil", json!({ "accessKey": format!("AK\r\nHost: {address}"), "secretKey": SECRET_KEY }))
        .await;
    scene.watch("header", json!({ "credentials": { "secretRef": { "name": "evil" } } })).await;
    scene.shows("header", "told", |status| ready(status) == "False SecretInvalid").await;
    scene.secret("comma", json!({ "accessKey": format!("AK,{address}"), "secretKey": SECRET_KEY })).await;
    scene.watch("comma", json!({ "credentials": { "secretRef": { "name": "comma" } } })).await;
    scene.shows("comma", "told", |status| ready(status) == "False SecretInvalid").await;
    scene.watch("good", json!({})).await;
    let endpoint =
        json!({ "cce.backupwatch.io/endpoint": address, "cce.backupwatch.io/requestedAt": address });
    scene.change("good", json!({ "metadata": { "annotations": endpoint } })).await;
    scene.shows("good", "polled", |status| status.last_handled_reconcile_at.as_ref() == Some(&address)).await;
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    let asked: Vec<_> = scene.cloud.counts_by_cluster().into_keys().collect();
    assert_eq!(asked, [CLUSTER]);
}
