//! What stays in a recording, and what goes.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn of(disguise: &mut Disguise, body: &Value) -> Value {
    let mut line = "{\"a\":0".to_owned();
    assert!(disguise.json(body.to_string().as_bytes(), &mut line), "{body}");
    serde_json::from_str::<Value>(&(line + "}")).unwrap()["body"].clone()
}

const UID: &str = "87d326f9-46b0-486e-a4ba-1f82ec9315ed";

#[test]
fn what_the_cloud_means_stays_and_whose_it_is_goes() {
    let answer = json!({
        "kind": "List", "apiVersion": "v3.1", "metadata": {"labels": {"canary-team": "canary"}},
        "items": [{
            "metadata": {"uid": UID, "name": "canary-cluster", "creationTimestamp": "2023-11-25 17:03:46.739012 +0800 CST"},
            "spec": {"items": [{"id": UID, "type": "master-backup", "status": "Failed",
                     "message": "The backup of canary failed: disk is full on 10.1.2.3, project 0123456789abcdef0123456789abcdef"}]},
            "status": {"phase": "Frobnicating", "progress": "67", "canaryIsNoField": true, "domain": 1_234_567_890, "size": 12},
        }],
    });
    let mut disguise = Disguise::new();
    let shown = of(&mut disguise, &answer);
    let task = &shown["items"][0];
    assert_eq!(task["status"]["phase"], "Frobnicating");
    assert_eq!(task["status"]["progress"], "67");
    assert_eq!(task["status"]["size"], 12);
    assert_eq!(task["metadata"]["creationTimestamp"], "2023-11-25 17:03:46.739012 +0800 CST");
    let uid = task["metadata"]["uid"].as_str().unwrap();
    assert!(is_uuid(uid) && uid != UID, "{uid}");
    assert_eq!(task["spec"]["items"][0]["id"], uid, "one value has one replacement");
    let message = task["spec"]["items"][0]["message"].as_str().unwrap();
    assert!(
        message.starts_with("The backup of word-") && message.contains(" failed: disk is full on word-"),
        "{message}"
    );
    let text = shown.to_string().replace("canaryIsNoField", "");
    for gone in ["canary", UID, "10.1.2.3", "0123456789abcdef", "1234567890"] {
        assert!(!text.contains(gone), "{gone}: {text}");
    }
    let (told, count) = disguise.replaced();
    assert_eq!(told["canary-cluster"], task["metadata"]["name"].as_str().unwrap());
    assert_eq!(count, told.len());
}

#[test]
fn another_recording_has_other_replacements() {
    assert_ne!(Disguise::new().word(UID), Disguise::new().word(UID));
    let mut one = Disguise::new();
    assert_eq!(one.word(UID), one.word(&UID.to_uppercase()));
}

#[test]
fn an_error_body_keeps_its_codes_and_its_words() {
    let body = json!({
        "kind": "Status", "status": "Failure", "code": 429, "errorCode": "CCE.01429002",
        "errorMessage": "Invalid request.", "message": "The cluster is locked by other requests, cluster prod-eu of Zhang San",
        "reason": "TooManyRequests",
    });
    let shown = of(&mut Disguise::new(), &body);
    assert_eq!((&shown["errorCode"], &shown["code"]), (&"CCE.01429002".into(), &429.into()));
    assert_eq!(
        (&shown["errorMessage"], &shown["reason"]),
        (&"Invalid request.".into(), &"TooManyRequests".into())
    );
    let message = shown["message"].as_str().unwrap();
    assert!(message.starts_with("The cluster is locked by other requests, cluster word-"), "{message}");
    assert!(!message.contains("prod-eu") && !message.contains("Zhang"), "{message}");
}

proptest! {
    #[test]
    fn any_text_comes_out_without_its_names(text in "\\PC{0,60}", name in "[b-z]{3}[0-9]{4}") {
        let mut disguise = Disguise::new();
        let shown = of(&mut disguise, &json!({"message": format!("{text} {name} {text}"), "name": name, "phase": "Running"}));
        prop_assert!(!shown.to_string().contains(&name), "{shown}");
    }

    #[test]
    fn any_bytes_are_disguised_or_no_json(body in proptest::collection::vec(any::<u8>(), 0..80)) {
        let mut line = String::new();
        if !Disguise::new().json(&body, &mut line) {
            prop_assert_eq!(line, "");
        }
    }
}
