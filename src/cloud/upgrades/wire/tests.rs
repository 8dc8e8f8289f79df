//! Hostile and odd lists of upgrades.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn of(answer: &Value) -> Result<Vec<Workflow>, ListError> {
    from(answer.to_string())
}

fn from(body: impl Into<Vec<u8>>) -> Result<Vec<Workflow>, ListError> {
    decode(&mut body.into())
}

fn at(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

#[test]
fn a_workflow_is_read_whole() {
    let answer = json!({"kind": "List", "apiVersion": "v3", "items": [{
        "kind": "WorkFlowTask", "apiVersion": "v3",
        "metadata": {"uid": "w", "creationTimestamp": "2026-01-01 10:00:00 +0800 CST",
                     "updateTimestamp": "2026-01-01T02:30:00Z"},
        "spec": {"clusterID": "c", "clusterVersion": "v1.33.12-r2", "targetVersion": "v1.34.8-r2"},
        "status": {"phase": "Running",
            "pointStatuses": [
                {"taskType": "PreCheck", "taskID": "p", "status": "Success",
                 "startTimeStamp": "2026-01-01 10:01:00 +0800 CST", "endTimeStamp": "2026-01-01 10:02:00 +0800 CST",
                 "expireTimeStamp": "2026-01-01 11:02:00 +0800 CST"},
                {"taskType": "Snapshot", "taskID": "s", "status": "Running", "startTimeStamp": "2026-01-01T02:03:00Z",
                 "endTimeStamp": "0001-01-01 00:00:00 +0000 UTC"}],
            "lineStatuses": [{"startPoint": {"taskType": "Cluster", "status": "Failed"}}]},
    }]});
    let precheck = Step {
        type_: Some("PreCheck".into()),
        task_id: Some("p".into()),
        status: Some("Success".into()),
        start_time: at("2026-01-01T02:01:00Z"),
        end_time: at("2026-01-01T02:02:00Z"),
        expiry_time: at("2026-01-01T03:02:00Z"),
    };
    let snapshot = Step {
        type_: Some("Snapshot".into()),
        task_id: Some("s".into()),
        status: Some("Running".into()),
        start_time: at("2026-01-01T02:03:00Z"),
        ..Step::default()
    };
    let expected = Workflow {
        uid: "w".into(),
        creation_time: at("2026-01-01T02:00:00Z"),
        update_time: at("2026-01-01T02:30:00Z"),
        from_version: Some("v1.33.12-r2".into()),
        to_version: Some("v1.34.8-r2".into()),
        phase: Some("Running".into()),
        steps: vec![precheck, snapshot],
    };
    assert_eq!(of(&answer), Ok(vec![expected]));
}

#[test]
fn only_a_list_is_an_answer() {
    use ListError::{ErrorBody, NoList, NotJson};
    for good in
        [r#"{"items":[]}"#, r#"{"items":null}"#, r#"{"kind":"List"}"#, r#" {"items":[],"new":{"a":1}} "#]
    {
        assert_eq!(from(good), Ok(vec![]), "{good}");
    }
    let deep = "[".repeat(500_000);
    let deep_field = format!(r#"{{"items":[],"new":{}"#, "[".repeat(500_000));
    for (bad, error) in [
        ("", NotJson),
        ("<html>", NotJson),
        (r#"{"items":["#, NotJson),
        (r#"{"items":[]} x"#, NotJson),
        (r#"{"items":[],"items":[]}"#, NotJson),
        (&deep, NotJson),
        (&deep_field, NotJson),
        ("[]", NotJson),
        ("null", NotJson),
        (r#""List""#, NotJson),
        ("{}", NoList),
        (r#"{"kind":"Status"}"#, NoList),
        (r#"{"items":{},"kind":"List"}"#, NoList),
        (r#"{"items":"","kind":"List"}"#, NoList),
        (r#"{"items":0,"kind":"List"}"#, NoList),
        (r#"{"errorCode":"CCE.01500001","errorMessage":"x"}"#, ErrorBody),
        (r#"{"error_code":"APIGW.0308","kind":"List","items":null}"#, ErrorBody),
    ] {
        assert_eq!(from(bad), Err(error), "{}", &bad[..bad.len().min(60)]);
    }
}

#[test]
fn a_wrong_type_loses_its_field_and_nothing_else() {
    for wrong in [
        json!(null),
        json!(true),
        json!({}),
        json!([]),
        json!([{}]),
        json!({"a": [1]}),
        json!(-1),
        json!(1.5),
        json!(""),
    ] {
        let answer = of(&json!({"kind": wrong, "items": [
            {"metadata": {"uid": "a", "creationTimestamp": wrong, "updateTimestamp": wrong},
             "spec": {"clusterVersion": wrong, "targetVersion": wrong},
             "status": {"phase": wrong, "pointStatuses": [wrong, {"taskType": wrong, "taskID": wrong, "status": wrong,
                "startTimeStamp": wrong, "endTimeStamp": wrong, "expireTimeStamp": wrong}]}},
            {"metadata": {"uid": "b"}, "spec": wrong, "status": wrong},
            {"metadata": {"uid": "c"}, "status": {"pointStatuses": wrong}},
            {"metadata": wrong}, wrong, {"metadata": {"uid": wrong}},
        ]}))
        .unwrap();
        assert_eq!(answer.len(), 3, "{wrong}");
        for workflow in answer {
            let bare = Workflow { uid: workflow.uid.clone(), ..Workflow::default() };
            let steps = workflow.steps.iter().all(|step| *step == Step::default());
            assert!(steps && Workflow { steps: vec![], ..workflow } == bare, "{wrong}");
        }
    }
}

#[test]
fn of_two_with_one_uid_the_later_updated_counts_in_any_order() {
    let workflow = |update: &str, phase: &str| json!({"metadata": {"uid": "w", "updateTimestamp": update}, "status": {"phase": phase}});
    let (early, late) = ("2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z");
    for (counts, other) in [
        (workflow(late, "Success"), workflow(early, "Running")),
        (workflow(late, "Running"), workflow(early, "Success")),
        (workflow("", "Running"), workflow("", "Success")),
    ] {
        for items in [json!([counts, other]), json!([other, counts])] {
            assert_eq!(of(&json!({"items": items})), of(&json!({"items": [counts]})));
        }
    }
}

#[test]
fn of_too_many_the_newest_workflows_and_the_steps_that_decide_are_kept() {
    let time = |n: usize| format!("2026-01-01 {:02}:{:02}:{:02} +0000 UTC", n / 3600, n / 60 % 60, n % 60);
    let many = |n: usize| json!({"metadata": {"uid": n.to_string(), "creationTimestamp": time(n)}});
    let answer = of(&json!({"items": (0..5_000).map(many).collect::<Vec<_>>()})).unwrap();
    assert_eq!((answer.len(), answer[0].uid.as_str()), (MAX_WORKFLOWS, "4999"));

    let mut steps = vec![json!({"taskType": "Snapshot", "status": "Success"}); 5_000];
    steps.push(json!({"taskType": "Cluster", "status": "Running"}));
    steps.extend(vec![json!({}); 5_000]);
    let answer =
        of(&json!({"items": [{"metadata": {"uid": "w"}, "status": {"pointStatuses": steps}}]})).unwrap();
    let steps = &answer[0].steps;
    assert_eq!((steps.len(), steps[0].type_.as_deref()), (MAX_STEPS, Some("Cluster")));
}

#[test]
fn what_the_cloud_writes_is_cleaned_and_cut() {
    let answer = of(&json!({"items": [
        {"metadata": {"uid": "u\u{200b}"}, "spec": {"targetVersion": "\u{1b}[31m备".repeat(1_000)},
         "status": {"phase": format!("Succ\u{200b}ess{}", "s".repeat(99)), "pointStatuses": [{"taskID": "🦀".repeat(999)}]}},
        {"metadata": {"uid": "x".repeat(129)}}, {"metadata": {"uid": "备".repeat(128)}},
    ]}))
    .unwrap();
    assert_eq!(answer.len(), 2);
    let workflow = answer.iter().find(|workflow| workflow.uid == "u\u{fffd}").unwrap();
    assert!(workflow.phase.as_deref().unwrap().starts_with("Succ\u{fffd}ess"));
    assert_eq!(workflow.phase.as_deref().map(|phase| phase.chars().count()), Some(MAX_WORD));
    let version = workflow.to_version.as_deref().unwrap();
    assert!(version.chars().count() == MAX_WORD && !version.contains('\u{1b}'));
    assert_eq!(workflow.steps[0].task_id.as_deref().map(|id| id.chars().count()), Some(MAX_UID));
}

/// Any JSON, with the API's own keys more often than chance would have it.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(json!("2023-11-25 17:03:46 +0800 CST")),
    ];
    let keys = [
        "items",
        "metadata",
        "status",
        "spec",
        "uid",
        "phase",
        "pointStatuses",
        "taskType",
        "taskID",
        "kind",
        "creationTimestamp",
        "startTimeStamp",
    ];
    leaf.prop_recursive(6, 64, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            proptest::collection::hash_map(proptest::sample::select(keys.to_vec()), inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes_decode_or_fail_without_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = from(body);
    }

    #[test]
    fn any_list_of_anything_is_an_answer_in_any_order(items in proptest::collection::vec(any_json(), 0..12)) {
        let answer = of(&json!({"items": items})).unwrap();
        let uids: std::collections::HashSet<_> = answer.iter().map(|w| &w.uid).collect();
        prop_assert_eq!(uids.len(), answer.len());
        let reversed: Vec<_> = items.into_iter().rev().collect();
        let mut other = of(&json!({"items": reversed})).unwrap();
        let mut answer = answer;
        answer.sort_by(|a, b| a.uid.cmp(&b.uid));
        other.sort_by(|a, b| a.uid.cmp(&b.uid));
        prop_assert_eq!(answer, other);
    }
}
