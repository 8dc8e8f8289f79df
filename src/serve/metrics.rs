//! Counters and histograms of the operator's own work, and the registry that every other metric is added to.
//!
//! No label ever holds a URL with a path, a task or a message, because there is no limit to their number. The metrics
//! of each watch are in [`crate::serve::resource_metrics`], those of the polling engine in
//! [`crate::serve::poll_metrics`].

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

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
use crate::cloud::fault::Fault;

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

/// The operator's own metrics. Cheap to clone; clones share their values.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    reconciles: Family<ByResult, Counter>,
    reconcile_duration: Histogram,
    api_requests: Family<ByCode, Counter>,
    api_request_duration: Histogram,
    status_writes: Family<ByResult, Counter>,
    events: Family<ByReason, Counter>,
    /// Polls that were served by the fetch of another watch.
    pub shared_fetches: Counter,
    /// From the moment at which a poll was due to that at which its request was sent, in seconds.
    pub poll_delay: Histogram,
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
            poll_delay: Histogram::new(exponential_buckets(0.01, 4.0, 8)),
            leader: Gauge::default(),
            registry: Arc::default(),
        };
        registry.register("reconcile", "Reconciles, by result", metrics.reconciles.clone());
        registry.register(
            "reconcile_duration_seconds",
            "How long a reconcile took",
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
            "poll_delay_seconds",
            "How long a poll waited from when it was due until its request was sent",
            metrics.poll_delay.clone(),
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
    /// Creates the counters with 0: `increase()` in Prometheus misses the first increase of one that appears with it.
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

    /// Adds a collector, which is read at each scrape.
    pub fn collect(&self, collector: impl prometheus_client::collector::Collector) {
        self.lock().register_collector(Box::new(collector));
    }

    /// Everything, in the OpenMetrics text format.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.lock())?;
        Ok(text)
    }

    /// Counts a reconcile that ended, and observes how long it took.
    pub fn reconciled(&self, result: &'static str, took: Duration) {
        self.reconciles.get_or_create(&ByResult { result }).inc();
        self.reconcile_duration.observe(took.as_secs_f64());
    }

    /// Counts a write of a status, by its result.
    pub fn status_written(&self, result: &'static str) {
        self.status_writes.get_or_create(&ByResult { result }).inc();
    }

    /// Counts an Event, by its reason and result.
    pub fn event_published(&self, reason: &'static str, result: &'static str) {
        self.events.get_or_create(&ByReason { reason, result }).inc();
    }

    /// Starts to measure a request to the cloud.
    pub fn request(&self) -> RequestTimer<'_> {
        RequestTimer { metrics: self, begun: Instant::now() }
    }

    /// Says whether this process works (true) or stands by.
    pub fn leads(&self, leads: bool) {
        self.leader.set(leads.into());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Registry> {
        // Ignores poisoning: encoding does not change the registry, so a panic in it leaves the registry consistent.
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Measures one request to the cloud.
pub struct RequestTimer<'a> {
    metrics: &'a Metrics,
    begun: Instant,
}

impl RequestTimer<'_> {
    /// Counts the request, by the HTTP status or the fault with which it ended.
    pub fn ended(self, fault: Option<&Fault>) {
        let code = match fault {
            None => "200".to_owned(),
            Some(Fault { http_status: Some(status @ 400..), .. }) => status.to_string(),
            // A 200 that cannot be decoded is counted by its fault, so that it does not pass for a success.
            Some(Fault { kind, .. }) => kind.to_string(),
        };
        self.metrics.api_requests.get_or_create(&ByCode { code }).inc();
        self.metrics.api_request_duration.observe(self.begun.elapsed().as_secs_f64());
    }
}
