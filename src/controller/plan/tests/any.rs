//! Any spec, status, answer and fault. What the cloud says is cleaned and bounded before the plan sees it; all else is wild.

use std::collections::HashSet;

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use proptest::{collection::vec, option, prelude::*, sample::select};

use super::*;
use crate::{
    api::{FailureRecord, ItemStatus, SuccessRecord},
    cloud,
};

const KINDS: [FaultKind; 5] = [
    FaultKind::Throttled,
    FaultKind::CloudUnavailable,
    FaultKind::InvalidResponse,
    FaultKind::AuthenticationFailed,
    FaultKind::SecretNotFound,
];

/// One look: what was seen, and how long after the look before.
#[derive(Clone, Debug)]
pub enum Step {
    Answer(Answer),
    Fault(Fault),
    Nothing,
    Upgrades(upgrade::Outcome),
    Spec(Box<ClusterBackupWatchSpec>),
    Request(String),
}

pub fn time() -> impl Strategy<Value = Timestamp> {
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

pub fn answer() -> impl Strategy<Value = Answer> {
    (vec(any_task(), 0..7), option::of(time())).prop_map(|(mut tasks, latest_backup_time)| {
        let mut seen = HashSet::new();
        tasks.retain(|task| seen.insert(task.uid.clone()));
        Answer { tasks, latest_backup_time, left_out: 0, dropped: 0 }
    })
}

fn any_fault() -> impl Strategy<Value = Fault> {
    (select(KINDS.to_vec()), text(256), option::of(1_u64..=3600)).prop_map(|(kind, message, retry_after)| {
        Fault { message, retry_after: retry_after.map(Duration::from_secs), ..fault(kind) }
    })
}

fn upgrade_step() -> impl Strategy<Value = cloud::upgrades::Step> {
    let types = vec!["Cluster", "Cluster", "Snapshot", "Rollback", "PreCheck", "?"];
    let states = vec!["Init", "Queuing", "Running", "Success", "Failed", "?"];
    let times = (option::weighted(0.8, time()), option::of(time()));
    (select(types), option::of(select(states)), option::of(uid()), times).prop_map(
        |(type_, status, task_id, (start_time, end_time))| cloud::upgrades::Step {
            type_: Some(type_.into()),
            status: status.map(Into::into),
            task_id,
            start_time,
            end_time,
            expiry_time: end_time,
        },
    )
}

fn workflow() -> impl Strategy<Value = cloud::upgrades::Workflow> {
    let phases = select(vec!["Init", "Running", "Running", "Pending", "Success", "Cancel", "?"]);
    (select(vec!["v", "w"]), option::of(phases), option::weighted(0.9, time()), vec(upgrade_step(), 0..5))
        .prop_map(|(uid, phase, creation_time, steps)| cloud::upgrades::Workflow {
            uid: uid.into(),
            creation_time,
            update_time: creation_time,
            from_version: None,
            to_version: phase.map(|_| "🦀".repeat(64)),
            phase: phase.map(Into::into),
            steps,
        })
}

fn any_upgrades() -> impl Strategy<Value = upgrade::Outcome> {
    prop_oneof![
        3 => vec(workflow(), 0..3).prop_map(|mut workflows| {
            let mut seen = HashSet::new();
            workflows.retain(|workflow| seen.insert(workflow.uid.clone()));
            upgrade::Outcome::Workflows(workflows.into())
        }),
        1 => any_fault().prop_map(|fault| upgrade::Outcome::Fault(Arc::new(fault))),
    ]
}

/// Any spec that a definition of any kind could let through.
pub fn any_spec() -> impl Strategy<Value = ClusterBackupWatchSpec> {
    let seconds = || prop_oneof![9 => 0_u64..40_000, 1 => Just(u64::MAX)].prop_map(Duration::from_secs);
    let limit = prop_oneof![4 => 1_i32..=4, 1 => Just(50), 1 => any::<i32>()];
    let upgrades = select(vec![Upgrades::Watch, Upgrades::Watch, Upgrades::Ignore]);
    (option::of(seconds()), seconds(), seconds(), limit, upgrades, prop::bool::weighted(0.2)).prop_map(
        |(max_age, stuck_after, interval, history_limit, upgrades, suspend)| ClusterBackupWatchSpec {
            max_age: max_age.map(Into::into),
            stuck_after: stuck_after.into(),
            interval: interval.into(),
            active_interval: interval.into(),
            history_limit,
            upgrades,
            suspend,
            ..spec()
        },
    )
}

pub fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => answer().prop_map(Step::Answer),
        3 => any_fault().prop_map(Step::Fault),
        4 => any_upgrades().prop_map(Step::Upgrades),
        2 => Just(Step::Nothing),
        1 => any_spec().prop_map(|spec| Step::Spec(Box::new(spec))),
        1 => text(2000).prop_map(Step::Request),
    ]
}

/// A status that the schema lets through, whether or not the plan would ever write it.
pub fn any_status() -> impl Strategy<Value = ClusterBackupWatchStatus> {
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
