//! The clusters of a project and the answer that lists them, in the shape of the API page.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::fault::Fault;

/// Which of CCE's two products a call is about; each has a list of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Product {
    /// Standard and Turbo.
    Standard,
    /// Autopilot.
    Autopilot,
}

/// One cluster as it is listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cluster {
    /// Its id, a UUID.
    pub uid: String,
    /// Its name.
    pub name: String,
    /// Its display name.
    #[serde(default)]
    pub alias: Option<String>,
    /// Such as `v1.30`.
    #[serde(default)]
    pub version: Option<String>,
    /// `Available` when it is absent.
    #[serde(default)]
    pub phase: Option<String>,
    /// Whether it is an Autopilot cluster.
    #[serde(default)]
    pub autopilot: bool,
    /// The users' tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

impl Cluster {
    /// A cluster of version `v1.30`.
    pub fn new(uid: impl Into<String>, name: impl Into<String>) -> Self {
        Self { uid: uid.into(), name: name.into(), version: Some("v1.30".to_owned()), ..Self::default() }
    }

    /// The same as an Autopilot cluster.
    #[must_use]
    pub fn autopilot(mut self) -> Self {
        self.autopilot = true;
        self
    }

    /// The same with a display name.
    #[must_use]
    pub fn alias(mut self, alias: impl Into<String>) -> Self {
        self.alias = Some(alias.into());
        self
    }

    /// The same in another phase.
    #[must_use]
    pub fn phase(mut self, phase: impl Into<String>) -> Self {
        self.phase = Some(phase.into());
        self
    }

    /// The same with one more tag.
    #[must_use]
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.insert(key.into(), value.into());
        self
    }

    fn to_json(&self) -> Value {
        let tags: Vec<_> = self.tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
        let mut metadata = json!({ "name": self.name, "uid": self.uid, "labels": {} });
        if let Some(alias) = &self.alias {
            metadata["alias"] = json!(alias);
        }
        json!({
            "kind": "Cluster",
            "apiVersion": "v3",
            "metadata": metadata,
            "spec": {
                "type": "VirtualMachine", "version": self.version, "enableAutopilot": self.autopilot,
                "clusterTags": tags,
            },
            "status": { "phase": self.phase.as_deref().unwrap_or("Available") },
        })
    }
}

/// The lists of clusters: those of each project, and the answers and faults that replace them.
#[derive(Debug, Default)]
pub(crate) struct Listings {
    /// By project; a project without an entry has the clusters of the scenario.
    clusters: HashMap<String, Vec<Cluster>>,
    answers: HashMap<(Product, String), Value>,
    faults: HashMap<(Product, String), Fault>,
}

impl Listings {
    pub(crate) fn set(&mut self, project: &str, clusters: Vec<Cluster>) {
        self.clusters.insert(project.to_owned(), clusters);
    }

    pub(crate) fn set_answer(&mut self, product: Product, project: &str, answer: Option<Value>) {
        put(&mut self.answers, (product, project.to_owned()), answer);
    }

    pub(crate) fn set_fault(&mut self, product: Product, project: &str, fault: Option<Fault>) {
        put(&mut self.faults, (product, project.to_owned()), fault);
    }

    /// The fault that strikes a call; one with a count then strikes one time less.
    pub(crate) fn strike(&mut self, product: Product, project: &str) -> Option<Fault> {
        crate::strike::strike(&mut self.faults, (product, project.to_owned()), Fault::spent)
    }

    /// The answer to a call; `scripted` are the clusters of the scenario.
    pub(crate) fn answer(&self, product: Product, project: &str, scripted: &[Cluster]) -> Value {
        if let Some(answer) = self.answers.get(&(product, project.to_owned())) {
            return answer.clone();
        }
        let clusters = self.clusters.get(project).map_or(scripted, Vec::as_slice);
        let of_product =
            clusters.iter().filter(|cluster| cluster.autopilot == (product == Product::Autopilot));
        json!({
            "kind": "Cluster", "apiVersion": "v3", "items": of_product.map(Cluster::to_json).collect::<Vec<_>>(),
        })
    }
}

fn put<T>(map: &mut HashMap<(Product, String), T>, key: (Product, String), value: Option<T>) {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_product_lists_its_own_clusters() {
        let mut listings = Listings::default();
        let scripted = [Cluster::new("s", "scripted")];
        listings.set("p", vec![Cluster::new("a", "one").tag("k", "v"), Cluster::new("b", "two").autopilot()]);
        let uids = |product, project| {
            let answer = listings.answer(product, project, &scripted);
            let items = answer["items"].as_array().unwrap().clone();
            items.iter().map(|item| item["metadata"]["uid"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(uids(Product::Standard, "p"), ["a"]);
        assert_eq!(uids(Product::Autopilot, "p"), ["b"]);
        assert_eq!(uids(Product::Standard, "other"), ["s"]);
        let answer = listings.answer(Product::Standard, "p", &[]);
        assert_eq!(answer["items"][0]["spec"]["clusterTags"], json!([{"key": "k", "value": "v"}]));
        assert_eq!(answer["items"][0]["status"]["phase"], "Available");
    }
}
