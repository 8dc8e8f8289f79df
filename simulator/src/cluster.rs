//! The clusters of a project and the answer that lists them, in the shape of the API page.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

/// Which of CCE's two products a call is about; each has a list of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// How a cluster of a scenario is listed; its id is the key of its entry.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listed {
    pub(crate) name: String,
    alias: Option<String>,
    version: Option<String>,
    phase: Option<String>,
    #[serde(default)]
    autopilot: bool,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

impl Listed {
    /// The cluster with its id.
    pub(crate) fn cluster(&self, id: &str) -> Cluster {
        let Self { name, alias, version, phase, autopilot, tags } = self.clone();
        Cluster { uid: id.to_owned(), name, alias, version, phase, autopilot, tags }
    }
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

/// The answer that lists those of the clusters that are of this product.
pub(crate) fn answer(product: Product, clusters: &[Cluster]) -> Value {
    let of_product = clusters.iter().filter(|cluster| cluster.autopilot == (product == Product::Autopilot));
    json!({
        "kind": "Cluster", "apiVersion": "v3", "items": of_product.map(Cluster::to_json).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_product_lists_its_own_clusters() {
        let clusters = [Cluster::new("a", "one").tag("k", "v"), Cluster::new("b", "two").autopilot()];
        let (standard, autopilot) =
            (answer(Product::Standard, &clusters), answer(Product::Autopilot, &clusters));
        for (answer, uid) in [(&standard, "a"), (&autopilot, "b")] {
            assert_eq!(answer["items"].as_array().unwrap().len(), 1);
            assert_eq!(answer["items"][0]["metadata"]["uid"], uid);
            assert_eq!(answer["items"][0]["status"]["phase"], "Available");
        }
        assert_eq!(standard["items"][0]["spec"]["clusterTags"], json!([{"key": "k", "value": "v"}]));
    }
}
