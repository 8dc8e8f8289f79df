//! What is counted of the operator's own work. What is told of each watch is in [`super::resource_metrics`].
//!
//! No URL, task or message is ever a label.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::{FutureExt, future::BoxFuture};
use jiff::Timestamp;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::Registry,
};

use crate::api::EventReason;
use crate::cloud::{
    Answer, client::Client, credential::Credential, fault::Fault, share::TasksApi, target::Target,
};

/// The prefix of every metric.
pub const PREFIX: &str = "cce_backup_watch";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByResult {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByCode {
    code: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByReason {
    reason: &'static str,
    result: &'static str,
}

/// The operator's own metrics. Cheap to clone; clones count together.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    reconciles: Family<ByResult, Counter>,
    reconcile_duration: Histogram,
    api_requests: Family<ByCode, Counter>,
    api_request_duration: Histogram,
    status_writes: Family<ByResult, Counter>,
    events: Family<ByReason, Counter>,
    shared_fetches: Counter,
    leader: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let durations = || Histogram::new(exponential_buckets(0.001, 4.0, 8));
        let mut registry = Registry::with_prefix(PREFIX);
        let metrics = Self {
            reconciles: Family::default(),
            reconcile_duration: durations(),
            api_requests: Family::default(),
            api_request_duration: durations(),
            status_writes: Family::default(),
            events: Family::default(),
            shared_fetches: Counter::default(),
            leader: Gauge::default(),
            registry: Arc::default(),
        };
        registry.register("reconcile", "Looks at a watch, by result", metrics.reconciles.clone());
        registry.register(
            "reconcile_duration_seconds",
            "How long a look at a watch took",
            metrics.reconcile_duration.clone(),
        );
        registry.register(
            "api_requests",
            "Requests to the cloud, by HTTP status, or by reason where there was none",
            metrics.api_requests.clone(),
        );
        registry.register(
            "api_request_duration_seconds",
            "How long a request to the cloud took",
            metrics.api_request_duration.clone(),
        );
        registry.register("status_writes", "Writes of a status, by result", metrics.status_writes.clone());
        registry.register("events", "Events, by reason and result", metrics.events.clone());
        registry.register(
            "shared_fetches",
            "Polls that were served by the fetch of another watch",
            metrics.shared_fetches.clone(),
        );
        registry.register(
            "leader",
            "Whether this process is the one that works (1) or stands by (0)",
            metrics.leader.clone(),
        );
        metrics.start_at_zero();
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        registry.register("build", "The build of this process", Info::new(version));
        Self { registry: Arc::new(Mutex::new(registry)), ..metrics }
    }
}

impl Metrics {
    /// A counter that is there from the start shows its first increase too.
    fn start_at_zero(&self) {
        for result in ["success", "error"] {
            let _ = self.reconciles.get_or_create(&ByResult { result });
            let _ = self.status_writes.get_or_create(&ByResult { result });
            for reason in EventReason::ALL {
                let reason = reason.as_str();
                let _ = self.events.get_or_create(&ByReason { reason, result });
            }
        }
        let _ = self.api_requests.get_or_create(&ByCode { code: "200".to_owned() });
    }

    /// Adds what is collected at each scrape.
    pub fn collect(&self, collector: impl prometheus_client::collector::Collector) {
        self.lock().register_collector(Box::new(collector));
    }

    /// Everything, in the OpenMetrics text format.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.lock())?;
        Ok(text)
    }

    /// A look at a watch ended.
    pub fn reconciled(&self, result: &'static str, took: Duration) {
        self.reconciles.get_or_create(&ByResult { result }).inc();
        self.reconcile_duration.observe(took.as_secs_f64());
    }

    /// A status was written, or not.
    pub fn status_written(&self, result: &'static str) {
        self.status_writes.get_or_create(&ByResult { result }).inc();
    }

    /// An Event was published, or not.
    pub fn event_published(&self, reason: &'static str, result: &'static str) {
        self.events.get_or_create(&ByReason { reason, result }).inc();
    }

    /// A poll was served by the fetch of another.
    pub fn fetch_shared(&self) {
        self.shared_fetches.inc();
    }

    /// This process works, or stands by.
    pub fn leads(&self, leads: bool) {
        self.leader.set(leads.into());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Registry> {
        // Encoding changes nothing, so a panic in it leaves the registry whole.
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The cloud client, counted.
pub struct Metered {
    /// What is counted.
    pub client: Client,
    /// Where.
    pub metrics: Metrics,
}

impl TasksApi for Metered {
    fn list_tasks<'a>(
        &'a self,
        target: &'a Target,
        credential: &'a Credential,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Answer, Fault>> {
        async move {
            let begun = Instant::now();
            let result = self.client.list_tasks(target, credential, now).await;
            let code = match &result {
                Ok(_) => "200".to_owned(),
                Err(Fault { http_status: Some(status @ 400..), .. }) => status.to_string(),
                // A 200 that is no answer must not pass for one.
                Err(Fault { kind, .. }) => kind.to_string(),
            };
            self.metrics.api_requests.get_or_create(&ByCode { code }).inc();
            self.metrics.api_request_duration.observe(begun.elapsed().as_secs_f64());
            result
        }
        .boxed()
    }
}
