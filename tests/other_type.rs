//! A wrong `clusterType`: the message names the mistake, and one request finds it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use std::time::Duration;

use axum::{Router, http::StatusCode, routing::get};
use cce_backup_watch::{
    api::ClusterType,
    cloud::{
        client::{Client, ClientConfig},
        credentials::Credential,
        fault::{Fault, FaultKind},
        other_type::OtherTypes,
        region::Endpoints,
        target::{ClusterId, ProjectId, Region, Target},
    },
};
use jiff::Timestamp;
use serde_json::json;

const PROJECT: &str = "0123456789abcdef0123456789abcdef";
const CLUSTER: &str = "11111111-2222-3333-4444-555555555555";

/// What the API for Autopilot answers where it knows the cluster, and where it does not.
const KNOWN: &[StatusCode] = &[StatusCode::OK];
const UNKNOWN: &[StatusCode] = &[StatusCode::NOT_FOUND];

/// A cloud that does not know the cluster as Standard.
struct Cloud {
    url: String,
    /// Requests to the API for Autopilot.
    autopilot: Arc<AtomicUsize>,
}

impl Cloud {
    /// The API for Autopilot answers with these statuses one after the other, and the last for ever.
    async fn start(answers: &'static [StatusCode]) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let autopilot = Arc::new(AtomicUsize::new(0));
        let count = autopilot.clone();
        let path = "v3.1/projects/{project}/clusters/{cluster}/operation/snapshot/tasks";
        let router = Router::new().route(&format!("/api/{path}"), get(unknown)).route(
            &format!("/autopilot/{path}"),
            get(async move || {
                let nth = count.fetch_add(1, Ordering::SeqCst);
                match answers[nth.min(answers.len() - 1)] {
                    StatusCode::NOT_FOUND => unknown().await,
                    status => (status, json!({ "kind": "List", "items": [] }).to_string()),
                }
            }),
        );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, autopilot }
    }

    async fn fault(&self, types: &OtherTypes, cluster_type: ClusterType) -> Option<Fault> {
        self.fault_of(types, cluster_type, PROJECT, "ak").await
    }

    async fn fault_of(
        &self,
        types: &OtherTypes,
        cluster_type: ClusterType,
        project: &str,
        access_key: &str,
    ) -> Option<Fault> {
        let endpoints = Endpoints::new([format!("r={}", self.url).parse().unwrap()]).unwrap();
        let request_timeout = Duration::from_secs(10);
        let client =
            Client::new(ClientConfig { endpoints, request_timeout, ..ClientConfig::default() }).unwrap();
        let target = Target {
            region: Region::parse("r").unwrap(),
            project_id: ProjectId::parse(project).unwrap(),
            cluster_id: ClusterId::parse(CLUSTER).unwrap(),
            cluster_type,
        };
        let (credential, now) = (Credential::new(access_key, "sk", None).unwrap(), Timestamp::now());
        let fault = client.list_tasks(&target, &credential, now).await.err()?;
        Some(types.explain(&client, &target, &credential, now, fault).await)
    }
}

async fn unknown() -> (StatusCode, String) {
    let body = json!({ "errorCode": "CCE.01404001", "errorMessage": "Cluster not found" });
    (StatusCode::NOT_FOUND, body.to_string())
}

#[tokio::test]
async fn the_other_api_is_asked_once_and_the_message_names_the_mistake_each_time() {
    let (cloud, types) = (Cloud::start(KNOWN).await, OtherTypes::default());
    for _ in 0..3 {
        let fault = cloud.fault(&types, ClusterType::Standard).await.unwrap();
        assert_eq!(fault.kind, FaultKind::ClusterNotFound);
        assert!(
            fault.message.starts_with("the cluster is of the type Autopilot, and clusterType says Standard")
        );
    }
    assert_eq!(cloud.autopilot.load(Ordering::SeqCst), 1);
    assert!(cloud.fault(&types, ClusterType::Autopilot).await.is_none());
}

#[tokio::test]
async fn what_one_key_found_is_told_to_no_other_and_for_no_other_project() {
    let (cloud, types) =
        (Cloud::start(&[StatusCode::OK, StatusCode::NOT_FOUND]).await, OtherTypes::default());
    let other_project = "f".repeat(32);
    for (asked, project, key, message) in [
        (1, PROJECT, "ak", "the cluster is of the type Autopilot"),
        (2, PROJECT, "another", "there is no such cluster"),
        (3, &other_project, "ak", "there is no such cluster"),
        (3, PROJECT, "ak", "the cluster is of the type Autopilot"),
    ] {
        let fault = cloud.fault_of(&types, ClusterType::Standard, project, key).await.unwrap();
        assert!(fault.message.starts_with(message), "{fault}");
        assert_eq!(cloud.autopilot.load(Ordering::SeqCst), asked);
    }
}

#[tokio::test]
async fn a_cluster_that_neither_api_knows_keeps_its_message_and_is_looked_for_once() {
    let (cloud, types) = (Cloud::start(UNKNOWN).await, OtherTypes::default());
    for _ in 0..3 {
        let fault = cloud.fault(&types, ClusterType::Standard).await.unwrap();
        assert!(fault.message.starts_with("there is no such cluster"), "{fault}");
    }
    assert_eq!(cloud.autopilot.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_fault_of_the_other_api_that_may_pass_is_not_remembered() {
    let cloud = Cloud::start(&[StatusCode::TOO_MANY_REQUESTS, StatusCode::BAD_GATEWAY, StatusCode::OK]).await;
    let types = OtherTypes::default();
    for asked in [1, 2] {
        let fault = cloud.fault(&types, ClusterType::Standard).await.unwrap();
        assert!(fault.message.starts_with("there is no such cluster"), "{fault}");
        assert_eq!(cloud.autopilot.load(Ordering::SeqCst), asked);
    }
    for _ in 0..2 {
        let fault = cloud.fault(&types, ClusterType::Standard).await.unwrap();
        assert!(fault.message.starts_with("the cluster is of the type Autopilot"), "{fault}");
        assert_eq!(cloud.autopilot.load(Ordering::SeqCst), 3);
    }
}

#[tokio::test]
async fn the_command_names_the_mistake_too() {
    let cloud = Cloud::start(KNOWN).await;
    let endpoint = format!("r={}", cloud.url);
    let output = tokio::task::spawn_blocking(move || {
        std::process::Command::new(env!("CARGO_BIN_EXE_cce-backup-watch"))
            .args(["tasks", "--region", "r", "--project-id", PROJECT, "--cluster-id", CLUSTER])
            .args(["--region-endpoint", &endpoint])
            .env("HUAWEICLOUD_SDK_AK", "ak")
            .env("HUAWEICLOUD_SDK_SK", "sk")
            .output()
    });
    let output = output.await.unwrap().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("set clusterType to Autopilot"), "{told}");
}
