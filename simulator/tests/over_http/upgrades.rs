//! The list of a cluster's upgrades, Standard and Autopilot.

use cce_simulator::{Fault, Scenario, Workflow, WorkflowStep};
use serde_json::{Value, json};

use crate::client::{CLUSTER, Client, PROJECT, simulator};

fn path(api: &str) -> String {
    format!("/{api}/v3/projects/{PROJECT}/clusters/{CLUSTER}/operation/upgradeworkflows")
}

fn phases(answer: &Value) -> Vec<&str> {
    let items = answer["items"].as_array().unwrap();
    items.iter().map(|item| item["status"]["phase"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_cluster_lists_its_upgrades_to_those_who_sign() {
    let simulator = simulator().await;
    let client = Client::new(&simulator);
    assert_eq!(client.get(&path("api")).await.unwrap().status, 404, "an unknown cluster");
    simulator.set_tasks(CLUSTER, []);
    assert_eq!(phases(&client.get(&path("api")).await.unwrap().json()), [""; 0], "none");
    let step = WorkflowStep {
        type_: "Cluster".to_owned(),
        status: Some("Running".to_owned()),
        start_time: Some("2026-01-01T00:00:00Z".parse().unwrap()),
        ..Default::default()
    };
    let phase = Some("Running".to_owned());
    simulator.set_upgrades(
        CLUSTER,
        [Workflow { uid: "w".to_owned(), phase, steps: vec![step], ..Default::default() }],
    );
    for api in ["api", "autopilot"] {
        let answer = client.get(&path(api)).await.unwrap().json();
        assert_eq!(phases(&answer), ["Running"]);
        let points = &answer["items"][0]["status"]["pointStatuses"];
        let point = json!({"taskType": "Cluster", "status": "Running", "startTimeStamp": "2026-01-01 08:00:00 +0800 CST"});
        assert_eq!(points, &json!([point]));
    }
    assert_eq!(client.plain("GET", &path("api"), &[], "").await.status, 401);
    assert_eq!(simulator.upgrade_requests(CLUSTER), 4);
}

#[tokio::test]
async fn a_fault_of_this_list_strikes_no_other_call() {
    let simulator = simulator().await;
    let client = Client::new(&simulator);
    simulator.set_tasks(CLUSTER, []);
    simulator.set_upgrades_fault(CLUSTER, Fault::status(403)).unwrap();
    assert_eq!(client.get(&path("api")).await.unwrap().status, 403);
    assert_eq!(client.tasks(CLUSTER).await.status, 200);
    simulator.clear_upgrades_fault(CLUSTER);
    simulator.set_upgrades_answer(CLUSTER, Some(json!({"items": 7})));
    assert_eq!(client.get(&path("api")).await.unwrap().json(), json!({"items": 7}));
}

#[tokio::test]
async fn the_scenario_and_the_admin_api_list_upgrades() {
    let simulator = simulator().await;
    let client = Client::new(&simulator);
    let script = "{at: -1s, fromVersion: a, toVersion: b, changes: [{phase: Running}]}";
    simulator.set_scenario(
        Scenario::from_yaml(&format!("clusters: {{{CLUSTER}: {{upgrades: [{script}]}}}}")).unwrap(),
    );
    assert_eq!(phases(&client.get(&path("api")).await.unwrap().json()), ["Running"]);
    let admin = format!("/admin/clusters/{CLUSTER}/upgrades");
    let body = json!([{"uid": "w", "phase": "Pending"}]).to_string();
    assert_eq!(client.plain("PUT", &admin, &[], &body).await.status, 204);
    assert_eq!(phases(&client.get(&path("api")).await.unwrap().json()), ["Pending"]);
    assert_eq!(client.plain("DELETE", &admin, &[], "").await.status, 204);
    assert_eq!(phases(&client.get(&path("api")).await.unwrap().json()), ["Running"]);
    let fault = json!({"status": 429, "count": 1}).to_string();
    assert_eq!(client.plain("PUT", &format!("{admin}-fault"), &[], &fault).await.status, 204);
    assert_eq!(client.get(&path("api")).await.unwrap().status, 429);
    assert_eq!(simulator.upgrade_requests(CLUSTER), 4);
}
