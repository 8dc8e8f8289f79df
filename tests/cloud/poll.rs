//! A poll as a controller makes it, with keys that must be found nowhere.

use std::{path::Path, time::Duration};

use cbw_testkit::tls::Authority;
use cce_backup_watch::cloud::{
    Answer,
    client::{Client, ClientConfig},
    credentials::Credential,
    fault::Fault,
    proxy::Proxy,
    region::Endpoints,
    target::{ClusterId, ClusterType, ProjectId, Region, Target},
};

pub const NOW: &str = "2023-11-25T09:03:46Z";
/// A time-out that a slow machine does not reach.
pub const PATIENT: Duration = Duration::from_secs(20);

pub fn credential() -> Credential {
    Credential::new("CANARY-ACCESS-KEY", "CANARY-SECRET-KEY", Some("CANARY-SECURITY-TOKEN")).unwrap()
}

pub fn target(region: &str) -> Target {
    Target {
        region: Region::parse(region).unwrap(),
        project_id: ProjectId::parse("0123456789abcdef0123456789abcdef").unwrap(),
        cluster_id: ClusterId::parse("11111111-2222-3333-4444-555555555555").unwrap(),
        cluster_type: ClusterType::Standard,
    }
}

/// A client to whom region `r0`, `r1`, … is at each of these URLs.
pub fn client(urls: &[String], timeout: Duration, ca: Option<&Authority>) -> Client {
    client_through(None, urls, timeout, ca)
}

/// The same with a proxy.
pub fn client_through(
    proxy: Option<Proxy>,
    urls: &[String],
    timeout: Duration,
    ca: Option<&Authority>,
) -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    crate::captured_log::so_far();
    let endpoints = urls.iter().enumerate().map(|(n, url)| format!("r{n}={url}").parse().unwrap());
    Client::new(ClientConfig {
        request_timeout: timeout,
        ca_file: ca.map(Authority::ca_file).map(Path::to_owned),
        endpoints: Endpoints::new(endpoints).unwrap(),
        proxy,
        ..ClientConfig::default()
    })
    .unwrap()
}

/// On a task of its own, as a controller would.
pub async fn ask(client: &Client, region: &str) -> Result<Answer, Fault> {
    let (client, target) = (client.clone(), target(region));
    let poll = async move { client.list_tasks(&target, &credential(), NOW.parse().unwrap()).await };
    tokio::spawn(poll).await.unwrap()
}
