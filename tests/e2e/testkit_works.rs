//! Tests of the harness itself: the disturbances and counts that the other cases rely on work.

use std::time::Duration;

use cbw_testkit::{
    api_proxy::{ApiProxy, Effect},
    control_plane::ControlPlane,
    scene::{ACCOUNT, Scene, watch},
    trial::tests,
    wait::{LIMIT, until},
};
use cce_backup_watch::api::ClusterBackupWatch;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams, WatchEvent, WatchParams},
    runtime::{WatchStreamExt, watcher},
};
use serde_json::json;
use tokio::time::timeout;

tests![
    the_proxy_names_counts_and_strikes_requests_by_verb_and_resource,
    the_proxy_silences_watches_alone,
    the_proxy_serves_an_older_list_and_ends_watches_as_too_old,
    a_control_plane_of_a_tests_own_keeps_its_data_over_the_end_of_its_servers,
];

/// A client with the operator's token, through the proxy.
async fn through(proxy: &ApiProxy, scene: &Scene) -> Client {
    let token = scene.token(ACCOUNT).await;
    let mut config = kube::Config::new(proxy.server.parse().unwrap());
    config.default_namespace.clone_from(&scene.namespace);
    config.auth_info.token = Some(token.into());
    Client::try_from(config).unwrap()
}

fn code<T: std::fmt::Debug>(result: Result<T, kube::Error>) -> Option<u16> {
    match result.unwrap_err() {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}

async fn the_proxy_names_counts_and_strikes_requests_by_verb_and_resource(scene: Scene) {
    let proxy = ApiProxy::start(&scene).await;
    let client = through(&proxy, &scene).await;
    let secrets: Api<Secret> = Api::default_namespaced(client.clone());
    let watches: Api<ClusterBackupWatch> = Api::default_namespaced(client);
    scene.watch("prod", json!({})).await;

    proxy.strike("get secrets", Effect::Answer(500), 2);
    assert_eq!(code(secrets.get("huawei").await), Some(500));
    assert_eq!(code(secrets.get("huawei").await), Some(500));
    assert!(secrets.get("huawei").await.is_ok(), "two are struck, and the third is not");
    assert_eq!(proxy.requests("get secrets"), 3);

    proxy.strike_all("list clusterbackupwatches", Effect::Answer(500));
    assert_eq!(code(watches.list(&ListParams::default()).await), Some(500));
    assert!(watches.get("prod").await.is_ok(), "another verb is another kind");
    proxy.heal("list clusterbackupwatches");
    assert_eq!(watches.list(&ListParams::default()).await.unwrap().items.len(), 1);

    assert_eq!(code(watches.get("none").await), Some(404), "what the server says itself comes through");

    proxy.strike("patch clusterbackupwatches/status", Effect::LoseReply, 1);
    let phase = Patch::Merge(json!({ "status": { "phase": "Lost" } }));
    assert_eq!(code(watches.patch_status("prod", &PatchParams::default(), &phase).await), None);
    assert_eq!(scene.status("prod").await.phase.as_deref(), Some("Lost"), "it was carried out all the same");

    proxy.strike("get secrets", Effect::Hang, 1);
    let hangs = timeout(Duration::from_secs(2), secrets.get("huawei"));
    assert!(hangs.await.is_err());
}

async fn the_proxy_silences_watches_alone(scene: Scene) {
    let proxy = ApiProxy::start(&scene).await;
    let client = through(&proxy, &scene).await;
    let watches: Api<ClusterBackupWatch> = Api::default_namespaced(client);
    let config = watcher::Config::default();
    let mut names = watcher(watches.clone(), config)
        .default_backoff()
        .applied_objects()
        // A connection that breaks is one error, after which the watcher opens another one.
        .filter_map(async |event| event.ok()?.metadata.name)
        .boxed();
    let mut next = async || timeout(Duration::from_secs(3), names.next()).await.ok().flatten();
    assert_eq!(next().await, None, "nothing is there yet");
    scene.watch("first", json!({})).await;
    assert_eq!(next().await.as_deref(), Some("first"));
    proxy.silence_watches();
    scene.watch("second", json!({})).await;
    assert_eq!(next().await, None);
    assert!(watches.get("second").await.is_ok(), "everything else works");
    // A watch that was silenced stays silent; a new one works.
    proxy.restore_watches();
    assert_eq!(next().await, None);
    proxy.cut();
    proxy.reopen();
    assert_eq!(next().await.as_deref(), Some("second"));
}

async fn the_proxy_serves_an_older_list_and_ends_watches_as_too_old(scene: Scene) {
    let proxy = ApiProxy::start(&scene).await;
    let client = through(&proxy, &scene).await;
    let watches: Api<ClusterBackupWatch> = Api::default_namespaced(client);
    let count = async || watches.list(&ListParams::default()).await.unwrap().items.len();
    scene.watch("first", json!({})).await;
    assert_eq!(count().await, 1);
    scene.watch("second", json!({})).await;
    proxy.replay_lists();
    assert_eq!(count().await, 1);
    assert!(watches.get("second").await.is_ok(), "everything else says what is");
    proxy.renew_lists();
    assert_eq!(count().await, 2);

    let mut events = watches.watch(&WatchParams::default().disable_bookmarks(), "0").await.unwrap().boxed();
    let mut next = async || timeout(LIMIT, events.next()).await.unwrap();
    for _ in 0..2 {
        assert!(matches!(next().await, Some(Ok(WatchEvent::Added(_)))));
    }
    proxy.expire_watches();
    let last = next().await;
    let Some(Ok(WatchEvent::Error(error))) = last else { panic!("it does not say that it ends: {last:?}") };
    assert_eq!((error.code, error.reason.as_str()), (410, "Expired"));
    assert!(next().await.is_none());

    // One that expires between two watches ends the next one, and only that.
    proxy.expire_watches();
    let first = async || {
        let mut events = watches.watch(&WatchParams::default(), "0").await.unwrap().boxed();
        timeout(LIMIT, events.next()).await.unwrap()
    };
    let next = first().await;
    assert!(matches!(&next, Some(Ok(WatchEvent::Error(error))) if error.code == 410), "{next:?}");
    assert!(matches!(first().await, Some(Ok(WatchEvent::Added(_)))), "a new one works");
}

async fn a_control_plane_of_a_tests_own_keeps_its_data_over_the_end_of_its_servers(scene: Scene) {
    let mut control_plane = ControlPlane::start(scene.test).await;
    let scene = Scene::on(&control_plane, scene.test).await;
    scene.watch("prod", json!({})).await;
    control_plane.stop_api_server().await;
    assert!(scene.api::<ClusterBackupWatch>().get("prod").await.is_err());
    control_plane.stop_etcd().await;
    control_plane.start_etcd().await;
    control_plane.start_api_server().await;
    let there = async || scene.api::<ClusterBackupWatch>().get("prod").await.ok();
    let stored = until("the resource is there", LIMIT, there).await;
    assert_eq!(stored.spec.cluster_id, watch("prod", &json!({}))["spec"]["clusterID"]);

    // An API server without etcd accepts connections and fails requests; with etcd it works again.
    control_plane.stop_etcd().await;
    let params = PatchParams::default();
    let label = Patch::Merge(json!({ "metadata": { "labels": { "written": "yes" } } }));
    let write = async || {
        timeout(Duration::from_secs(2), scene.api::<ClusterBackupWatch>().patch("prod", &params, &label))
            .await
    };
    assert!(!matches!(write().await, Ok(Ok(_))));
    control_plane.start_etcd().await;
    until("a write", Duration::from_secs(10), async || write().await.ok()?.ok()).await;
    let labels =
        scene.api::<ClusterBackupWatch>().list(&ListParams::default().labels("written=yes")).await.unwrap();
    assert_eq!(labels.items.len(), 1);
}
