//! The call that starts a backup: what it answers, what is listed then, and how it can go wrong.

use cce_simulator::{Fault, FaultKind, Scenario, Simulator, StartFault, Task};
use serde_json::json;

use crate::client::{CLUSTER, Client, PROJECT, simulator};

fn path(api: &str) -> String {
    format!("/{api}/v3.1/projects/{PROJECT}/clusters/{CLUSTER}/operation/snapshot")
}

async fn uids(simulator: &Simulator) -> Vec<String> {
    let answer = Client::new(simulator).tasks(CLUSTER).await.json();
    let items = answer["items"].as_array().unwrap().clone();
    items.iter().map(|item| item["metadata"]["uid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_signed_request_starts_a_backup_that_is_listed_beside_the_others() {
    let simulator = simulator().await;
    for api in ["api", "autopilot"] {
        simulator.restart();
        simulator.set_tasks(CLUSTER, [Task::new("old", "Success")]);
        let answer = Client::new(&simulator).post(&path(api)).await.unwrap();
        assert_eq!(answer.status, 201);
        let uid = answer.json()["uid"].as_str().unwrap().to_owned();
        assert_eq!(answer.json()["metadata"]["kind"], "SnapshotTask");
        assert_eq!(uids(&simulator).await, [uid, "old".to_owned()]);
    }
    assert_eq!(simulator.start_requests(CLUSTER), 2);
}

#[tokio::test]
async fn nothing_is_started_without_a_signature_or_a_cluster_or_while_a_backup_runs() {
    let simulator = simulator().await;
    let client = Client::new(&simulator);
    assert_eq!(client.post(&path("api")).await.unwrap().json()["errorCode"], "CCE.01404001");
    simulator.set_tasks(CLUSTER, []);
    let unsigned = client.plain("POST", &path("api"), &[], "").await;
    assert_eq!((unsigned.status, simulator.start_requests(CLUSTER)), (401, 1));
    // A signature for a look opens no more than a look.
    let headers = client.signed("GET", &path("api"));
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(client.plain("POST", &path("api"), &headers, "").await.status, 401);
    assert!(uids(&simulator).await.is_empty());

    assert_eq!(client.post(&path("api")).await.unwrap().status, 201);
    let second = client.post(&path("api")).await.unwrap();
    assert_eq!((second.status, second.json()["errorCode"].clone()), (429, "CCE.01429002".into()));
    assert_eq!((uids(&simulator).await.len(), simulator.start_requests(CLUSTER)), (1, 3));
}

#[tokio::test]
async fn ten_writes_a_minute_are_let_through_whatever_becomes_of_them() {
    let simulator = simulator().await;
    simulator.set_tasks(CLUSTER, []);
    let client = Client::new(&simulator);
    let mut told = 0;
    for n in 0..20 {
        let answer = client.post(&path("api")).await.unwrap();
        let code = answer.json()["error_code"].as_str().unwrap_or_default().to_owned();
        let expected = match n {
            0 => (201, ""),
            1..10 => (429, "CCE_CM.0001"),
            _ => (429, "APIGW.0308"),
        };
        assert_eq!((answer.status, code.as_str()), expected, "{n}");
        if let Some(value) = answer.headers.get("retry-after") {
            assert!(value.contains('.') && value.parse::<f64>().is_ok(), "{value}");
            told += 1;
        }
    }
    assert_eq!(told, 1, "most refusals do not say when to come again");
    assert_eq!(client.tasks(CLUSTER).await.status, 200, "reads are not limited");
}

#[tokio::test]
async fn a_refused_request_starts_nothing_and_a_lost_answer_something() {
    let simulator = simulator().await;
    simulator.set_tasks(CLUSTER, []);
    let client = Client::new(&simulator);
    let refused = StartFault::Refused(Fault::error(403, "CCE.01403001", "no").times(1));
    simulator.set_start_fault(CLUSTER, refused).unwrap();
    assert_eq!(client.post(&path("api")).await.unwrap().status, 403);
    assert!(uids(&simulator).await.is_empty());

    let lost = StartFault::Lost(Fault::from(FaultKind::Reset {}).times(1));
    simulator.set_start_fault(CLUSTER, lost).unwrap();
    assert!(client.post(&path("api")).await.is_err());
    assert_eq!((uids(&simulator).await.len(), simulator.start_requests(CLUSTER)), (1, 2));
}

#[tokio::test]
async fn the_admin_api_sets_the_same_faults() {
    let simulator = simulator().await;
    simulator.set_tasks(CLUSTER, []);
    let client = Client::new(&simulator);
    let admin = format!("/admin/clusters/{CLUSTER}/start-fault");
    let lost = json!({"status": 502, "count": 1, "started": true}).to_string();
    assert_eq!(client.plain("PUT", &admin, &[], &lost).await.status, 204);
    assert_eq!(client.post(&path("api")).await.unwrap().status, 502);
    assert_eq!(uids(&simulator).await.len(), 1);
    let counts = client.plain("GET", &format!("/admin/clusters/{CLUSTER}/start-requests"), &[], "").await;
    assert_eq!(counts.json(), json!({"requests": 1}));
    for bad in [r#"{"started": true}"#, r#"{"status": 502, "started": 1}"#] {
        assert_eq!(client.plain("PUT", &admin, &[], bad).await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn the_scenario_says_what_a_started_backup_does() {
    let simulator = simulator().await;
    let yaml = r#"clusters: {"*": {onBackup: [{phase: Failed, progress: 3}]}}"#;
    simulator.set_scenario(Scenario::from_yaml(yaml).unwrap());
    let client = Client::new(&simulator);
    assert_eq!(client.post(&path("api")).await.unwrap().status, 201);
    assert_eq!(client.tasks(CLUSTER).await.json()["items"][0]["status"]["phase"], "Failed");
}
