//! The list of snapshot tasks: who gets it, and what it says.

use std::time::{Duration, Instant};

use cce_simulator::{ANY_CLUSTER, Config, Counts, Credential, Scenario, Simulator, Task};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::client::{Answer, CLUSTER, Client, PROJECT, path, simulator};

/// Every leaf of an answer must be a string, as Huawei's are.
fn assert_strings(value: &Value) {
    match value {
        Value::String(_) => {}
        Value::Array(values) => values.iter().for_each(assert_strings),
        Value::Object(fields) => fields.values().for_each(assert_strings),
        other => panic!("{other} is no string"),
    }
}

#[tokio::test]
async fn a_signed_client_sees_a_backup_run_to_its_end() {
    let scenario = "clusters: {'*': {tasks: [{at: 0s, steps: [
        {phase: Init, progress: 0, items: [{type: master-backup}]},
        {after: 200ms, phase: Running, progress: 0},
        {after: 1s, phase: Success, progress: 100}]}]}}";
    let scenario = Scenario::from_yaml(scenario).unwrap();
    let simulator = Simulator::start(Config { scenario, ..Config::with_key("AK", "SK") }).await.unwrap();
    let client = Client::new(&simulator);
    let (mut phases, mut last, mut uids) = (Vec::new(), 0, Vec::new());
    let start = Instant::now();
    while phases.last().is_none_or(|phase| phase != "Success") {
        assert!(start.elapsed() < Duration::from_secs(10), "it never ends: {phases:?}");
        let answer = client.tasks(CLUSTER).await;
        assert_eq!(answer.status, 200);
        let answer = answer.json();
        assert_strings(&answer);
        assert_eq!(answer["kind"], "List");
        let task = &answer["items"][0];
        let progress: u8 = task["status"]["progress"].as_str().unwrap().parse().unwrap();
        assert!(progress >= last, "it goes back");
        last = progress;
        let phase = task["status"]["phase"].as_str().unwrap().to_owned();
        assert_eq!(task["spec"]["items"][0]["status"], phase);
        phases.push(phase);
        uids.push(task["metadata"]["uid"].as_str().unwrap().to_owned());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    phases.dedup();
    uids.dedup();
    assert_eq!(
        (phases, uids.len(), last),
        (vec!["Init".into(), "Running".into(), "Success".to_owned()], 1, 100)
    );
    let answer = client.tasks(CLUSTER).await.json();
    assert!(answer["status"]["latestBackupTime"].as_str().unwrap().ends_with(" +0800 CST"));

    simulator.restart();
    let answer = client.tasks(CLUSTER).await.json();
    assert_eq!(answer["items"][0]["status"]["phase"], "Init", "the clock starts again");
}

#[tokio::test]
async fn an_autopilot_cluster_has_a_path_of_its_own() {
    let simulator = simulator().await;
    simulator.set_tasks(CLUSTER, [Task::new("a", "Running").progress(67)]);
    let path = format!("/autopilot/v3.1/projects/{PROJECT}/clusters/{CLUSTER}/operation/snapshot/tasks");
    let answer = Client::new(&simulator).get(&path).await.unwrap();
    assert_eq!(answer.json()["items"][0]["status"]["progress"], "67");
}

#[tokio::test]
async fn set_tasks_outrank_the_scenario_and_raw_answers_outrank_both() {
    let scenario =
        Scenario::from_yaml("clusters: {c: {tasks: [{at: 0s, uid: scripted, steps: [{phase: Init}]}]}}");
    let config = Config { scenario: scenario.unwrap(), ..Config::with_key("AK", "SK") };
    let simulator = Simulator::start(config).await.unwrap();
    let client = Client::new(&simulator);
    let uid = async || client.tasks("c").await.json()["items"][0]["metadata"]["uid"].clone();
    assert_eq!(uid().await, "scripted");
    simulator.set_tasks("c", [Task::new("set", "Running")]);
    assert_eq!(uid().await, "set");
    simulator.set_answer("c", json!({"items": null}));
    assert_eq!(client.tasks("c").await.json(), json!({"items": null}));
    simulator.clear_answer("c");
    assert_eq!(uid().await, "set");
    simulator.clear_tasks("c");
    assert_eq!(uid().await, "scripted");
}

#[tokio::test]
async fn a_cluster_is_unknown_until_it_is_set_and_a_star_is_every_cluster() {
    let simulator = simulator().await;
    let client = Client::new(&simulator);
    let answer = client.tasks(CLUSTER).await;
    assert_eq!((answer.status, answer.json()["errorCode"].clone()), (404, "CCE.01404001".into()));
    simulator.set_tasks(ANY_CLUSTER, []);
    assert_eq!(client.tasks(CLUSTER).await.json()["items"], json!([]));
    simulator.set_tasks(CLUSTER, [Task::new("own", "Init")]);
    assert_eq!(client.tasks(CLUSTER).await.json()["items"][0]["metadata"]["uid"], "own");
    assert_eq!(client.tasks("another").await.json()["items"], json!([]));
}

#[tokio::test]
async fn an_unknown_path_or_method_is_the_gateways_to_refuse() {
    let simulator = simulator().await;
    let client = Client::new(&simulator);
    for (method, path) in
        [("GET", "/"), ("GET", "/api/v3/projects"), ("POST", &path(CLUSTER)), ("PUT", "/pod-identity")]
    {
        let answer = client.plain(method, path, &[], "").await;
        assert_eq!(
            (answer.status, answer.json()["error_code"].clone()),
            (404, "APIGW.0101".into()),
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn a_request_that_is_not_rightly_signed_is_refused_in_the_gateways_shape() {
    let simulator = simulator().await;
    simulator.set_tasks(CLUSTER, [Task::new("a", "Running")]);
    let client = Client::new(&simulator);
    let wrong = [
        client.with(Credential::new("AK", "WRONG")),
        client.with(Credential::new("OTHER", "SK")),
        client.with(Credential::new("AK", "SK").with_token("none belongs here")),
    ];
    for client in wrong {
        let answer = client.tasks(CLUSTER).await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.json()["error_code"], "APIGW.0301");
        assert_eq!(answer.json()["request_id"], answer.headers["x-request-id"]);
        assert!(!answer.json()["error_msg"].as_str().unwrap().contains("SK"));
    }
    let unsigned = client.plain("GET", &path(CLUSTER), &[], "").await;
    assert_eq!((unsigned.status, unsigned.json()["error_code"].clone()), (401, "APIGW.0301".into()));

    // A signature for one cluster opens no other.
    let headers = client.signed("GET", &path(CLUSTER));
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(client.plain("GET", &path(CLUSTER), &headers, "").await.status, 200);
    assert_eq!(client.plain("GET", &path("another"), &headers, "").await.status, 401);
    assert_eq!(simulator.counts(CLUSTER), Counts { accepted: 1, refused: 4, faulted: 0 });
    assert_eq!(simulator.counts("another"), Counts { accepted: 0, refused: 1, faulted: 0 });
}

#[tokio::test]
async fn a_clock_that_is_off_is_told_so_whosever_it_is() {
    let simulator = simulator().await;
    simulator.set_tasks(CLUSTER, []);
    let client = Client::new(&simulator);
    for minutes in [-16, 16] {
        let client = Client { skew: SignedDuration::from_mins(minutes), ..client.clone() };
        assert_expired(&client.tasks(CLUSTER).await, minutes);
    }
    let slightly_off = Client { skew: SignedDuration::from_mins(14), ..client.clone() };
    assert_eq!(slightly_off.tasks(CLUSTER).await.status, 200);

    simulator.set_clock_skew(SignedDuration::from_mins(20));
    assert_expired(&client.tasks(CLUSTER).await, -20);
    simulator.set_clock_skew(SignedDuration::from_mins(10));
    let answer = client.tasks(CLUSTER).await;
    assert_eq!((answer.status, ahead(&answer)), (200, 10), "and every answer is dated by that clock");
    simulator.set_clock_skew(SignedDuration::ZERO);
    let answer = client.tasks(CLUSTER).await;
    assert_eq!((answer.status, ahead(&answer)), (200, 0));
}

/// How many minutes the `Date` of an answer is ahead.
fn ahead(answer: &Answer) -> i64 {
    let date = jiff::fmt::rfc2822::parse(&answer.headers["date"]).unwrap().timestamp();
    let ahead = date.duration_since(Timestamp::now());
    ahead.round(jiff::Unit::Minute).unwrap().as_mins()
}

/// A wrong clock gets the code of a wrong key, and words that tell both times.
fn assert_expired(answer: &Answer, minutes: i64) {
    let body = answer.json();
    assert_eq!((answer.status, body["error_code"].clone()), (401, "APIGW.0301".into()), "{minutes}");
    let words = body["error_msg"].as_str().unwrap();
    let (_, times) = words.split_once("signature expired, signature time:").expect(words);
    let time = |text: &str| {
        let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).unwrap();
        jiff::tz::Offset::UTC.to_timestamp(time).unwrap()
    };
    let (signed, server) = times.split_once(",server time:").expect(words);
    let off = time(signed).duration_since(time(server)).round(jiff::Unit::Minute).unwrap();
    assert_eq!(off.as_mins(), minutes, "{words}");
}

#[tokio::test]
async fn keys_can_be_added_replaced_and_removed_at_any_time() {
    let simulator = simulator().await;
    simulator.set_tasks(CLUSTER, []);
    let client = Client::new(&simulator);
    let temporary = Credential::new("TEMP", "S2").with_token("T");
    assert_eq!(client.with(temporary.clone()).tasks(CLUSTER).await.status, 401);
    simulator.add_credential(temporary.clone());
    assert_eq!(client.with(temporary.clone()).tasks(CLUSTER).await.status, 200);
    assert_eq!(
        client.with(Credential::new("TEMP", "S2")).tasks(CLUSTER).await.status,
        401,
        "without its token"
    );
    assert_eq!(
        client.with(temporary.clone().with_token("U")).tasks(CLUSTER).await.status,
        401,
        "with another token"
    );
    simulator.add_credential(temporary.clone().expiring(Timestamp::now()));
    assert_eq!(client.with(temporary).tasks(CLUSTER).await.status, 401, "after its end");

    simulator.add_credential(Credential::new("AK", "ROTATED"));
    assert_eq!(client.tasks(CLUSTER).await.status, 401);
    assert_eq!(client.with(Credential::new("AK", "ROTATED")).tasks(CLUSTER).await.status, 200);
    assert!(simulator.remove_credential("AK"));
    assert_eq!(client.with(Credential::new("AK", "ROTATED")).tasks(CLUSTER).await.status, 401);
}

#[tokio::test]
async fn requests_are_counted_by_cluster_and_by_how_many_there_are_at_a_time() {
    let simulator = simulator().await;
    simulator.set_tasks(ANY_CLUSTER, []);
    simulator.set_latency(Duration::from_millis(300));
    let client = Client::new(&simulator);
    let start = Instant::now();
    tokio::join!(client.tasks("a"), client.tasks("a"), client.tasks("b"));
    assert!(start.elapsed() >= Duration::from_millis(300));
    assert_eq!((simulator.requests("a"), simulator.requests("b"), simulator.requests("c")), (2, 1, 0));
    assert_eq!(simulator.total().accepted, 3);
    assert_eq!(simulator.max_concurrent(), 3);
    simulator.reset_counts();
    assert_eq!(
        (simulator.requests("a"), simulator.total(), simulator.max_concurrent()),
        (0, Counts::default(), 0)
    );
}
