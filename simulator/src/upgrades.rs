//! What a test has set in place of the upgrades of the scenario. The answers are left to `outcome`.

use std::collections::HashMap;

use serde_json::Value;

use crate::{fault::Fault, scenario::ANY_CLUSTER, upgrade::Workflow};

/// What a test has set in place of the scenario, by cluster or for all (`*`), and what was asked for.
#[derive(Debug, Default)]
pub(crate) struct Upgrades {
    pub(crate) workflows: HashMap<String, Vec<Workflow>>,
    pub(crate) answers: HashMap<String, Value>,
    pub(crate) faults: HashMap<String, Fault>,
    pub(crate) requests: HashMap<String, u64>,
}

impl Upgrades {
    /// The fault that strikes a call; one with a count then strikes one time less.
    pub(crate) fn strike(&mut self, cluster: &str) -> Option<Fault> {
        let key = [cluster, ANY_CLUSTER].into_iter().find(|key| self.faults.contains_key(*key))?;
        crate::strike::strike(&mut self.faults, key.to_owned(), Fault::spent)
    }

    pub(crate) fn reset_counts(&mut self) {
        self.requests.clear();
    }
}
