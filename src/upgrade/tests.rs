//! The vocabulary of upgrades: what is newest, what is over, what has begun and what is shown.

use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + minute * 60).unwrap()
}

fn step(type_: &str, status: &str, start: i64) -> Step {
    Step {
        type_: Some(type_.into()),
        status: Some(status.into()),
        start_time: Some(at(start)),
        ..Default::default()
    }
}

fn workflow(steps: &[Step]) -> Workflow {
    let phase = Some("Running".into());
    Workflow {
        uid: "w".into(),
        creation_time: Some(at(0)),
        phase,
        steps: steps.to_vec(),
        ..Default::default()
    }
}

#[test]
fn the_newest_workflow_counts_in_any_order() {
    let of = |uid: &str, created: Option<i64>, phase: &str| Workflow {
        uid: uid.into(),
        creation_time: created.map(at),
        phase: Some(phase.into()),
        ..Default::default()
    };
    for (counts, other) in [
        (of("a", Some(2), "Success"), of("b", Some(1), "Running")),
        (of("a", Some(1), "Running"), of("b", Some(1), "Success")),
        (of("b", Some(1), "Running"), of("a", Some(1), "Running")),
        (of("a", Some(1), "Cancel"), of("b", None, "Running")),
    ] {
        for list in [[counts.clone(), other.clone()], [other.clone(), counts.clone()]] {
            assert_eq!(newest(&list), Some(&counts));
        }
    }
    assert_eq!(newest(&[]), None);
}

#[test]
fn only_success_and_cancel_are_the_end() {
    for phase in ["Init", "Running", "Pending", "success", "Failed", ""] {
        assert!(!is_over(Some(phase)), "{phase}");
    }
    assert!(is_over(Some("Success")) && is_over(Some("Cancel")) && !is_over(None));
}

#[test]
fn the_upgrade_itself_begins_with_the_first_begun_step_cluster() {
    let timeless = |status: &str| Step { start_time: None, ..step("Cluster", status, 0) };
    for (steps, begins) in [
        (vec![], Began::NotYet),
        (vec![step("Snapshot", "Running", 1)], Began::NotYet),
        (vec![step("Cluster", "Init", 1)], Began::NotYet),
        (vec![step("Cluster", "Queuing", 1)], Began::NotYet),
        (vec![Step { status: None, ..step("Cluster", "", 1) }], Began::NotYet),
        (vec![step("Cluster", "Running", 1)], Began::At(at(1))),
        (vec![step("Cluster", "Failed", 1), step("Cluster", "Running", 9)], Began::At(at(1))),
        (vec![step("Cluster", "Paused", 3)], Began::At(at(3))),
        (vec![timeless("Running")], Began::At(at(0))),
        (vec![step("Cluster", "Running", 9), timeless("Failed")], Began::At(at(0))),
        (vec![step("Cluster", "Running", 999)], Began::At(at(0))),
    ] {
        assert_eq!(began(&workflow(&steps), at(10)), begins, "{steps:?}");
    }
    let unborn = Workflow { creation_time: None, ..workflow(&[timeless("Success")]) };
    assert_eq!(began(&unborn, at(10)), Began::Sometime);
}

#[test]
fn the_status_shows_the_newest_step_that_is_under_way_or_failed() {
    let timeless = |type_: &str, status: &str| Step { start_time: None, ..step(type_, status, 0) };
    for (steps, shows) in [
        (vec![], None),
        (vec![step("PreCheck", "Success", 1), timeless("Snapshot", "Init")], None),
        (vec![step("PreCheck", "Success", 1), timeless("Snapshot", "Queuing")], Some("Snapshot Queuing")),
        (vec![step("Snapshot", "Running", 2), step("PreCheck", "Failed", 1)], Some("Snapshot Running")),
        (vec![step("PreCheck", "Failed", 1), step("PreCheck", "Success", 2)], None),
        (vec![step("PreCheck", "Failed", 1), step("PreCheck", "Running", 2)], Some("PreCheck Running")),
        (vec![step("Cluster", "Failed", 3), step("Rollback", "Running", 4)], Some("Rollback Running")),
        (vec![step("Rollback", "Success", 4), step("Cluster", "Failed", 3)], Some("Rollback Success")),
        (vec![step("Rollback", "Success", 4), step("Cluster", "Running", 5)], Some("Cluster Running")),
        (vec![timeless("Cluster", "Running"), timeless("Snapshot", "Running")], Some("Cluster Running")),
    ] {
        let status = status(&workflow(&steps));
        let said = status
            .step
            .as_ref()
            .zip(status.step_phase.as_ref())
            .map(|(step, phase)| format!("{step} {phase}"));
        assert_eq!(said.as_deref(), shows, "{steps:?}");
    }
}

#[test]
fn a_status_names_the_task_of_the_backup_and_when_the_precheck_expires() {
    let snapshot = Step { task_id: Some("t".into()), ..step("Snapshot", "Success", 2) };
    let older = Step { task_id: Some("o".into()), ..step("Snapshot", "Failed", 1) };
    let precheck = Step { expiry_time: Some(at(60)), ..step("PreCheck", "Success", 1) };
    let status = status(&workflow(&[snapshot, older, precheck]));
    assert_eq!((status.snapshot_uid.as_deref(), status.precheck_expiry_time), (Some("t"), Some(at(60))));
}

#[test]
fn a_person_is_needed_where_the_workflow_waits_or_its_step_failed() {
    let says = |phase: &str, steps: &[Step]| {
        has_failed(&status(&Workflow { phase: Some(phase.into()), ..workflow(steps) }))
    };
    assert!(says("Pending", &[]) && says("Running", &[step("Cluster", "Failed", 1)]));
    assert!(!says("Running", &[step("Cluster", "Running", 1)]) && !says("Success", &[]));
}

proptest! {
    #[test]
    fn the_order_of_the_steps_does_not_matter(
        picks in proptest::collection::vec((0_usize..6, 0_usize..5, proptest::option::of(0_i64..4)), 0..8), turn in 0_usize..8,
    ) {
        let types = ["Cluster", "Snapshot", "Rollback", "PreCheck", "PostCheck", "?"];
        let states = ["Init", "Queuing", "Running", "Success", "Failed"];
        let steps: Vec<_> = picks
            .into_iter()
            .map(|(type_, state, start)| Step { start_time: start.map(at), ..step(types[type_], states[state], 0) })
            .collect();
        let mut turned = steps.clone();
        turned.rotate_left(turn % steps.len().max(1));
        let now = at(100) + SignedDuration::from_hours(1);
        let (one, other) = (workflow(&steps), workflow(&turned));
        prop_assert_eq!(status(&one), status(&other));
        prop_assert_eq!(began(&one, now), began(&other, now));
    }
}
