//! What a list of clusters may hold, and what is made of it.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const ID: &str = "11111111-2222-3333-4444-555555555555";

fn of(answer: &Value) -> Result<Vec<Cluster>, ListError> {
    from(answer.to_string(), ClusterType::Standard)
}

fn from(body: impl Into<Vec<u8>>, cluster_type: ClusterType) -> Result<Vec<Cluster>, ListError> {
    decode(&mut body.into(), cluster_type).map(|list| list.clusters)
}

fn bare() -> Cluster {
    Cluster {
        uid: ClusterId::parse(ID).unwrap(),
        cluster_type: ClusterType::Standard,
        name: None,
        alias: None,
        version: None,
        phase: None,
        tags: BTreeMap::new(),
        creation_time: None,
    }
}

#[test]
fn a_cluster_is_read_as_the_api_page_has_it() {
    let answer = json!({"kind": "Cluster", "apiVersion": "v3", "items": [{
        "kind": "Cluster", "apiVersion": "v3",
        "metadata": {"name": "prod", "uid": ID.to_uppercase(), "alias": "生产\n1", "labels": {"a": "b"},
                     "creationTimestamp": "2023-11-25 17:03:46 +0800 CST"},
        "spec": {"type": "VirtualMachine", "version": "v1.30", "clusterTags": [
            {"key": "team", "value": "a"}, {"key": "empty"}, {"value": "no key"}, 7]},
        "status": {"phase": "Available"},
    }]});
    let tags = [("team", "a"), ("empty", "")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    let expected = Cluster {
        name: Some("prod".to_owned()),
        alias: Some("生产 1".to_owned()),
        version: Some("v1.30".to_owned()),
        phase: Some("Available".to_owned()),
        tags: tags.into(),
        creation_time: "2023-11-25T09:03:46Z".parse().ok(),
        ..bare()
    };
    assert_eq!(of(&answer), Ok(vec![expected]));
}

#[test]
fn fields_of_another_type_are_absent() {
    let answer = json!({"items": [{"metadata": {"uid": ID, "name": 7, "alias": []}, "spec": {
        "version": 1.3, "clusterTags": {}, "enableAutopilot": "yes"}, "status": "up"}]});
    assert_eq!(of(&answer), Ok(vec![bare()]));
}

#[test]
fn the_product_is_that_of_the_call_or_what_the_cluster_says() {
    let answer = json!({"items": [
        {"metadata": {"uid": ID}}, {"metadata": {"uid": ID}, "spec": {"enableAutopilot": true}}]});
    let types = |of_call| {
        let clusters = from(answer.to_string(), of_call).unwrap();
        clusters.iter().map(|cluster| cluster.cluster_type).collect::<Vec<_>>()
    };
    assert_eq!(types(ClusterType::Standard), [ClusterType::Standard, ClusterType::Autopilot]);
    assert_eq!(types(ClusterType::Autopilot), [ClusterType::Autopilot; 2]);
}

#[test]
fn what_is_no_list_never_looks_like_an_empty_one() {
    for answer in [
        json!({"items": []}),
        json!({"items": null}),
        json!({"kind": "Cluster", "items": []}),
        json!({"kind": "List"}),
    ] {
        assert_eq!(of(&answer), Ok(vec![]), "{answer}");
    }
    for (answer, error) in [
        (json!([]), ListError::NotJson),
        (json!(null), ListError::NotJson),
        (json!({}), ListError::NoList),
        (json!({"items": {"a": [1]}}), ListError::NoList),
        (json!({"items": "none"}), ListError::NoList),
        (json!({"items": 0}), ListError::NoList),
        (json!({"items": -1}), ListError::NoList),
        (json!({"items": 0.5}), ListError::NoList),
        (json!({"items": false}), ListError::NoList),
        (json!({"items": [], "errorCode": "CCE.1"}), ListError::ErrorBody),
        (json!({"error_code": "APIGW.1", "items": null}), ListError::ErrorBody),
        (json!({"items": [7]}), ListError::NoId),
        (json!({"items": [{"metadata": {"uid": "x"}}]}), ListError::NoId),
        (json!({"items": [{"metadata": {"uid": ID}}, {"metadata": {"name": "n"}}]}), ListError::NoId),
    ] {
        assert_eq!(of(&answer), Err(error), "{answer}");
    }
    for body in ["", "<html>", "{\"items\":[", "\u{0}"] {
        assert_eq!(from(body, ClusterType::Standard), Err(ListError::NotJson), "{body}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_an_error_or_clusters(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = from(body, ClusterType::Standard);
    }
}
