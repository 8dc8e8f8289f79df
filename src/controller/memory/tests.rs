//! The promises of the memory, without I/O.

use kube::core::Status;
use serde_json::json;

use super::super::object::prune;
use super::*;

fn is_new(memory: &Memory, watch: &Guarded) -> bool {
    memory.is_news(watch)
}

fn watch(generation: i64) -> Guarded {
    serde_json::from_value(json!({
        "apiVersion": "cce.backupwatch.io/v1alpha1",
        "kind": "ClusterBackupWatch",
        "metadata": { "name": "prod", "namespace": "platform", "uid": "1", "generation": generation },
        "spec": { "region": "r", "projectID": "p", "clusterID": "c" },
    }))
    .unwrap()
}

#[test]
fn a_status_write_makes_no_reconcile_and_a_new_spec_and_a_request_do() {
    let memory = Memory::default();
    assert!(is_new(&memory, &watch(1)));
    let mut written = watch(1);
    written.meta_mut().resource_version = Some("2".into());
    assert!(!is_new(&memory, &written));
    assert!(is_new(&memory, &watch(2)));
    let mut requested = watch(2);
    requested.annotations_mut().insert(REQUESTED_AT.into(), "now".into());
    assert!(is_new(&memory, &requested));
    assert!(!is_new(&memory, &requested));
}

#[test]
fn every_change_of_a_resource_that_cannot_be_decoded_makes_a_reconcile() {
    let memory = Memory::default();
    let undecodable = |version: &str| {
        let mut watch = serde_json::to_value(watch(1).0.unwrap()).unwrap();
        watch["spec"]["clusterType"] = json!("Turbo");
        watch["metadata"]["resourceVersion"] = json!(version);
        serde_json::from_value::<Guarded>(watch).unwrap()
    };
    assert!(undecodable("1").0.is_err());
    assert!(is_new(&memory, &undecodable("1")));
    assert!(!is_new(&memory, &undecodable("1")));
    assert!(is_new(&memory, &undecodable("2")));
}

#[test]
fn a_resource_that_was_forgotten_makes_a_reconcile_though_it_is_the_same() {
    let memory = Memory::default();
    assert!(is_new(&memory, &watch(1)));
    memory.forget("platform/prod");
    assert!(is_new(&memory, &watch(1)));
    memory.retain(|_| false);
    assert!(is_new(&memory, &watch(1)));
}

#[test]
fn a_label_of_the_shard_makes_a_reconcile_and_one_that_is_not_kept_does_not() {
    let memory = Memory::default();
    let labelled = |labels: &[&str]| {
        let mut watch = watch(1);
        watch.labels_mut().extend(labels.iter().map(|key| ((*key).to_owned(), "pod-1".to_owned())));
        prune(&mut watch, &["shard".to_owned(), "drain".to_owned()]);
        watch
    };
    assert!(is_new(&memory, &labelled(&["shard"])));
    assert!(
        is_new(&memory, &labelled(&["shard", "drain"])) && !is_new(&memory, &labelled(&["shard", "drain"]))
    );
    assert!(is_new(&memory, &labelled(&["shard"])) && !is_new(&memory, &labelled(&["shard", "team"])));
}

#[test]
fn a_status_that_somebody_else_wrote_makes_a_reconcile_and_one_of_ours_does_not() {
    let (memory, key) = (Memory::default(), WatchKey::from("platform/prod"));
    let with = |progress: u8| {
        let mut watch = watch(1);
        watch.0.as_mut().unwrap().status =
            Some(ClusterBackupWatchStatus { progress: Some(progress), ..Default::default() });
        watch
    };
    let of = |watch: &Guarded| freshness::hash(watch.0.as_ref().unwrap().status.as_ref().unwrap());
    assert!(is_new(&memory, &with(1)));
    memory.freshness(&key, "1", |known| known.wrote(of(&with(2))));
    assert!(!is_new(&memory, &with(2)) && is_new(&memory, &with(1)));
    let mut empty = with(1);
    empty.0.as_mut().unwrap().status = None;
    assert!(is_new(&memory, &empty), "also where it was erased");
}

#[test]
fn a_resource_that_was_created_anew_is_another_one() {
    let (memory, key) = (Memory::default(), WatchKey::from("platform/prod"));
    assert!(memory.freshness(&key, "1", |known| known.is_ours(7)));
    assert!(!memory.freshness(&key, "1", |known| known.is_ours(8)));
    memory.failed(&key, true, Instant::now());
    assert!(memory.freshness(&key, "2", |known| known.is_ours(8)));
    assert!(memory.backs_off(&key, Instant::now()).is_none());
}

fn api(code: u16) -> kube::Error {
    kube::Error::Api(Box::new(Status { code, ..Status::default() }))
}

#[test]
fn a_refusal_passes_by_itself_only_while_the_api_server_may_be_starting() {
    let (memory, start) = (Memory::default(), Instant::now());
    let passes = |code, at| memory.is_passing(&api(code), at);
    for code in [409, 429] {
        assert!(passes(code, start), "{code}");
    }
    assert!(!passes(403, start) && !passes(422, start));
    for code in [500, 503] {
        assert!(passes(code, start), "{code}");
    }
    assert!(passes(403, start) && !passes(422, start));
    assert!(!passes(403, start + STARTING));
    assert!(memory.is_passing(&kube::Error::Service("no connection".into()), start));
}

#[test]
fn tries_become_rarer_to_a_cap_that_depends_on_who_must_act_and_for_how_many() {
    let (memory, start) = (Memory::default(), Instant::now());
    let waits = |name: &str, passing| -> Vec<_> {
        (0..11).map(|_| memory.failed(&name.into(), passing, start).0.as_secs()).collect()
    };
    assert_eq!(waits("outage", true), [1, 2, 4, 8, 15, 15, 15, 15, 15, 15, 15]);
    assert_eq!(waits("forbidden", false), [1, 2, 4, 8, 15, 15, 15, 15, 15, 15, 15]);
    for watch in 0..10_000 {
        memory.failed(&watch.to_string().into(), false, start);
    }
    assert_eq!(waits("one of very many", false), [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    memory.is_written(&"outage".into());
    assert_eq!(memory.failed(&"outage".into(), true, start), (Duration::from_secs(1), 1));
}

#[test]
fn a_trouble_is_logged_once_and_its_end_only_if_it_was() {
    let (memory, key, start) = (Memory::default(), WatchKey::from("a/b"), Instant::now());
    assert!(!memory.is_unlogged(&key) && !memory.is_written(&key));
    memory.failed(&key, true, start);
    assert!(!memory.is_written(&key));
    memory.failed(&key, true, start);
    assert!(memory.is_unlogged(&key) && !memory.is_unlogged(&key));
    assert!(memory.is_written(&key) && !memory.is_written(&key));
}

#[test]
fn news_waits_for_the_next_try_and_never_holds_that_up() {
    let (memory, key, start) = (Memory::default(), WatchKey::from("a/b"), Instant::now());
    assert_eq!(memory.backs_off(&key, start), None);
    for _ in 0..3 {
        memory.failed(&key, true, start);
    }
    assert!(memory.backs_off(&key, start).is_some());
    assert_eq!(memory.backs_off(&key, start + Duration::from_secs(4).mul_f64(0.9)), None);
    memory.is_written(&key);
    assert_eq!(memory.backs_off(&key, start), None);
}

#[test]
fn each_event_holds_back_a_status_for_a_minute_of_its_own() {
    let (memory, key, start) = (Memory::default(), WatchKey::from("a/b"), Instant::now());
    let holds_back = |event: &str, at| memory.holds_back(&key, event, at);
    assert!(holds_back("first", start));
    memory.failed(&key, true, start);
    assert!(holds_back("first", start + EVENT_HOLDS.mul_f64(0.99)));
    assert!(!holds_back("first", start + EVENT_HOLDS));
    assert!(holds_back("second", start + EVENT_HOLDS));
    assert!(!holds_back("first", start + EVENT_HOLDS) && !holds_back("second", start + 2 * EVENT_HOLDS));
    memory.is_written(&key);
    assert!(holds_back("first", start + 2 * EVENT_HOLDS));
}

#[test]
fn a_published_event_is_remembered_until_all_is_written() {
    let (memory, key) = (Memory::default(), WatchKey::from("a/b"));
    assert!(!memory.is_published(&key, "first"));
    memory.published(&key, "first");
    assert!(memory.is_published(&key, "first") && !memory.is_published(&key, "second"));
    memory.is_written(&key);
    assert!(!memory.is_published(&key, "first"));
}
