//! What holds for any spec, status, answer, fault and time: for stories that the plan itself tells, and for a status that
//! somebody else wrote.

use std::collections::HashSet;

use jiff::SignedDuration;
use proptest::{collection::vec, prelude::*};

use super::{
    any::{Step, answer, any_spec, any_status, step, time},
    schema::refusals,
    *,
};

pub(super) fn is_dns_subdomain(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let label = |label: &str| {
        label.starts_with(letter) && label.ends_with(letter) && label.chars().all(|c| letter(c) || c == '-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// Takes one look, and holds it to everything that must be true of any.
fn take(watch: &mut Watch, step: Step) {
    let old = watch.status.clone();
    let outcome = match step {
        Step::Spec(spec) => return watch.change(|old| *old = *spec),
        Step::Request(request) => return watch.request = Some(request),
        Step::Nothing => None,
        Step::Upgrades(upgrades) => {
            watch.upgrades = Some(upgrades);
            None
        }
        Step::Answer(tasks) => {
            watch.failures = 0;
            watch.answered.clone_from(&tasks.tasks);
            Some(answered(tasks))
        }
        Step::Fault(kind) => {
            watch.failures += 1;
            Some(watch.failed(kind))
        }
    };
    if let Some(Outcome::Answer(answer)) = &outcome {
        let mut other = Answer::clone(answer);
        other.tasks.reverse();
        let middle = other.tasks.len() / 2;
        other.tasks.rotate_left(middle);
        assert_eq!(
            watch.peek(outcome.as_ref()),
            watch.peek(Some(&answered(other))),
            "the order of the tasks does not matter"
        );
    }
    let old_watch = watch.clone();
    let plan = watch.look(outcome.as_ref());
    let again = watch.peek(outcome.as_ref());
    assert_eq!(
        (again.status, again.events),
        (None, vec![]),
        "planning again from the result changes nothing"
    );
    keeps_the_record(&old, &watch.status);
    protects_no_upgrade_without_a_success(watch);
    leaves_the_rest_alone(watch, &old_watch, outcome.as_ref());
    tells_well(&plan);
    assert!(plan.cadence.period.min(plan.cadence.retry) >= Duration::from_secs(1), "no tight loop");
    if plan.status.is_some() {
        assert_eq!(refusals(&watch.status), [""; 0], "the API server takes it");
        assert!(serde_json::to_vec(&watch.status).unwrap().len() < 256 * 1024);
    }
    if plan.status.is_some() || !watch.says("Ready").is_empty() {
        follows_kstatus(watch);
    }
    let judged = matches!(outcome, Some(Outcome::Answer(_))) && !watch.spec.suspend;
    if judged && watch.says("BackupHealthy").starts_with("True") {
        has_a_success(&watch.status);
    }
}

fn keeps_the_record(old: &ClusterBackupWatchStatus, new: &ClusterBackupWatchStatus) {
    if let Some(old) = &old.last_success {
        assert!(new.last_success.as_ref().is_some_and(|new| new.time >= old.time), "lastSuccess is kept");
    }
    if let Some(old) = &old.last_failure {
        assert!(new.last_failure.as_ref().is_some_and(|new| new.time >= old.time), "lastFailure is kept");
    }
    assert!(old.tasks.is_none() || new.tasks.is_some());
}

fn tells_well(plan: &Plan) {
    let mut names = HashSet::new();
    for event in &plan.events {
        assert!(is_dns_subdomain(&event.name), "{event:?}");
        assert!(names.insert(&event.name), "two Events of one name: {event:?}");
        assert!(!event.note.is_empty() && event.note.len() < 1024, "{event:?}");
    }
}

fn follows_kstatus(watch: &Watch) {
    let (reconciling, stalled) = (watch.says("Reconciling"), watch.says("Stalled"));
    assert!(!watch.says("Ready").is_empty() && !watch.says("BackupHealthy").is_empty());
    assert!(reconciling.is_empty() || stalled.is_empty(), "never both");
    for also in [reconciling, stalled] {
        assert!(also.is_empty() || also.starts_with("True "), "present only while true");
    }
}

/// Whether a Success stands behind every UpgradeProtected=True while the step Cluster runs: by a second and simpler reading,
/// some success ended before the first begin that is known, or the step Snapshot is one.
fn protects_no_upgrade_without_a_success(watch: &Watch) {
    let Some(upgrade::Outcome::Workflows(workflows)) = &watch.upgrades else { return };
    if watch.spec.upgrades == Upgrades::Ignore
        || watch.spec.suspend
        || watch.says("UpgradeProtected") != "True BackupTaken"
    {
        return;
    }
    let workflow = upgrade::newest(workflows).unwrap();
    let begins = || {
        workflow.steps.iter().filter(|step| {
            step.type_.as_deref() == Some("Cluster")
                && !matches!(step.status.as_deref(), None | Some("Init" | "Queuing"))
        })
    };
    let before = |time: Option<Timestamp>| {
        begins().all(|step| match (time, step.start_time) {
            (Some(time), Some(start)) => time <= start || start > watch.now,
            _ => true,
        })
    };
    let snapshot = workflow.steps.iter().any(|step| {
        step.type_.as_deref() == Some("Snapshot")
            && step.status.as_deref() == Some("Success")
            && before(step.end_time)
    });
    let listed = watch.answered.iter().filter(|task| task.phase.as_deref() == Some("Success"));
    let listed = listed.map(|task| task.completion_time.or(task.update_time).or(task.creation_time));
    let kept = watch.status.tasks.iter().flatten().filter(|task| task.phase.as_deref() == Some("Success"));
    let kept = kept.map(|task| crate::task::ended(task, watch.now));
    let success =
        listed.chain(kept).chain(watch.status.last_success.iter().map(|last| last.time)).any(before);
    assert!(snapshot || success, "protected without a success before the upgrade");
}

/// The upgrades decide UpgradeProtected and `status.upgrade`, and nothing else.
fn leaves_the_rest_alone(watch: &Watch, old: &Watch, outcome: Option<&Outcome>) {
    let is_there = !watch.says("UpgradeProtected").is_empty();
    let written = !watch.says("Ready").is_empty();
    assert!(
        !written || is_there == (watch.spec.upgrades == Upgrades::Watch),
        "present where upgrades are watched"
    );
    let mut without = old.clone();
    without.upgrades = None;
    without.look(outcome);
    for type_ in ["Ready", "BackupHealthy", "Reconciling", "Stalled"] {
        assert_eq!(watch.says(type_), without.says(type_), "{type_} depends on the upgrades");
    }
    assert_eq!(watch.status.tasks, without.status.tasks);
}

fn has_a_success(status: &ClusterBackupWatchStatus) {
    let listed = status.tasks.iter().flatten().any(|task| task.phase.as_deref() == Some("Success"));
    assert!(listed || status.last_success.is_some(), "good without a success");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_story_keeps_every_promise(spec in any_spec(), steps in vec((0_u64..20_000, step()), 1..8)) {
        let mut watch = Watch::with(|own| *own = spec);
        let mut successes = false;
        for (pause, step) in steps {
            watch.wait(Duration::from_secs(pause));
            if let Step::Answer(answer) = &step {
                successes |= answer.tasks.iter().any(|task| task.phase.as_deref() == Some("Success"));
            }
            take(&mut watch, step);
            prop_assert!(successes || !watch.says("BackupHealthy").starts_with("True"), "good without a success");
        }
    }

    #[test]
    fn any_status_of_any_origin_is_taken_further(
        spec in any_spec(), status in any_status(), now in time(), step in step(), failures in 0_u32..4,
    ) {
        let mut watch = Watch::with(|own| *own = spec);
        watch.status = status;
        watch.failures = failures;
        watch.now = now.min(Timestamp::MAX - SignedDuration::from_hours(1));
        take(&mut watch, step);
    }

    #[test]
    fn what_plans_alike_is_named_alike(answer in answer(), later in 0_u64..4_000_000) {
        let (mut watch, outcome) = (Watch::new(), answered(answer));
        watch.at(600);
        let name = |plan: Plan| plan.events.into_iter().map(|event| event.name).collect::<HashSet<_>>();
        let first = name(watch.peek(Some(&outcome)));
        let second = name(watch.wait(Duration::from_secs(later)).peek(Some(&outcome)));
        prop_assert!(first.is_subset(&second), "a crash before the write makes no Event twice");
    }
}

#[test]
fn the_largest_answer_fits_into_the_status() {
    let item = |type_: &str| Item {
        id: Some("🦀".repeat(128)),
        type_: Some(type_.into()),
        status: Some("🦀".repeat(64)),
        creation_time: Some(minute(1)),
        update_time: Some(minute(2)),
        message: Some("🦀".repeat(256)),
    };
    let tasks: Vec<Task> = (0..200)
        .map(|index| Task {
            uid: format!("{}{index:03}", "🦀".repeat(125)),
            items: vec![item(if index % 2 == 0 { "master-backup-rollback" } else { "🦀" }); 32],
            ..task("", if index % 3 == 0 { "Failed" } else { "Success" }, index)
        })
        .collect();
    let mut watch = Watch::with(|spec| spec.history_limit = 50);
    watch.request = Some("🦀".repeat(9999));
    take(&mut watch, Step::Answer(Answer { tasks, ..Default::default() }));
    assert_eq!(watch.tasks().len(), 50);
    let hostile = Fault { message: "🦀".repeat(256), ..fault(FaultKind::SecretNotFound) };
    take(&mut watch, Step::Fault(hostile));
}
