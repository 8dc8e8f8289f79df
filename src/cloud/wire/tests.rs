//! What an answer may hold, and what is made of it.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn of(answer: &Value) -> Result<Answer, ListError> {
    from(answer.to_string())
}

fn from(body: impl Into<Vec<u8>>) -> Result<Answer, ListError> {
    decode(&mut body.into())
}

fn at(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

#[test]
fn of_too_many_items_the_telling_ones_stay() {
    let mut parts = vec![json!({"type": "master-backup", "status": "Success"}); 100];
    parts.push(json!({"type": "master-backup", "status": "Failed", "message": "full"}));
    parts.push(json!({"type": "master-backup-rollback"}));
    let body = json!({"items": [{"metadata": {"uid": "a"}, "spec": {"items": parts}}]});
    let items = &of(&body).unwrap().tasks[0].items;
    assert_eq!(items.len(), MAX_ITEMS);
    assert_eq!(items[0].type_.as_deref(), Some("master-backup-rollback"));
    assert_eq!(items[1].message.as_deref(), Some("full"));
}

#[test]
fn of_two_tasks_that_differ_in_nothing_but_the_phase_a_success_is_not_believed() {
    let task = |phase| json!({"metadata": {"uid": "a"}, "status": {"phase": phase}});
    for phases in [["Success", "Failed"], ["Failed", "Success"]] {
        let body = json!({"items": phases.map(task)});
        assert_eq!(of(&body).unwrap().tasks[0].phase.as_deref(), Some("Failed"));
    }
}

#[test]
fn the_api_pages_own_sample_is_read_whole() {
    let answer = of(&json!({
        "kind": "List", "apiVersion": "v3.1", "metadata": {},
        "items": [{
            "kind": "SnapshotTask", "apiVersion": "v3.1",
            "metadata": {
                "uid": "87d326f9-46b0-486e-a4ba-1f82ec9315ed",
                "creationTimestamp": "2023-11-25 17:03:46.739012 +0800 CST",
                "updateTimestamp": "2023-11-25 17:03:46.739027 +0800 CST",
            },
            "spec": {},
            "status": {
                "phase": "Running", "progress": "67",
                "completionTime": "2023-11-25 17:03:46.739027 +0800 CST",
            },
        }],
        "status": {"latestBackupTime": "2023-11-25 17:03:47.980844 +0800 CST"},
    }));
    let task = Task {
        uid: "87d326f9-46b0-486e-a4ba-1f82ec9315ed".into(),
        phase: Some("Running".into()),
        progress: Some(67),
        creation_time: at("2023-11-25T09:03:46.739012Z"),
        update_time: at("2023-11-25T09:03:46.739027Z"),
        completion_time: at("2023-11-25T09:03:46.739027Z"),
        items: vec![],
    };
    let latest_backup_time = at("2023-11-25T09:03:47.980844Z");
    assert_eq!(answer, Ok(Answer { tasks: vec![task], latest_backup_time, left_out: 0, dropped: 0 }));
}

#[test]
fn a_tasks_parts_are_read_too() {
    let part = json!({
        "id": "e1", "type": "master-backup", "status": "Failed", "message": "disk\u{202e} full",
        "creationTimestamp": "2023-11-25 17:03:46 +0800 CST", "updateTimestamp": "2023-11-25 17:03:47 +0800 CST",
    });
    let parts = [vec![part, json!(7), Value::Null], vec![json!({}); 50]].concat();
    let answer = of(&json!({"items": [{"metadata": {"uid": "u"}, "spec": {"items": parts}}]})).unwrap();
    let items = &answer.tasks[0].items;
    let first = Item {
        id: Some("e1".into()),
        type_: Some("master-backup".into()),
        status: Some("Failed".into()),
        creation_time: at("2023-11-25T09:03:46Z"),
        update_time: at("2023-11-25T09:03:47Z"),
        message: Some("disk\u{fffd} full".into()),
    };
    assert_eq!((items.len(), &items[0], &items[1]), (MAX_ITEMS, &first, &Item::default()));
}

#[test]
fn only_a_list_is_an_answer() {
    use ListError::{ErrorBody, NoList, NotJson};
    for good in
        [r#"{"items":[]}"#, r#"{"items":null}"#, r#"{"kind":"List"}"#, r#" {"items":[],"new":{"a":1}} "#]
    {
        assert_eq!(from(good), Ok(Answer::default()), "{good}");
    }
    let deep = "[".repeat(500_000);
    for (bad, error) in [
        ("", NotJson),
        ("<html>", NotJson),
        (r#"{"items":["#, NotJson),
        (r#"{"items":[]} x"#, NotJson),
        (&deep, NotJson),
        ("[]", NotJson),
        ("null", NotJson),
        (r#""List""#, NotJson),
        ("{}", NoList),
        (r#"{"kind":"Status"}"#, NoList),
        (r#"{"kind":"list"}"#, NoList),
        (r#"{"items":{},"kind":"List"}"#, NoList),
        (r#"{"items":"","kind":"List"}"#, NoList),
        (r#"{"items":0,"kind":"List"}"#, NoList),
        (r#"{"code":"x","message":"y"}"#, NoList),
        (r#"{"errorCode":"CCE.01500001","errorMessage":"x"}"#, ErrorBody),
        (r#"{"error_code":"APIGW.0308","kind":"List","items":null}"#, ErrorBody),
    ] {
        assert_eq!(from(bad), Err(error), "{}", &bad[..bad.len().min(60)]);
    }
    assert_eq!(from(b"{\"items\":[\"\xff\"]}"), Err(NotJson));
}

#[test]
fn a_wrong_type_loses_its_field_and_nothing_else() {
    for wrong in [json!(null), json!(true), json!({}), json!([]), json!([{}]), json!(""), json!(-1)] {
        let good = json!({"uid": "u", "creationTimestamp": wrong, "updateTimestamp": wrong});
        let status = json!({"phase": wrong, "progress": wrong, "completionTime": wrong});
        let parts = json!({"items": [{"id": wrong, "type": wrong, "status": wrong, "message": wrong}]});
        let answer = of(&json!({
            "kind": wrong, "apiVersion": wrong, "metadata": wrong, "status": wrong,
            "items": [
                {"metadata": good, "status": status, "spec": parts, "kind": wrong},
                {"metadata": {"uid": "v"}, "status": wrong, "spec": wrong},
                {"metadata": {"uid": "w"}, "spec": {"items": wrong}},
            ],
        }))
        .unwrap();
        let first = Task { uid: "u".into(), items: vec![Item::default()], ..Task::default() };
        assert_eq!(answer.tasks[0], first, "{wrong}");
        assert_eq!(answer.tasks[1], Task { uid: "v".into(), ..Task::default() });
        assert_eq!((answer.tasks.len(), answer.left_out, answer.latest_backup_time), (3, 0, None));
    }
}

#[test]
fn an_item_without_a_usable_uid_is_left_out_and_counted() {
    let uid = |uid: Value| json!({"metadata": {"uid": uid}});
    let items = json!([
        uid(json!("a")), uid(json!("x".repeat(128))), uid(json!("备".repeat(128))),
        null, 7, "a", [], {}, {"metadata": null}, {"metadata": {}},
        uid(json!("")), uid(json!(7)), uid(json!("x".repeat(129))),
    ]);
    let answer = of(&json!({"items": items})).unwrap();
    assert_eq!((answer.tasks.len(), answer.left_out), (3, 10));
}

#[test]
fn of_two_with_one_uid_the_later_updated_counts_in_any_order() {
    let task = |update: &str, phase: &str, progress: u8| {
        json!({
            "metadata": {"uid": "u", "updateTimestamp": update}, "status": {"phase": phase, "progress": progress},
        })
    };
    let early = "2023-11-25 17:03:46 +0800 CST";
    let late = "2023-11-25 17:03:47 +0800 CST";
    for (counts, other) in [
        (task(late, "Failed", 1), task(early, "Success", 99)),
        (task(early, "Running", 1), task("soon", "Success", 99)),
        (task("", "Running", 7), task("", "Init", 6)),
    ] {
        for items in [json!([counts, other]), json!([other, counts])] {
            let answer = of(&json!({"items": items})).unwrap();
            assert_eq!(answer.tasks, of(&json!({"items": [counts]})).unwrap().tasks);
            assert_eq!(answer.left_out, 0);
        }
    }
}

#[test]
fn of_too_many_tasks_the_newest_are_kept() {
    let task = |n: usize| {
        let creation = format!("2023-11-25 {:02}:{:02}:{:02} +0000 UTC", n / 3600, n / 60 % 60, n % 60);
        // No shorter than one that the cloud lists.
        let (kind, version, status) =
            ("SnapshotTask", "v3.1", json!({"phase": "Success", "progress": "100"}));
        let metadata =
            json!({"uid": n.to_string(), "creationTimestamp": creation, "updateTimestamp": creation});
        json!({"kind": kind, "apiVersion": version, "metadata": metadata, "status": status})
    };
    let answer = of(&json!({"items": (0..MAX_TASKS + 500).map(task).collect::<Vec<_>>()})).unwrap();
    assert_eq!((answer.tasks.len(), answer.tasks[0].uid.as_str()), (MAX_TASKS, "500"));
    assert_eq!((answer.dropped, answer.left_out), (500, 0));
}

#[test]
fn what_the_cloud_writes_is_cleaned_and_cut() {
    let answer = of(&json!({"items": [{
        "metadata": {"uid": "u\u{200b}"},
        "status": {"phase": format!("Succ\u{200b}ess{}", "s".repeat(99))},
        "spec": {"items": [{"message": "\u{1b}[31m备".repeat(1_000)}]},
    }]}))
    .unwrap();
    let task = &answer.tasks[0];
    assert_eq!(task.uid, "u\u{fffd}");
    let phase = task.phase.as_deref().unwrap();
    assert!(phase.starts_with("Succ\u{fffd}ess") && phase.chars().count() == MAX_WORD);
    let message = task.items[0].message.as_deref().unwrap();
    assert!(message.chars().count() == MAX_MESSAGE && !message.contains('\u{1b}'));
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
    let key = prop_oneof![
        Just("items"),
        Just("metadata"),
        Just("status"),
        Just("spec"),
        Just("uid"),
        Just("phase"),
        Just("progress"),
        Just("kind"),
        Just("creationTimestamp"),
        Just("message"),
    ];
    leaf.prop_recursive(6, 64, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            proptest::collection::hash_map(key.clone().prop_map(str::to_owned), inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes_decode_or_fail_without_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = from(body);
    }

    #[test]
    fn any_list_of_anything_is_an_answer(items in proptest::collection::vec(any_json(), 0..12)) {
        let count = items.len();
        let answer = of(&json!({"items": items})).unwrap();
        prop_assert!(answer.tasks.len() + answer.left_out <= count);
        let uids: std::collections::HashSet<_> = answer.tasks.iter().map(|t| &t.uid).collect();
        prop_assert_eq!(uids.len(), answer.tasks.len());
        prop_assert!(answer.tasks.iter().all(|t| t.progress.is_none_or(|p| p <= 100)));
    }
}
