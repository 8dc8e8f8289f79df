//! An answer of the cloud as the fields of a resource's status. The operator's own record builds it, so that this
//! command and the operator never disagree.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::api::{ClusterBackupWatchStatus, TaskStatus};
use crate::cloud::{
    Answer,
    target::{ClusterType, Target},
};
use crate::task::{is_backup, record::Record};

/// The most tasks in a report: the highest `historyLimit` of a resource.
const HISTORY: i32 = 50;

/// A smaller difference of the clocks is not worth a word: the flags that take an age are given in minutes and hours.
const NOTED: SignedDuration = SignedDuration::from_mins(1);

/// The result of a poll. Scripts rely on its JSON form. Reports that say the same are equal, whenever they were made.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    region: String,
    #[serde(rename = "projectID")]
    project_id: String,
    #[serde(rename = "clusterID")]
    cluster_id: String,
    cluster_type: ClusterType,
    /// `phase`, `progress`, `latestBackupTime`, `lastSuccess`, `lastFailure` and `tasks`, as in a resource's status.
    #[serde(flatten)]
    status: ClusterBackupWatchStatus,
    #[serde(skip)]
    clock: Clock,
}

/// The time of an answer.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// By the cloud's clock where the answer has a `Date`, else by this host's: what ages are measured by.
    pub now: Timestamp,
    /// How far this host's clock is ahead of the cloud's.
    ahead: SignedDuration,
}

impl Clock {
    /// From the `Date` of an answer to a request that was sent and answered at these times of this host. The time on the
    /// way is no difference of the clocks.
    pub fn new(sent: Timestamp, answered: Timestamp, date: Option<Timestamp>) -> Self {
        let Some(date) = date else { return Self { now: answered, ahead: SignedDuration::ZERO } };
        Self { now: date, ahead: date.clamp(sent, answered.max(sent)).duration_since(date) }
    }

    /// The message on clocks that differ by more than a minute.
    pub fn note(&self) -> Option<String> {
        let Self { now, ahead } = self;
        (ahead.abs() > NOTED).then(|| {
            let minutes = (ahead.abs() + SignedDuration::from_secs(30)).as_mins();
            let side = if ahead.is_positive() { "ahead of" } else { "behind" };
            format!(
                "the clock of this host is {minutes} min {side} the cloud's, where it is {}: ages are measured by the cloud's",
                crate::commands::moment::seconds(*now)
            )
        })
    }
}

impl PartialEq for Report {
    fn eq(&self, other: &Self) -> bool {
        let said = |report: &Self| {
            let Self { region, project_id, cluster_id, cluster_type, .. } = report.clone();
            (region, project_id, cluster_id, cluster_type)
        };
        self.status == other.status && said(self) == said(other)
    }
}

impl Report {
    /// When the cloud answered.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// The cluster that was asked about.
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// The tasks, newest first.
    pub fn tasks(&self) -> &[TaskStatus] {
        self.status.tasks.as_deref().unwrap_or_default()
    }

    /// The newest backup, finished or not.
    pub fn newest_backup(&self) -> Option<&TaskStatus> {
        self.tasks().iter().find(|task| is_backup(task))
    }

    /// The task of this uid, if it is listed.
    pub fn task(&self, uid: &str) -> Option<&TaskStatus> {
        self.tasks().iter().find(|task| task.uid == uid)
    }
}

/// Builds the reports of one cluster; each starts from the record of the one before.
pub struct Builder {
    target: Target,
    known: ClusterBackupWatchStatus,
}

impl Builder {
    /// A builder that has seen no answer yet.
    pub fn new(target: &Target) -> Self {
        Self { target: target.clone(), known: ClusterBackupWatchStatus::default() }
    }

    /// The report on an answer, which the next report starts from.
    pub fn report(&mut self, answer: &Answer, clock: Clock) -> Report {
        self.known = Record::merge(&self.known, answer, HISTORY, clock.now).status();
        let mut status = self.known.clone();
        for task in status.tasks.iter_mut().flatten() {
            // The time at which the operator saw a change means nothing here: this command has just started.
            task.progress_time = None;
        }
        let Target { region, project_id, cluster_id, cluster_type } = &self.target;
        Report {
            region: region.to_string(),
            project_id: project_id.to_string(),
            cluster_id: cluster_id.to_string(),
            cluster_type: *cluster_type,
            status,
            clock,
        }
    }
}

#[cfg(test)]
pub mod tests {
    use serde_json::json;

    use super::*;
    use crate::cloud::{
        Item, Task,
        target::{ClusterId, ProjectId, Region},
    };

    pub fn builder() -> Builder {
        Builder::new(&Target {
            region: Region::parse("cn-north-4").unwrap(),
            project_id: ProjectId::parse("0123456789abcdef0123456789abcdef").unwrap(),
            cluster_id: ClusterId::parse("11111111-2222-3333-4444-555555555555").unwrap(),
            cluster_type: ClusterType::Standard,
        })
    }

    /// A task created that many seconds after the epoch.
    pub fn task(uid: &str, phase: &str, created: i64) -> Task {
        Task {
            uid: uid.to_owned(),
            phase: Some(phase.to_owned()),
            progress: Some(50),
            creation_time: Timestamp::from_second(created).ok(),
            ..Task::default()
        }
    }

    pub fn rollback(mut task: Task) -> Task {
        task.items.push(Item { type_: Some("master-backup-rollback".to_owned()), ..Item::default() });
        task
    }

    pub fn report(builder: &mut Builder, tasks: &[Task]) -> Report {
        let now = Timestamp::from_second(100).unwrap();
        builder.report(&Answer { tasks: tasks.to_vec(), ..Answer::default() }, Clock::new(now, now, None))
    }

    #[test]
    fn ages_are_measured_by_the_clouds_clock_and_a_difference_above_a_minute_is_said() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let clock = |date: Option<i64>| Clock::new(at(1_000), at(1_010), date.map(at));
        assert_eq!((clock(None).now, clock(None).note()), (at(1_010), None));
        for (date, note) in [
            (940, None),
            (
                939,
                Some(
                    "the clock of this host is 1 min ahead of the cloud's, where it is 1970-01-01T00:15:39Z",
                ),
            ),
            (1_005, None),
            (1_070, None),
            (
                8_230,
                Some(
                    "the clock of this host is 120 min behind the cloud's, where it is 1970-01-01T02:17:10Z",
                ),
            ),
        ] {
            let clock = clock(Some(date));
            let told = clock.note();
            assert_eq!(clock.now, at(date));
            assert!(
                told.is_some() == note.is_some() && told.iter().all(|told| told.starts_with(note.unwrap())),
                "{told:?}"
            );
        }
    }

    #[test]
    fn the_json_form_has_the_fields_of_the_status() {
        let report = report(&mut builder(), &[task("a", "Success", 1), rollback(task("r", "Running", 2))]);
        assert_eq!(
            serde_json::to_value(&report).unwrap(),
            json!({
                "region": "cn-north-4",
                "projectID": "0123456789abcdef0123456789abcdef",
                "clusterID": "11111111-2222-3333-4444-555555555555",
                "clusterType": "Standard",
                "phase": "Success",
                "progress": 50,
                "lastSuccess": {"uid": "a", "time": "1970-01-01T00:00:01Z"},
                "tasks": [
                    {"uid": "r", "phase": "Running", "progress": 50, "creationTime": "1970-01-01T00:00:02Z",
                     "items": [{"type": "master-backup-rollback"}]},
                    {"uid": "a", "phase": "Success", "progress": 50, "creationTime": "1970-01-01T00:00:01Z"},
                ],
            })
        );
    }

    #[test]
    fn an_answer_without_tasks_is_an_empty_list_and_no_absent_one() {
        let report = report(&mut builder(), &[]);
        assert_eq!(serde_json::to_value(&report).unwrap()["tasks"], json!([]));
        assert!(report.newest_backup().is_none());
    }
}
