//! The promises of the plan, told as a row of looks at one watch.

mod any;
mod apply;
mod events;
mod messages;
mod properties;
mod record;
mod schedule;
mod schema;
mod table;
mod upgrade_events;
mod upgrades;
mod verdict_events;

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Event, Input, Plan, plan};
use crate::api::{ClusterBackupWatchSpec, ClusterBackupWatchStatus, TaskStatus, Upgrades, condition};
use crate::cloud::{
    Answer, Item, Task,
    fault::{Fault, FaultKind},
    target::ClusterType,
};
use crate::poll::Outcome;
use crate::upgrade;

/// Minute 0 of every story.
const START: i64 = 1_767_225_600; // 2026-01-01T00:00:00Z

/// A time, in minutes since the story's start.
fn minute(minutes: i64) -> Timestamp {
    Timestamp::from_second(START + minutes * 60).unwrap()
}

fn hours(hours: u64) -> Duration {
    Duration::from_hours(hours)
}

fn spec() -> ClusterBackupWatchSpec {
    ClusterBackupWatchSpec {
        region: "cn-north-4".into(),
        project_id: "0123456789abcdef0123456789abcdef".into(),
        cluster_id: "11111111-2222-3333-4444-555555555555".into(),
        cluster_type: ClusterType::Standard,
        credentials: None,
        interval: Duration::from_mins(5).into(),
        active_interval: Duration::from_secs(10).into(),
        max_age: None,
        stuck_after: hours(2).into(),
        history_limit: 10,
        upgrades: Upgrades::Ignore,
        suspend: false,
    }
}

fn fault(kind: FaultKind) -> Fault {
    let message = format!("the cloud said {kind:?}");
    Fault { kind, http_status: None, code: None, request_id: None, message, retry_after: None }
}

/// A task created at a minute of the story, updated a minute later, and with a completion time where it is finished.
fn task(uid: &str, phase: &str, created: i64) -> Task {
    let finished = matches!(phase, "Success" | "Failed");
    Task {
        uid: uid.into(),
        phase: Some(phase.into()),
        progress: None,
        creation_time: Some(minute(created)),
        update_time: Some(minute(created + 1)),
        completion_time: finished.then(|| minute(created + 2)),
        items: vec![Item { type_: Some("master-backup".into()), ..Default::default() }],
    }
}

fn running(uid: &str, created: i64, progress: u8) -> Task {
    Task { progress: Some(progress), ..task(uid, "Running", created) }
}

/// A failed task with a failing and a good item, both with something to say.
fn failed(uid: &str, created: i64) -> Task {
    let item = |type_: &str, status: &str, message: &str| Item {
        type_: Some(type_.into()),
        status: Some(status.into()),
        message: Some(message.into()),
        ..Default::default()
    };
    let items =
        vec![item("master-backup", "Failed", "etcd is down"), item("evs", "Success", "the disk is saved")];
    Task { items, ..task(uid, "Failed", created) }
}

/// The same task, putting a backup back.
fn rollback(task: Task) -> Task {
    let item = Item { type_: Some("master-backup-rollback".into()), ..Default::default() };
    Task { items: vec![item], ..task }
}

/// The same task without any time.
fn timeless(task: Task) -> Task {
    Task { creation_time: None, update_time: None, completion_time: None, ..task }
}

/// The fault at which a watch of these tests is blind.
const BLIND_AFTER: u32 = 3;

/// One watch and the clock. Each look applies what it leads to, by way of JSON, as the API server would.
#[derive(Clone)]
struct Watch {
    spec: ClusterBackupWatchSpec,
    status: ClusterBackupWatchStatus,
    display_name: Option<String>,
    generation: i64,
    created: Timestamp,
    failures: u32,
    /// The newest outcome of listing the upgrades, which a look takes along.
    upgrades: Option<upgrade::Outcome>,
    /// The answer that is held while an upgrade may run.
    listed: Option<Answer>,
    /// The tasks of the last answer.
    answered: Vec<Task>,
    request: Option<String>,
    now: Timestamp,
}

impl Watch {
    /// As the API server creates it at minute 0: nothing in the status but the default.
    fn new() -> Self {
        Self {
            spec: spec(),
            status: ClusterBackupWatchStatus { observed_generation: Some(-1), ..Default::default() },
            display_name: None,
            generation: 1,
            created: minute(0),
            failures: 0,
            upgrades: None,
            listed: None,
            answered: Vec::new(),
            request: None,
            now: minute(0),
        }
    }

    fn with(change: impl FnOnce(&mut ClusterBackupWatchSpec)) -> Self {
        let mut watch = Self::new();
        change(&mut watch.spec);
        watch
    }

    /// Changes the spec, as a user does.
    fn change(&mut self, change: impl FnOnce(&mut ClusterBackupWatchSpec)) {
        change(&mut self.spec);
        self.generation += 1;
    }

    fn at(&mut self, minutes: i64) -> &mut Self {
        self.now = minute(minutes);
        self
    }

    fn wait(&mut self, time: Duration) -> &mut Self {
        self.now += SignedDuration::try_from(time).unwrap();
        self
    }

    /// What a look leads to, without applying it: as if the process died before the write.
    fn peek(&self, outcome: Option<&Outcome>) -> Plan {
        plan(&Input {
            name: "prod",
            uid: "2b0d9a3e-0000-4000-8000-000000000000",
            display_name: self.display_name.as_deref(),
            generation: Some(self.generation),
            created: Some(self.created),
            spec: &self.spec,
            status: &self.status,
            outcome,
            upgrades: self.upgrades.as_ref(),
            listed: self.listed.as_ref(),
            request: self.request.as_deref(),
            now: self.now,
        })
    }

    fn look(&mut self, outcome: Option<&Outcome>) -> Plan {
        let plan = self.peek(outcome);
        if let Some(status) = &plan.status {
            let json = serde_json::to_vec(status).unwrap();
            self.status = serde_json::from_slice(&json).unwrap();
            assert_eq!(&self.status, status, "a status reads back as it was written");
        }
        plan
    }

    fn answer(&mut self, tasks: &[Task]) -> Plan {
        self.failures = 0;
        self.answered = tasks.to_vec();
        self.look(Some(&answered(Answer { tasks: tasks.to_vec(), ..Default::default() })))
    }

    /// The same answer as the last one: only time has passed.
    fn again(&mut self) -> Plan {
        self.answer(&self.answered.clone())
    }

    fn fault(&mut self, kind: FaultKind) -> Plan {
        self.failures += 1;
        let outcome = self.failed(fault(kind));
        self.look(Some(&outcome))
    }

    /// A fault; with the third in a row the minute is over after which a watch is blind.
    fn failed(&self, fault: Fault) -> Outcome {
        Outcome::Fault { fault: Arc::new(fault), is_blind: self.failures >= BLIND_AFTER }
    }

    fn faults(&mut self, kind: FaultKind, times: u32) {
        for _ in 0..times {
            self.fault(kind);
        }
    }

    /// Nothing new.
    fn nothing(&mut self) -> Plan {
        self.look(None)
    }

    /// A condition as `status reason`; empty when it is not there.
    fn says(&self, type_: &str) -> String {
        let condition = condition::find(&self.status.conditions, type_);
        condition.map(|c| format!("{} {}", c.status, c.reason)).unwrap_or_default()
    }

    fn tasks(&self) -> Vec<&str> {
        self.status.tasks.iter().flatten().map(|task| task.uid.as_str()).collect()
    }

    fn task(&self, uid: &str) -> &TaskStatus {
        self.status.tasks.iter().flatten().find(|task| task.uid == uid).unwrap()
    }
}

fn answered(answer: Answer) -> Outcome {
    Outcome::Answer(Arc::new(answer))
}

/// The Events of a plan as `Type Reason`, in order.
fn told(plan: &Plan) -> Vec<String> {
    let kind = |event: &Event| if event.warning { "Warning" } else { "Normal" };
    plan.events.iter().map(|event| format!("{} {}", kind(event), event.reason)).collect()
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.events.iter().map(|event| event.name.as_str()).collect()
}
