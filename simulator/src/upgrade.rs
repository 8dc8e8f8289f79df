//! Upgrade workflows: what each of them does over time, and how it is listed. What a test sets in their place is left to
//! `state`.
//!
//! Playing is pure: a [`Script`] and the time since the start give the workflows. The call was never seen to answer, so the
//! answers have the shape of Huawei's SDK.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{go_time::go_time, uid::made_uid};

/// One workflow as it is listed. What is absent is left out of the answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Workflow {
    /// Its id.
    pub uid: String,
    /// The version before the upgrade.
    pub from_version: Option<String>,
    /// The version to which the cluster is upgraded.
    pub to_version: Option<String>,
    /// Such as `Running`, sent as it is.
    pub phase: Option<String>,
    /// When it was created.
    pub creation_time: Option<Timestamp>,
    /// When it last changed.
    pub update_time: Option<Timestamp>,
    /// Its steps.
    pub steps: Vec<WorkflowStep>,
}

/// One step of a workflow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkflowStep {
    /// Such as `Snapshot`, sent as it is.
    #[serde(rename = "type")]
    pub type_: String,
    /// Such as `Running`, sent as it is.
    pub status: Option<String>,
    /// The id of what carries it out.
    #[serde(rename = "taskID")]
    pub task_id: Option<String>,
    /// When it began.
    pub start_time: Option<Timestamp>,
    /// When it ended.
    pub end_time: Option<Timestamp>,
    /// When its result expires.
    pub expiry_time: Option<Timestamp>,
}

/// What one workflow of a scenario does.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Script {
    /// When it is created, counted from the start; negative: before it.
    pub at: SignedDuration,
    /// Its id; made from cluster and time when absent.
    pub uid: Option<String>,
    /// The version before the upgrade.
    pub from_version: String,
    /// The version to which the cluster is upgraded.
    pub to_version: String,
    /// What happens, in the order of time.
    pub changes: Vec<Change>,
}

/// What happens to a workflow at one moment: it changes its phase, or a step its status, or both.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Change {
    /// Counted from the creation of the workflow.
    #[serde(default)]
    pub after: SignedDuration,
    /// The new phase.
    pub phase: Option<String>,
    /// The step that changes.
    pub step: Option<String>,
    /// Its new status.
    pub status: Option<String>,
    /// The id of what carries it out, from here on.
    #[serde(rename = "taskID")]
    pub task_id: Option<String>,
}

impl Script {
    /// Why the script makes no sense, if it does not.
    pub(crate) fn check(&self) -> Result<(), String> {
        let mut before = SignedDuration::ZERO;
        for (index, change) in self.changes.iter().enumerate() {
            if change.after < before {
                return Err(format!(
                    "changes[{index}].after: must not be earlier than that of the change before"
                ));
            }
            if change.step.is_some() != change.status.is_some() {
                return Err(format!("changes[{index}]: step and status belong together"));
            }
            before = change.after;
        }
        Ok(())
    }

    /// The workflow at a time counted from `epoch`, once it is created.
    pub(crate) fn play(&self, cluster: &str, epoch: Timestamp, elapsed: SignedDuration) -> Option<Workflow> {
        let age = elapsed.saturating_sub(self.at);
        if age.is_negative() {
            return None;
        }
        let time = |after: SignedDuration| epoch.checked_add(self.at.saturating_add(after)).unwrap_or(epoch);
        let uid = || made_uid(&format!("upgrade {cluster}/{}/{epoch}", self.at));
        let mut workflow = Workflow {
            uid: self.uid.clone().unwrap_or_else(uid),
            from_version: Some(self.from_version.clone()),
            to_version: Some(self.to_version.clone()),
            phase: Some("Init".to_owned()),
            creation_time: Some(time(SignedDuration::ZERO)),
            update_time: Some(time(SignedDuration::ZERO)),
            steps: Vec::new(),
        };
        for change in self.changes.iter().filter(|change| change.after <= age) {
            workflow.update_time = Some(time(change.after));
            if change.phase.is_some() {
                workflow.phase.clone_from(&change.phase);
            }
            if let (Some(type_), Some(status)) = (&change.step, &change.status) {
                let place = workflow.steps.iter().position(|step| step.type_ == *type_);
                let place = place.unwrap_or_else(|| {
                    workflow.steps.push(WorkflowStep { type_: type_.clone(), ..Default::default() });
                    workflow.steps.len() - 1
                });
                workflow.steps[place].becomes(status, change.task_id.as_deref(), time(change.after));
            }
        }
        Some(workflow)
    }
}

impl WorkflowStep {
    fn becomes(&mut self, status: &str, task_id: Option<&str>, now: Timestamp) {
        let is_over = matches!(status, "Success" | "Failed");
        if !matches!(status, "Init" | "Queuing") && (self.start_time.is_none() || self.end_time.is_some()) {
            self.start_time = Some(now);
        }
        self.end_time = is_over.then_some(now);
        if status == "Success" && self.type_ == "PreCheck" {
            self.expiry_time = now.checked_add(SignedDuration::from_hours(1)).ok();
        }
        self.status = Some(status.to_owned());
        self.task_id = task_id.map(str::to_owned).or(self.task_id.take());
    }

    fn to_json(&self) -> Value {
        let mut json = Map::new();
        json.insert("taskType".to_owned(), json!(self.type_));
        let times = [
            ("startTimeStamp", self.start_time),
            ("endTimeStamp", self.end_time),
            ("expireTimeStamp", self.expiry_time),
        ];
        let times = times.map(|(key, time)| (key, time.map(go_time)));
        let words = [("taskID", self.task_id.clone()), ("status", self.status.clone())];
        let fields = words.into_iter().chain(times).filter_map(|(key, value)| Some((key, value?)));
        json.extend(fields.map(|(key, value)| (key.to_owned(), json!(value))));
        Value::Object(json)
    }
}

impl Workflow {
    pub(crate) fn to_json(&self, cluster: &str) -> Value {
        json!({
            "kind": "WorkFlowTask",
            "apiVersion": "v3",
            "metadata": {
                "uid": self.uid,
                "creationTimestamp": self.creation_time.map(go_time),
                "updateTimestamp": self.update_time.map(go_time),
            },
            "spec": {
                "clusterID": cluster, "clusterVersion": self.from_version, "targetVersion": self.to_version,
            },
            "status": {
                "phase": self.phase,
                "pointStatuses": self.steps.iter().map(WorkflowStep::to_json).collect::<Vec<_>>(),
                "lineStatuses": [],
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scenario;

    const FILE: &str = include_str!("../scenarios/upgrades.yaml");

    /// The phase of the workflow of a cluster, and its steps with their states, at a second of the scenario.
    fn at(cluster: &str, second: i64) -> String {
        let scenario = Scenario::from_yaml(FILE).unwrap();
        let script = &scenario.clusters[cluster].upgrades[0];
        let workflow = script.play(cluster, Timestamp::UNIX_EPOCH, SignedDuration::from_secs(second));
        let Some(workflow) = workflow else { return "none".to_owned() };
        let steps = workflow.steps.iter().map(|s| format!(" {} {}", s.type_, s.status.as_deref().unwrap()));
        workflow.phase.unwrap() + &steps.collect::<String>()
    }

    #[test]
    fn the_scenario_plays_an_upgrade_with_all_steps_a_failed_one_a_rollback_and_a_cancel() {
        let cluster = |digit: char| format!("{}-2222-3333-4444-555555555555", digit.to_string().repeat(8));
        for (digit, second, says) in [
            ('a', 1, "none"),
            ('a', 2, "Init"),
            ('a', 4, "Running PreCheck Running"),
            ('a', 9, "Running PreCheck Success Snapshot Running"),
            ('a', 25, "Running PreCheck Success Snapshot Success Cluster Running"),
            ('a', 100, "Success PreCheck Success Snapshot Success Cluster Success PostCheck Success"),
            ('b', 100, "Pending PreCheck Success Cluster Failed"),
            ('c', 100, "Cancel PreCheck Success Snapshot Success Cluster Failed Rollback Success"),
            ('d', 100, "Cancel PreCheck Success Snapshot Failed"),
        ] {
            assert_eq!(at(&cluster(digit), second), says, "{digit} at {second} s");
        }
    }

    #[test]
    fn a_step_has_its_times_and_a_retry_begins_anew() {
        let time = |second| Timestamp::from_second(second).unwrap();
        let mut step = WorkflowStep { type_: "Cluster".to_owned(), ..Default::default() };
        step.becomes("Queuing", None, time(1));
        assert_eq!((step.start_time, step.end_time), (None, None));
        step.becomes("Running", Some("t"), time(2));
        step.becomes("Failed", None, time(3));
        assert_eq!((step.start_time, step.end_time), (Some(time(2)), Some(time(3))));
        step.becomes("Running", None, time(4));
        assert_eq!(
            (step.start_time, step.end_time, step.task_id.as_deref()),
            (Some(time(4)), None, Some("t"))
        );
    }

    #[test]
    fn a_script_that_makes_no_sense_is_refused() {
        for (changes, problem) in [
            ("[{after: 2s, phase: Init}, {after: 1s, phase: Running}]", "changes[1].after"),
            ("[{step: Cluster}]", "step and status belong together"),
        ] {
            let script = format!("{{at: 1s, fromVersion: a, toVersion: b, changes: {changes}}}");
            let yaml = format!("clusters: {{c: {{upgrades: [{script}]}}}}");
            let refused = Scenario::from_yaml(&yaml).unwrap_err().to_string();
            assert!(refused.contains("clusters.c.upgrades[0]") && refused.contains(problem), "{refused}");
        }
    }
}
