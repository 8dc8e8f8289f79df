//! What holds for any spec, status, answer, fault and time: for stories that the plan itself tells, and for a status that
//! somebody else wrote.

use std::collections::HashSet;

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{schema::refusals, *};
use crate::api::{FailureRecord, ItemStatus, SuccessRecord};

const KINDS: [FaultKind; 5] = [
    FaultKind::Throttled,
    FaultKind::CloudUnavailable,
    FaultKind::InvalidResponse,
    FaultKind::AuthenticationFailed,
    FaultKind::SecretNotFound,
];

/// One look: what was seen, and how long after the look before.
#[derive(Clone, Debug)]
enum Step {
    Answer(Answer),
    Fault(Fault),
    Nothing,
    Spec(Box<ClusterBackupWatchSpec>),
    Request(String),
}

pub(super) fn is_dns_subdomain(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let label = |label: &str| {
        label.starts_with(letter) && label.ends_with(letter) && label.chars().all(|c| letter(c) || c == '-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

fn time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        8 => (-40_i64..40).prop_map(|quarter| minute(quarter * 15)),
        1 => (-5_i64..40).prop_map(|s| minute(0) + SignedDuration::new(s, 980_844_000)),
        1 => select(vec![Timestamp::MAX, Timestamp::UNIX_EPOCH]),
    ]
}

fn text(max: usize) -> impl Strategy<Value = String> {
    prop_oneof![3 => "[a-z]{1,4}", 1 => select(vec!["🦀", "\"", "备"]).prop_map(move |char| char.repeat(max))]
}

fn phase() -> impl Strategy<Value = Option<String>> {
    let words = ["Success", "Failed", "Running", "Pause", "success"].map(|word| Some(word.to_owned()));
    prop_oneof![9 => select(words.to_vec()), 1 => option::of(text(64))]
}

fn item() -> impl Strategy<Value = Item> {
    let type_ = select(vec![Some("master-backup".to_owned()), None]);
    (type_, phase(), option::of(text(256))).prop_map(|(type_, status, message)| Item {
        type_,
        status,
        message,
        ..Default::default()
    })
}

/// A task is a rollback from its first day to its last, or never.
fn rolls_back(task: Task) -> Task {
    if task.uid.starts_with(['e', 'f']) { rollback(task) } else { task }
}

fn uid() -> impl Strategy<Value = String> {
    prop_oneof![9 => "[a-f]", 1 => text(128)]
}

fn any_task() -> impl Strategy<Value = Task> {
    let times = (option::weighted(0.8, time()), option::of(time()), option::of(time()));
    (uid(), phase(), option::of(0_u8..=100), times, vec(item(), 0..3)).prop_map(
        |(uid, phase, progress, (creation_time, update_time, completion_time), items)| {
            rolls_back(Task { uid, phase, progress, creation_time, update_time, completion_time, items })
        },
    )
}

fn answer() -> impl Strategy<Value = Answer> {
    (vec(any_task(), 0..7), option::of(time())).prop_map(|(mut tasks, latest_backup_time)| {
        let mut seen = HashSet::new();
        tasks.retain(|task| seen.insert(task.uid.clone()));
        Answer { tasks, latest_backup_time, left_out: 0 }
    })
}

fn any_fault() -> impl Strategy<Value = Fault> {
    (select(KINDS.to_vec()), text(256), option::of(1_u64..=3600)).prop_map(|(kind, message, retry_after)| {
        Fault { message, retry_after: retry_after.map(Duration::from_secs), ..fault(kind) }
    })
}

/// Any spec that a definition of any kind could let through.
fn any_spec() -> impl Strategy<Value = ClusterBackupWatchSpec> {
    let seconds = || prop_oneof![9 => 0_u64..40_000, 1 => Just(u64::MAX)].prop_map(Duration::from_secs);
    let limit = prop_oneof![4 => 1_i32..=4, 1 => Just(50), 1 => any::<i32>()];
    (option::of(seconds()), seconds(), seconds(), limit, prop::bool::weighted(0.2)).prop_map(
        |(max_age, stuck_after, interval, history_limit, suspend)| ClusterBackupWatchSpec {
            max_age: max_age.map(Into::into),
            stuck_after: stuck_after.into(),
            interval: interval.into(),
            active_interval: interval.into(),
            history_limit,
            suspend,
            ..spec()
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => answer().prop_map(Step::Answer),
        3 => any_fault().prop_map(Step::Fault),
        2 => Just(Step::Nothing),
        1 => any_spec().prop_map(|spec| Step::Spec(Box::new(spec))),
        1 => text(2000).prop_map(Step::Request),
    ]
}

/// A status that the schema lets through, whether or not the plan would ever write it.
fn any_status() -> impl Strategy<Value = ClusterBackupWatchStatus> {
    let condition = |type_: &'static str| {
        let reasons =
            vec!["Polled", "Suspended", "NotYetPolled", "BackupStale", "BackupStuck", "SecretNotFound", "X"];
        (select(vec!["True", "False", "Unknown", "?"]), select(reasons), time(), 0_i64..3).prop_map(
            move |(status, reason, time, generation)| Condition {
                type_: type_.into(),
                status: status.into(),
                reason: reason.into(),
                message: String::new(),
                observed_generation: Some(generation),
                last_transition_time: Time(condition::whole_seconds(time)),
            },
        )
    };
    let kept = (any_task(), option::of(time())).prop_map(|(task, progress_time)| TaskStatus {
        uid: task.uid,
        phase: task.phase,
        progress: task.progress,
        creation_time: task.creation_time,
        update_time: task.update_time,
        completion_time: task.completion_time,
        progress_time,
        items: task.items.into_iter().map(|i| ItemStatus { type_: i.type_, ..Default::default() }).collect(),
    });
    let tasks = vec(kept, 0..5).prop_map(|mut tasks| {
        let mut seen = HashSet::new();
        tasks.retain(|task| seen.insert(task.uid.clone()));
        tasks
    });
    let success = (uid(), option::of(time())).prop_map(|(uid, time)| SuccessRecord { uid, time });
    let failure =
        (uid(), option::of(time())).prop_map(|(uid, time)| FailureRecord { uid, time, message: None });
    let conditions = (option::of(condition("Ready")), option::of(condition("BackupHealthy")));
    (option::of(tasks), option::of(success), option::of(failure), conditions, -1_i64..3).prop_map(
        |(tasks, last_success, last_failure, (ready, healthy), generation)| ClusterBackupWatchStatus {
            observed_generation: Some(generation),
            tasks,
            last_success,
            last_failure,
            conditions: ready.into_iter().chain(healthy).collect(),
            ..Default::default()
        },
    )
}

/// Takes one look, and holds it to everything that must be true of any.
fn take(watch: &mut Watch, step: Step) {
    let old = watch.status.clone();
    let (answer, fault);
    let seen = match step {
        Step::Spec(spec) => return watch.change(|old| *old = *spec),
        Step::Request(request) => return watch.request = Some(request),
        Step::Nothing => Seen::Nothing,
        Step::Answer(tasks) => {
            watch.failures = 0;
            answer = tasks;
            Seen::Answer(&answer)
        }
        Step::Fault(kind) => {
            watch.failures += 1;
            fault = kind;
            Seen::Fault(&fault)
        }
    };
    if let Seen::Answer(answer) = seen {
        let mut other = answer.clone();
        other.tasks.reverse();
        let middle = other.tasks.len() / 2;
        other.tasks.rotate_left(middle);
        assert_eq!(
            watch.peek(seen),
            watch.peek(Seen::Answer(&other)),
            "the order of the tasks does not matter"
        );
    }
    let plan = watch.look(seen);
    let again = watch.peek(seen);
    assert_eq!(
        (again.status, again.events),
        (None, vec![]),
        "planning again from the result changes nothing"
    );
    keeps_the_record(&old, &watch.status);
    tells_well(&plan);
    if plan.status.is_some() {
        assert_eq!(refusals(&watch.status), [""; 0], "the API server takes it");
        assert!(serde_json::to_vec(&watch.status).unwrap().len() < 256 * 1024);
    }
    follows_kstatus(watch);
    let judged = matches!(seen, Seen::Answer(_)) && !watch.spec.suspend;
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
        let mut watch = Watch::new();
        watch.at(600);
        let name = |plan: Plan| plan.events.into_iter().map(|event| event.name).collect::<HashSet<_>>();
        let first = name(watch.peek(Seen::Answer(&answer)));
        let second = name(watch.wait(Duration::from_secs(later)).peek(Seen::Answer(&answer)));
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
