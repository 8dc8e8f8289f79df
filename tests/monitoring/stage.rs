//! An operator and the Prometheus that scrapes it.

use cbw_testkit::{operator::Operator, prometheus::Prometheus, scene::Scene, trial::Shared};
use serde_json::{Value, json};

use crate::{
    rules,
    states::{self, UNREACHABLE},
};

/// The label by which the hubs are told apart where a ruler sees several.
pub const HUB: &str = "hub-a";

/// What tests read together.
pub struct Stages {
    /// Watches in every state.
    pub running: Shared<Stage>,
    /// The operator of a good watch is gone.
    pub gone: Shared<Stage>,
    /// A Prometheus that scrapes nothing and has no rules.
    pub empty: Shared<Prometheus>,
}

impl Stages {
    /// None is made before a test reads it.
    pub fn new() -> Self {
        Self {
            running: Shared::new(async || {
                let scene = Scene::new("monitoring").await;
                states::make(&scene).await;
                Stage::of(scene).await
            }),
            gone: Shared::new(async || {
                let mut stage = Stage::of_a_good_watch("the operator is gone").await;
                stage.operator.kill();
                stage
            }),
            empty: Shared::new(async || Prometheus::start(&json!({}), &json!({ "groups": [] })).await),
        }
    }
}

/// An operator and the Prometheus that scrapes it.
pub struct Stage {
    /// The namespace of the watches, and the cloud.
    pub scene: Scene,
    /// The operator.
    pub operator: Operator,
    /// Prometheus, with the shortened rules.
    pub prometheus: Prometheus,
}

impl Stage {
    /// Starts both for the watches of a scene. The rate of an account is low, so that many watches of one are late.
    /// Two requests at once, because upgrades are asked for only where a poll leaves a token.
    async fn of(scene: Scene) -> Self {
        // Nothing listens on port 1.
        let unreachable = format!("{UNREACHABLE}=http://127.0.0.1:1");
        let flags = ["--account-rate=0.2", "--account-burst=2", "--region-endpoint", &unreachable];
        let operator = Operator::start(&scene, &flags).await;
        let target = operator.url.trim_start_matches("http://");
        let prometheus =
            Prometheus::start(&configuration(target), &rules::shortened(&rules::shipped())).await;
        Self { scene, operator, prometheus }
    }

    /// A stage whose one watch, `good`, is healthy.
    pub async fn of_a_good_watch(test: &'static str) -> Self {
        let scene = Scene::new(test).await;
        states::watch(&scene, "good");
        let stage = Self::of(scene).await;
        stage.prometheus.returns(r#"cce_backup_watch_backup_healthy{name="good", status="True"} == 1"#).await;
        stage
    }

    /// Waits until so many alerts have fired at least once.
    pub async fn have_fired(&self, alerts: usize) {
        let fired = r#"last_over_time(ALERTS{alertstate="firing"}[1h])"#;
        self.prometheus.returns(&format!("count(count by (alertname) ({fired})) >= {alerts}")).await;
    }
}

/// Scrapes as a `ServiceMonitor` of the chart does: `honor_labels` keeps the labels of the metrics, so that the label
/// `cluster` of the info metric hides the one that is added for the hub. Each of the two formats is also read by itself.
fn configuration(target: &str) -> Value {
    let one_format = |job: &str, protocol: &str| {
        json!({
            "job_name": job, "scrape_protocols": [protocol],
            "metric_relabel_configs": [{ "action": "drop", "regex": ".*" }],
            "static_configs": [{ "targets": [target] }],
        })
    };
    let labels = json!({ "cluster": HUB, "pod": "operator-0", "namespace": "cce-backup-watch" });
    json!({
        "global": { "scrape_interval": "1s", "evaluation_interval": "1s" },
        "rule_files": ["rules.yaml"],
        "scrape_configs": [
            one_format("open-metrics", "OpenMetricsText1.0.0"),
            one_format("text", "PrometheusText0.0.4"),
            {
                "job_name": "cce-backup-watch", "honor_labels": true,
                "static_configs": [{ "targets": [target], "labels": labels }],
            },
        ],
    })
}
