//! A recording of the command `tasks --record` as a scenario: the requests for the tasks and for the upgrades of any cluster
//! are answered with its exchanges of the same call, one after the other, and all further ones with the last.
//!
//! Its times stay as they were recorded. The header `Date` is not played, because the client that is tested takes it
//! for the time of now.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, value::Map};

use super::error::ScenarioError;
use crate::fault::{Fault, FaultKind};

/// What is played, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    tasks: Vec<FaultKind>,
    upgrades: Vec<FaultKind>,
}

/// A call that is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recorded {
    /// The list of tasks.
    Tasks,
    /// The list of upgrades.
    Upgrades,
}

/// How many exchanges of each call were played.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Played {
    pub(crate) tasks: usize,
    pub(crate) upgrades: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Line {
    #[serde(rename = "time")]
    _time: String,
    call: String,
    #[serde(rename = "clusterType")]
    _cluster_type: String,
    status: Option<u16>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<Value>,
    text: Option<String>,
    fault: Option<String>,
}

impl Recording {
    /// Whether a file is one: each of its lines is an object, the first one an exchange.
    pub(super) fn is(text: &str) -> bool {
        let first =
            text.lines().next().and_then(|line| serde_json::from_str::<Map<String, Value>>(line).ok());
        first.is_some_and(|line| line.contains_key("call"))
    }

    /// Reads the file.
    pub(super) fn read(text: &str) -> Result<Self, ScenarioError> {
        let mut recording = Self::default();
        for (number, line) in text.lines().enumerate() {
            let place = format!("line {}", number + 1);
            let line: Line = serde_json::from_str(line)
                .map_err(|error| ScenarioError::Form(format!("{place} is no recorded exchange: {error}")))?;
            let exchanges = match line.call.as_str() {
                "ListTasks" => &mut recording.tasks,
                "ListUpgrades" => &mut recording.upgrades,
                _ => continue,
            };
            let kind = line.kind();
            Fault::from(kind.clone())
                .check()
                .map_err(|error| ScenarioError::Value { place, problem: error.to_string() })?;
            exchanges.push(kind);
        }
        if recording.tasks.is_empty() {
            return Err(ScenarioError::Form("the recording has no list of tasks".to_owned()));
        }
        Ok(recording)
    }

    /// What the request with this number gets, counted from zero.
    pub(crate) fn exchange(&self, call: Recorded, number: usize) -> Option<FaultKind> {
        let exchanges = match call {
            Recorded::Tasks => &self.tasks,
            Recorded::Upgrades => &self.upgrades,
        };
        exchanges.get(number).or(exchanges.last()).cloned()
    }
}

impl Line {
    fn kind(self) -> FaultKind {
        let Some(status) = self.status else {
            // What kept the answer away is not known any more than this.
            tracing::debug!(fault = self.fault, "an exchange without an answer is played as a reset");
            return FaultKind::Reset {};
        };
        let body = self.body.map(|body| body.to_string()).or(self.text).unwrap_or_default();
        let mut headers = self.headers;
        // Bodies are played as they are written in the file, and by the clock of now.
        headers.retain(|name, _| !["date", "content-encoding"].contains(&name.as_str()));
        FaultKind::Status { status, code: None, message: None, headers, body: Some(body) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{"time":"2023-11-25T09:03:46.500Z","call":"ListTasks","clusterType":"Standard","status":200,"headers":{"date":"Sat, 25 Nov 2023 09:03:46 GMT","content-type":"application/json"},"body":{"kind":"List","items":[]}}
{"time":"2023-11-25T09:03:56.500Z","call":"ListTasks","clusterType":"Standard","fault":"CloudUnavailable"}
{"time":"2023-11-25T09:04:06.500Z","call":"ListTasks","clusterType":"Standard","status":502,"headers":{},"text":"bad"}
"#;

    #[test]
    fn exchanges_are_played_in_their_order_and_the_last_one_stays() {
        assert!(Recording::is(FILE) && !Recording::is("clusters: {}") && !Recording::is(""));
        let recording = Recording::read(FILE).unwrap();
        let FaultKind::Status { status: 200, headers, body, .. } =
            recording.exchange(Recorded::Tasks, 0).unwrap()
        else {
            panic!()
        };
        assert_eq!(headers.into_keys().collect::<Vec<_>>(), ["content-type"]);
        assert_eq!(body.as_deref(), Some(r#"{"items":[],"kind":"List"}"#));
        assert_eq!(recording.exchange(Recorded::Tasks, 1), Some(FaultKind::Reset {}));
        assert_eq!(recording.exchange(Recorded::Upgrades, 0), None);
        for number in [2, 3, 100] {
            assert!(matches!(
                recording.exchange(Recorded::Tasks, number),
                Some(FaultKind::Status { status: 502, .. })
            ));
        }
    }

    #[test]
    fn what_cannot_be_played_is_refused_with_its_line() {
        for text in [
            r#"{"call":"ListTasks"}"#.to_owned(),
            FILE.replace("ListTasks", "ListClusters"),
            format!("{FILE}{{}}\n"),
            FILE.replace("502", "99"),
        ] {
            let error = Recording::read(&text).unwrap_err().to_string();
            assert!(error.contains("line ") || error.contains("no list of tasks"), "{error}");
        }
    }
}
