//! What was written by v1alpha1 as it is today stays readable: an upgrade of the operator neither writes a status nor tells
//! an Event of what is already told. `docs/stability.md` promises it.
//!
//! The fixtures are never written anew: a change that this test objects to is a change of the API.

use std::{path::Path, sync::Arc};

use cce_backup_watch::{
    api::ClusterBackupWatch,
    cloud::wire,
    controller::plan::{Input, plan},
    poll::Outcome,
};
use serde_json::Value;

fn fixture(name: &str) -> String {
    std::fs::read_to_string(Path::new("tests/data/v1alpha1").join(name)).unwrap()
}

fn watch() -> ClusterBackupWatch {
    serde_json::from_str(&fixture("watch.json")).unwrap()
}

/// A look at the watch of the fixture, a little after its last one.
fn look<'a>(watch: &'a ClusterBackupWatch, outcome: Option<&'a Outcome>) -> Input<'a> {
    Input {
        name: "prod",
        uid: watch.metadata.uid.as_deref().unwrap(),
        display_name: None,
        generation: watch.metadata.generation,
        created: watch.metadata.creation_timestamp.as_ref().map(|time| time.0),
        spec: &watch.spec,
        status: watch.status.as_ref().unwrap(),
        outcome,
        upgrades: None,
        listed: None,
        request: watch.status.as_ref().unwrap().last_handled_reconcile_at.as_deref(),
        now: "2026-01-03T02:10:00Z".parse().unwrap(),
    }
}

#[test]
fn the_same_answer_leads_to_no_write_and_no_event() {
    let watch = watch();
    let answer = wire::decode(&mut fixture("answer.json").into_bytes()).unwrap();
    let answer = Outcome::Answer(Arc::new(answer));
    for (what, outcome) in [("a poll", Some(&answer)), ("a restart", None)] {
        let plan = plan(&look(&watch, outcome));
        assert_eq!(plan.events, [], "{what}");
        assert_eq!(plan.status, None, "{what}");
    }
}

#[test]
fn nothing_of_it_is_lost_when_it_is_read() {
    let stored: Value = serde_json::from_str(&fixture("watch.json")).unwrap();
    let read = serde_json::to_value(watch()).unwrap();
    for part in ["spec", "status"] {
        assert_eq!(read[part], stored[part], "{part}");
    }
}

#[test]
fn the_fixture_uses_every_field() {
    let stored = fixture("watch.json");
    let definition = std::fs::read_to_string("crds/clusterbackupwatches.yaml").unwrap();
    // The names that the definition gives to fields of spec and status: a word alone before a colon, indented.
    let fields = definition.lines().filter_map(|line| {
        let (indent, name) = (line.len() - line.trim_start().len(), line.trim().strip_suffix(':')?);
        (indent >= 14 && name.chars().all(char::is_alphanumeric)).then_some(name)
    });
    // Words of the schema's own language.
    let own = ["properties", "items", "required", "enum"];
    // Nothing is stalled or retried in the fixture, and a status that says so would be another one.
    let fields: Vec<_> = fields.filter(|name| !own.contains(name)).collect();
    assert!(fields.len() > 30, "{fields:?}");
    for field in fields {
        assert!(stored.contains(&format!("\"{field}\"")), "the fixture has no {field}");
    }
}
