//! Runs a Prometheus of the pinned version, and asks it.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use reqwest::{Client, Url};
use serde_json::Value;

use super::{
    program::{self, Server},
    wait::{LIMIT, until},
};

/// How long a query is tried. The slowest alert waits until a watch is blind, which takes 90 s.
const PATIENCE: Duration = Duration::from_mins(4);
/// How long until a query is tried again. Prometheus scrapes and evaluates each second in tests.
const PAUSE: Duration = Duration::from_millis(500);

/// What a query returned for one series: its labels and its value.
pub type Sample = (BTreeMap<String, String>, f64);

/// A running Prometheus. Dropping it kills the process.
pub struct Prometheus {
    /// The process.
    pub server: Server,
    url: Url,
    http: Client,
}

impl Prometheus {
    /// Starts it with a configuration, which may name `rules.yaml`, and waits until it is ready.
    pub async fn start(configuration: &Value, rules: &Value) -> Self {
        let folder = new_folder();
        let file = folder.join("prometheus.yaml");
        // JSON is YAML.
        fs::write(&file, configuration.to_string()).unwrap();
        fs::write(folder.join("rules.yaml"), rules.to_string()).unwrap();
        let mut command = Command::new(program::tool("prometheus"));
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg("--web.listen-address=127.0.0.1:0");
        let mut server = Server::start(command, folder.join("prometheus.log"));
        let url = until("Prometheus listens", LIMIT, async || {
            let ended = server.exit();
            assert!(ended.is_none(), "Prometheus ended at its start: {ended:?}");
            let text = server.text();
            let line = text.lines().find(|line| line.contains("msg=\"Listening on\""))?;
            format!("http://{}", line.rsplit_once("address=")?.1).parse().ok()
        })
        .await;
        let prometheus = Self { server, url, http: program::http() };
        until("Prometheus is ready", LIMIT, async || {
            prometheus.get("/-/ready", None).await.ok()?.error_for_status().ok()
        })
        .await;
        prometheus
    }

    /// What an instant query returns now. A query that Prometheus refuses fails the test.
    pub async fn query(&self, expression: &str) -> Vec<Sample> {
        let result = &self.data("/api/v1/query", Some(expression)).await["result"];
        let series = result.as_array().unwrap_or_else(|| panic!("{expression}: {result}"));
        series.iter().map(sample).collect()
    }

    /// Waits until a query returns a number, and returns all that it returns.
    pub async fn returns(&self, expression: &str) -> Vec<Sample> {
        self.answers(expression, |samples| samples.iter().any(|(_, value)| !value.is_nan())).await
    }

    /// Waits until what a query returns meets a condition, and returns it.
    pub async fn answers(&self, expression: &str, holds: impl Fn(&[Sample]) -> bool) -> Vec<Sample> {
        let mut last = Vec::new();
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                last = self.query(expression).await;
                if holds(&last) {
                    return;
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
        if waited.await.is_err() {
            let alerts = self.query("ALERTS").await;
            panic!("not within {PATIENCE:?}: {expression}\nit returns {last:#?}\nthe alerts are {alerts:#?}");
        }
        last
    }

    /// The texts of the alerts of one name, as Alertmanager gets them.
    pub async fn texts(&self, alert: &str) -> Vec<String> {
        let data = self.data("/api/v1/alerts", None).await;
        let alerts =
            data["alerts"].as_array().unwrap().iter().filter(|one| one["labels"]["alertname"] == alert);
        let texts = alerts.flat_map(|one| one["annotations"].as_object().unwrap().values());
        texts.map(|text| text.as_str().unwrap().to_owned()).collect()
    }

    async fn data(&self, path: &str, query: Option<&str>) -> Value {
        let text = self.get(path, query).await.unwrap().text().await.unwrap();
        let mut answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["status"], "success", "{path} {query:?}: {text}");
        answer["data"].take()
    }

    async fn get(&self, path: &str, query: Option<&str>) -> reqwest::Result<reqwest::Response> {
        let mut url = self.url.join(path).unwrap();
        if let Some(expression) = query {
            url.query_pairs_mut().append_pair("query", expression);
        }
        self.http.get(url).send().await
    }
}

fn sample(series: &Value) -> Sample {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let labels = series["metric"].as_object().unwrap();
    let value = series["value"][1].as_str().unwrap().parse().unwrap();
    (labels.iter().map(|(name, value)| (name.clone(), text(value))).collect(), value)
}

fn new_folder() -> PathBuf {
    static STARTED: AtomicUsize = AtomicUsize::new(1);
    let folder = program::folder().join(format!("prometheus-{}", STARTED.fetch_add(1, Ordering::Relaxed)));
    fs::create_dir_all(&folder).unwrap();
    folder
}
