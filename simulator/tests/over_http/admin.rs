//! The admin API: it does what the library does, and says what is wrong.

use cce_simulator::{Credential, Simulator};
use serde_json::{Value, json};

use crate::client::{CLUSTER, Client, simulator};

async fn admin(simulator: &Simulator, method: &str, path: &str, body: &str) -> (u16, Value) {
    let answer = Client::new(simulator).plain(method, &format!("/admin{path}"), &[], body).await;
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or(Value::Null))
}

async fn does(simulator: &Simulator, method: &str, path: &str, body: Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = admin(simulator, method, path, &body).await;
    assert_eq!(answer, (204, Value::Null), "{method} {path}");
}

#[tokio::test]
async fn tasks_answers_and_faults_are_set_and_taken_back() {
    let simulator = simulator().await;
    let client = Client::new(&simulator);
    let tasks = json!([{"uid": "a", "phase": "Running", "progress": 67, "creationTime": "2023-11-25T09:03:46.739012Z",
                        "items": [{"type": "master-backup", "message": "copying"}]}]);
    does(&simulator, "PUT", &format!("/clusters/{CLUSTER}/tasks"), tasks).await;
    let task = client.tasks(CLUSTER).await.json()["items"][0].clone();
    assert_eq!(task["status"]["progress"], "67");
    assert_eq!(task["metadata"]["creationTimestamp"], "2023-11-25 17:03:46.739012 +0800 CST");
    assert_eq!(task["spec"]["items"][0]["message"], "copying");

    does(&simulator, "PUT", &format!("/clusters/{CLUSTER}/answer"), json!([1])).await;
    assert_eq!(client.tasks(CLUSTER).await.json(), json!([1]));
    does(&simulator, "PUT", &format!("/clusters/{CLUSTER}/fault"), json!({"status": 503, "count": 1})).await;
    assert_eq!(client.tasks(CLUSTER).await.status, 503);
    assert_eq!(client.tasks(CLUSTER).await.status, 200);
    does(&simulator, "PUT", &format!("/clusters/{CLUSTER}/fault"), json!({"kind": "garbage"})).await;
    does(&simulator, "DELETE", &format!("/clusters/{CLUSTER}/fault"), Value::Null).await;
    does(&simulator, "DELETE", &format!("/clusters/{CLUSTER}/answer"), Value::Null).await;
    assert_eq!(client.tasks(CLUSTER).await.status, 200);
    does(&simulator, "DELETE", &format!("/clusters/{CLUSTER}/tasks"), Value::Null).await;
    assert_eq!(client.tasks(CLUSTER).await.status, 404);
}

#[tokio::test]
async fn a_scenario_is_loaded_and_played_from_its_start() {
    let simulator = simulator().await;
    let client = Client::new(&simulator);
    let scenario = "clusters: {'*': {tasks: [{at: 0s, steps: [{phase: Init}]}]}}";
    let uid = async || client.tasks(CLUSTER).await.json()["items"][0]["metadata"]["uid"].clone();
    assert_eq!(admin(&simulator, "PUT", "/scenario", scenario).await.0, 204);
    let first = uid().await;
    assert_eq!(first, uid().await);
    assert_eq!(admin(&simulator, "PUT", "/scenario", scenario).await.0, 204);
    assert_ne!(first, uid().await);
}

#[tokio::test]
async fn requests_are_counted() {
    let simulator = simulator().await;
    simulator.set_tasks(CLUSTER, []);
    let client = Client::new(&simulator);
    client.tasks(CLUSTER).await;
    client.with(Credential::new("AK", "WRONG")).tasks(CLUSTER).await;
    let counts = json!({"accepted": 1, "refused": 1, "faulted": 0});
    assert_eq!(
        admin(&simulator, "GET", &format!("/clusters/{CLUSTER}/requests"), "").await,
        (200, counts.clone())
    );
    let all = json!({"total": counts, "clusters": {CLUSTER: counts}, "maxConcurrent": 1});
    assert_eq!(admin(&simulator, "GET", "/requests", "").await, (200, all));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_a_reason_and_changes_nothing() {
    let simulator = simulator().await;
    simulator.set_answer("c", json!({"kind": "List"}));
    let long = format!("/clusters/{}/tasks", "x".repeat(129));
    let cases = [
        ("PUT", "/clusters/c/tasks", "[", "EOF while parsing"),
        ("PUT", "/clusters/c/tasks", "{}", "expected a sequence"),
        ("PUT", "/clusters/c/tasks", r#"[{"phase": "Init"}]"#, "missing field `uid`"),
        ("PUT", "/clusters/c/tasks", r#"[{"uid": "a", "state": "Init"}]"#, "unknown field `state`"),
        (
            "PUT",
            "/clusters/c/tasks",
            r#"[{"uid": "a", "progress": []}]"#,
            "progress must be a string or a number",
        ),
        ("PUT", "/clusters/c/tasks", r#"[{"uid": "a", "creationTime": "now"}]"#, "at line 1 column"),
        ("PUT", &long, "[]", "the id must be at most 128 bytes"),
        ("PUT", "/clusters/c/answer", "nothing", "expected ident"),
        ("PUT", "/clusters/c/fault", r#"{"status": 42}"#, "status: must be 200 to 599, not 42"),
        ("PUT", "/clusters/c/fault", r#"{"kind": "nap"}"#, "unknown variant `nap`"),
        ("PUT", "/scenario", "clusters: {c: {keep: 0}}", "clusters.c.keep: must be 1 to 1000 tasks"),
    ];
    for (method, path, body, expected) in cases {
        let (status, answer) = admin(&simulator, method, path, body).await;
        assert_eq!(status, 400, "{path} {body}");
        let problem = answer["error"].as_str().unwrap();
        assert!(problem.contains(expected), "{path} {body}: {problem}");
    }
    assert_eq!(admin(&simulator, "GET", "/nothing", "").await.0, 404);
    assert_eq!(admin(&simulator, "PATCH", "/scenario", "").await.0, 405);
    assert_eq!(Client::new(&simulator).tasks("c").await.json(), json!({"kind": "List"}));
}
