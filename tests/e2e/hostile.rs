//! Hostile or broken answers of the cloud: whatever it answers, the reason is right, the rest of the status stays, and
//! text from the cloud is cleaned before it is shown.

use cbw_testkit::{
    operator::Operator,
    scene::{ACCESS_KEY, CLUSTER, SECRET_KEY, Scene, healthy, message, ready},
    trial::tests,
};
use cce_simulator::{Credential, Fault, Item, Task};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::shared::fault_table::{self, TIMEOUT};

tests![
    every_fault_is_told_as_what_it_is_forgets_nothing_and_passes_with_the_first_good_answer,
    hostile_messages_are_cleaned_and_cut_in_status_and_events,
    a_thousand_tasks_are_as_good_as_the_newest_few,
    tasks_without_a_uid_are_left_out_and_of_two_with_one_the_later_counts,
    a_list_that_is_null_is_an_empty_list_and_forgets_no_success,
];

async fn every_fault_is_told_as_what_it_is_forgets_nothing_and_passes_with_the_first_good_answer(
    scene: Scene,
) {
    let flags = ["--request-timeout", TIMEOUT, "--account-rate", "50", "--account-burst", "100"];
    let operator = Operator::start(&scene, &flags).await;
    let credential = Credential::new(ACCESS_KEY, SECRET_KEY);
    fault_table::play(&scene, &credential, &fault_table::faults()).await;
    let memory = operator.most_memory();
    assert!(memory < 200 << 20, "{memory} bytes, after answers of 50 MiB");
}

/// Some 5 kB of control characters, escape sequences, and bidirectional and invisible characters.
fn hostile() -> String {
    "\u{1b}[31mno\u{202e}ecaps\u{0}left\u{200b}\r\n\u{7f}".repeat(200)
}

/// Whether a text has no control, bidirectional or invisible character.
fn is_clean(text: &str) -> bool {
    !text.contains(|c: char| c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'))
}

async fn hostile_messages_are_cleaned_and_cut_in_status_and_events(scene: Scene) {
    let item = Item { status: Some("Failed".to_owned()), message: Some(hostile()), ..Item::default() };
    scene.cloud.set_tasks(
        CLUSTER,
        [Task::new("backup-1", "Failed")
            .item(item)
            .completed(Timestamp::now() + SignedDuration::from_secs(60))],
    );
    let operator = scene.operator().await;
    scene.watch("prod", json!({})).await;
    let failed = scene.shows("prod", "failed", |status| healthy(status) == "False BackupFailed").await;
    let task = &failed.tasks.as_ref().unwrap()[0];
    let shown = task.items[0].message.as_deref().unwrap();
    assert_eq!(shown.chars().count(), 256);
    assert!(shown.starts_with("\u{fffd}[31mno\u{fffd}ecaps\u{fffd}left"), "{shown}");

    scene.cloud.set_fault(CLUSTER, Fault::error(400, "CCE.01400001", hostile())).unwrap();
    scene.request("prod", "now").await;
    let rejected = scene.shows("prod", "rejected", |status| ready(status) == "False RequestRejected").await;
    assert!(message(&rejected, "Ready").contains("the cloud says: \u{fffd}[#\u{fffd}ecaps"), "{rejected:?}");
    for status in [&failed, &rejected] {
        for condition in &status.conditions {
            assert!(
                is_clean(&condition.message) && condition.message.chars().count() <= 600,
                "{condition:?}"
            );
        }
    }
    for reason in ["BackupFailed", "PollFailed"] {
        let notes = scene.notes("prod", reason).await;
        assert_eq!(notes.len(), 1);
        assert!(is_clean(&notes[0]) && notes[0].len() < 1024, "{notes:?}");
    }
    // The log is read on terminals, where an escape sequence would take effect.
    assert!(is_clean(&operator.text().replace('\n', "")));
}

async fn a_thousand_tasks_are_as_good_as_the_newest_few(scene: Scene) {
    // The time of creation of a resource is one of whole seconds, so what ended in that second is after it.
    let now = Timestamp::now() - SignedDuration::from_secs(2);
    let tasks = (0..1000_i64).map(|n| {
        let at = now - SignedDuration::from_mins(n);
        let phase = if n == 500 { "Failed" } else { "Success" };
        Task::new(format!("backup-{n}"), phase).progress(100).created(at).updated(at).completed(at)
    });
    // The list is not sorted by time, so the operator has to sort it.
    let mut tasks: Vec<_> = tasks.collect();
    tasks.rotate_left(333);
    scene.cloud.set_tasks(CLUSTER, tasks);
    let _operator = scene.operator().await;
    scene.watch("prod", json!({ "historyLimit": 50 })).await;
    let status = scene.shows("prod", "polled", |status| ready(status) == "True Polled").await;
    let uids: Vec<_> = status.tasks.iter().flatten().map(|task| task.uid.clone()).collect();
    assert_eq!(uids, (0..50).map(|n| format!("backup-{n}")).collect::<Vec<_>>());
    assert_eq!(status.last_success.unwrap().uid, "backup-0");
    assert_eq!(status.last_failure.unwrap().uid, "backup-500", "one that the history has no room for counts");
    assert_eq!(scene.reasons("prod").await, [].into(), "what was over before the watch was made is no news");
}

async fn tasks_without_a_uid_are_left_out_and_of_two_with_one_the_later_counts(scene: Scene) {
    let task = |uid: serde_json::Value, phase: &str, updated: &str| {
        json!({ "metadata": { "uid": uid, "creationTimestamp": "2023-11-25T09:00:00Z", "updateTimestamp": updated },
                "status": { "phase": phase } })
    };
    let (early, late) = ("2023-11-25T09:01:00Z", "2023-11-25T09:02:00Z");
    let items = json!([
        task(json!("twice"), "Failed", late),
        task(json!("twice"), "Success", early),
        task(json!(""), "Success", late),
        task(json!(null), "Success", late),
        task(json!({ "uid": "x" }), "Success", late),
        task(json!("u".repeat(129)), "Success", late),
        "text",
        null,
        { "metadata": {}, "status": { "phase": "Success" } },
    ]);
    scene.cloud.set_answer(CLUSTER, json!({ "kind": "List", "items": items }));
    let operator = scene.operator().await;
    scene.watch("prod", json!({})).await;
    let status = scene.shows("prod", "failed", |status| healthy(status) == "False BackupFailed").await;
    let uids: Vec<_> = status.tasks.iter().flatten().map(|task| task.uid.as_str()).collect();
    assert_eq!((uids, status.last_success), (vec!["twice"], None));
    assert!(operator.log().iter().any(|line| line["left_out"] == 7), "the log counts what was left out");
}

async fn a_list_that_is_null_is_an_empty_list_and_forgets_no_success(scene: Scene) {
    scene.task("Success", 100);
    let _operator = scene.operator().await;
    scene.watch("prod", json!({})).await;
    let before = scene.shows("prod", "a success", |status| healthy(status) == "True BackupSucceeded").await;
    scene.cloud.set_answer(CLUSTER, json!({ "kind": "List", "items": null }));
    // More than one poll, since one that failed would show in `Reconciling` alone.
    for request in ["1", "2"] {
        scene.asks("prod", request).await;
    }
    let after = scene.asks("prod", "3").await;
    assert_eq!((ready(&after), healthy(&after)), ("True Polled".into(), "True BackupSucceeded".into()));
    assert_eq!((after.tasks, after.last_success), (before.tasks, before.last_success));
}
