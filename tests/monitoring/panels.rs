//! The panels of the dashboard: their queries as Grafana sends them, and the colour and the number that a stat shows.

use cbw_testkit::prometheus::{Prometheus, Sample};
use serde_json::Value;

use crate::{rules, stage::HUB};

/// The dashboard as it is shipped.
pub fn dashboard() -> Value {
    serde_json::from_str(&rules::file("dashboard.json")).unwrap()
}

/// A panel of the dashboard.
#[derive(Clone)]
pub struct Panel(Value);

impl Panel {
    /// All that have a query.
    pub fn all() -> Vec<Self> {
        let mut panels = dashboard()["panels"].as_array().unwrap().clone();
        panels.retain(|panel| panel["type"] != "row");
        panels.into_iter().map(Self).collect()
    }

    /// The one of a kind, such as `stat`, and a title.
    pub fn find(kind: &str, title: &str) -> Self {
        let mut panels = Self::all().into_iter();
        panels
            .find(|panel| panel.kind() == kind && panel.title() == title)
            .expect("the dashboard has this panel")
    }

    /// Its title.
    pub fn title(&self) -> &str {
        self.0["title"].as_str().unwrap()
    }

    /// Its kind.
    pub fn kind(&self) -> &str {
        self.0["type"].as_str().unwrap()
    }

    /// Whether it stands in the first row, below the heading.
    pub fn stands_first(&self) -> bool {
        self.0["gridPos"]["y"] == 1
    }

    /// The ids of its queries.
    pub fn ids(&self) -> Vec<String> {
        let targets = self.0["targets"].as_array().unwrap().iter();
        targets.map(|target| target["refId"].as_str().unwrap().to_owned()).collect()
    }

    /// One of its queries, for the watches of these namespaces.
    pub fn query(&self, id: &str, namespaces: &str) -> String {
        let mut targets = self.0["targets"].as_array().unwrap().iter();
        let target = targets.find(|target| target["refId"] == id).expect("the panel has this query");
        filled(target["expr"].as_str().unwrap(), namespaces)
    }

    /// Waits until it has this colour.
    pub async fn shows(&self, colour: &str, prometheus: &Prometheus, namespaces: &str) {
        let shown = |samples: &[Sample]| self.colour(samples.first().map(|(_, value)| *value)) == colour;
        prometheus.answers(&self.query("A", namespaces), shown).await;
    }

    /// Waits until it shows this number for the watches whose names match.
    pub async fn counts(&self, names: &str, number: f64, prometheus: &Prometheus, namespace: &str) {
        let of_names = format!("name=~\"{names}\", namespace=~");
        let query = self.query("A", namespace).replace("namespace=~", &of_names);
        prometheus.returns(&format!("({query}) == {number}")).await;
    }

    /// The colour that Grafana gives to a value: that of the last threshold which is not above it, and of the first one
    /// without data.
    fn colour(&self, value: Option<f64>) -> &str {
        let steps = self.0["fieldConfig"]["defaults"]["thresholds"]["steps"].as_array().unwrap();
        let reached = |step: &&Value| {
            step["value"].as_f64().is_none_or(|least| value.is_some_and(|value| least <= value))
        };
        steps.iter().rfind(reached).unwrap()["color"].as_str().unwrap()
    }
}

/// A query with the values that Grafana inserts for its variables.
pub fn filled(query: &str, namespaces: &str) -> String {
    let values = [
        ("$__rate_interval", "10s"),
        ("$hub", HUB),
        ("$region", "cn-north-4|cn-south-1"),
        ("$namespace", namespaces),
        ("$watch", ".*"),
    ];
    values.into_iter().fold(query.to_owned(), |query, (variable, value)| query.replace(variable, value))
}
