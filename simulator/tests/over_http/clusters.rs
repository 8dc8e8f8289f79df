//! The list of a project's clusters, Standard and Autopilot.

use cce_simulator::{Cluster, Fault, Product, Scenario};
use serde_json::{Value, json};

use crate::client::{CLUSTER, Client, PROJECT, simulator};

fn path(api: &str) -> String {
    format!("/{api}/v3/projects/{PROJECT}/clusters")
}

fn names(answer: &Value) -> Vec<&str> {
    let items = answer["items"].as_array().unwrap();
    items.iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn each_product_has_a_list_of_its_own_for_those_who_sign() {
    let simulator = simulator().await;
    let client = Client::new(&simulator);
    assert_eq!(names(&client.get(&path("api")).await.unwrap().json()), [""; 0]);
    simulator.set_clusters(PROJECT, [Cluster::new("a", "one"), Cluster::new("b", "two").autopilot()]);
    assert_eq!(names(&client.get(&path("api")).await.unwrap().json()), ["one"]);
    assert_eq!(names(&client.get(&path("autopilot")).await.unwrap().json()), ["two"]);
    assert_eq!(client.plain("GET", &path("api"), &[], "").await.status, 401);
    assert_eq!(client.plain("POST", &path("api"), &[], "").await.status, 404);
    assert_eq!(simulator.counts(PROJECT).accepted, 3);
}

#[tokio::test]
async fn faults_and_whole_answers_are_set_for_one_product() {
    let simulator = simulator().await;
    let client = Client::new(&simulator);
    simulator.set_clusters_fault(Product::Standard, PROJECT, Fault::status(503).times(1)).unwrap();
    assert_eq!(client.get(&path("autopilot")).await.unwrap().status, 200);
    assert_eq!(client.get(&path("api")).await.unwrap().status, 503);
    simulator.set_clusters_answer(Product::Standard, PROJECT, json!({"items": 7}));
    assert_eq!(client.get(&path("api")).await.unwrap().json(), json!({"items": 7}));
}

#[tokio::test]
async fn the_scenario_and_the_admin_api_list_clusters() {
    let simulator = simulator().await;
    let client = Client::new(&simulator);
    let yaml = format!("clusters: {{{CLUSTER}: {{listed: {{name: prod, tags: {{team: a}}}}}}}}");
    simulator.set_scenario(Scenario::from_yaml(&yaml).unwrap());
    let answer = client.get(&path("api")).await.unwrap().json();
    assert_eq!((names(&answer), &answer["items"][0]["metadata"]["uid"]), (vec!["prod"], &CLUSTER.into()));
    let body = json!([{"uid": CLUSTER, "name": "other"}]).to_string();
    let admin = format!("/admin/projects/{PROJECT}/clusters");
    assert_eq!(client.plain("PUT", &admin, &[], &body).await.status, 204);
    assert_eq!(names(&client.get(&path("api")).await.unwrap().json()), ["other"]);
    let another = path("api").replace(PROJECT, "another");
    assert_eq!(names(&client.get(&another).await.unwrap().json()), ["prod"], "it is set for one project");
    assert_eq!(client.plain("DELETE", &admin, &[], "").await.status, 204);
    assert_eq!(names(&client.get(&path("api")).await.unwrap().json()), ["prod"]);
    let any = Scenario::from_yaml("clusters: {'*': {listed: {name: prod}}}").unwrap_err().to_string();
    assert!(any.contains("only a cluster with an id can be listed"), "{any}");
}
