//! The metrics of each watch, read off its status at every scrape: so they are there as soon as the cache is, and gone
//! with the watch.

use std::fmt;

use jiff::Timestamp;
use kube::{ResourceExt, runtime::reflector::Store};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};

use crate::api::{
    ClusterBackupWatch,
    condition::{self, types},
};
use crate::controller::{Stores, context::key};
use crate::poll::driver::Poller;

/// The phases that Huawei documents (of a task's items; those of tasks it does not).
const PHASES: [&str; 6] = ["Init", "Queuing", "Running", "Pause", "Success", "Failed"];
/// Stands for every other phase, and for none.
const UNKNOWN: &str = "Unknown";

/// Collects the metrics of the watches in the stores.
pub struct Watches {
    /// The caches to read.
    pub stores: Stores,
    /// Knows when each watch was last answered.
    pub poller: Poller,
}

impl fmt::Debug for Watches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watches").finish_non_exhaustive()
    }
}

type Labels = Vec<(&'static str, String)>;
/// The values of one metric for one watch, each with a label of its own where it needs one.
type Values = Vec<(Option<(&'static str, &'static str)>, f64)>;

/// One metric: its name, what it means, and its values for a watch. A label of its own may stand beside a value.
struct Gauge {
    name: &'static str,
    help: &'static str,
    read: fn(&ClusterBackupWatch, Option<Timestamp>) -> Values,
}

const GAUGES: [Gauge; 8] = [
    Gauge {
        name: "last_success_timestamp_seconds",
        help: "When the newest successful backup was completed; absent when none is known",
        read: |watch, _| one(status(watch, |s| s.last_success.as_ref()?.time).map(seconds)),
    },
    Gauge {
        name: "last_poll_timestamp_seconds",
        help: "When the cloud last answered a poll of this process; absent before the first",
        read: |_, answered| one(answered.map(seconds)),
    },
    Gauge {
        name: "backup_phase",
        help: "1 for the phase of the newest backup, 0 for the others; none is 1 when there is no backup",
        read: phase,
    },
    Gauge {
        name: "backup_progress_ratio",
        help: "The progress of the newest backup, 0 to 1; absent when the API gives none",
        read: |watch, _| one(status(watch, |s| s.progress).map(|percent| f64::from(percent) / 100.0)),
    },
    Gauge {
        name: "backup_healthy",
        help: "1 for the status of the condition BackupHealthy, 0 for the others",
        read: |watch, _| truth(watch, types::BACKUP_HEALTHY),
    },
    Gauge {
        name: "ready",
        help: "1 for the status of the condition Ready, 0 for the others",
        read: |watch, _| truth(watch, types::READY),
    },
    Gauge {
        name: "max_age_seconds",
        help: "The age from which on a success is stale; absent when none is set",
        read: |watch, _| one(watch.spec.max_age.map(|age| std::time::Duration::from(age).as_secs_f64())),
    },
    Gauge {
        name: "suspended",
        help: "Whether polling is suspended",
        read: |watch, _| one(Some(f64::from(u8::from(watch.spec.suspend)))),
    },
];

/// The names, without the prefix, and meanings of the metrics of a watch, for the documentation.
pub fn described() -> impl Iterator<Item = (&'static str, &'static str)> {
    GAUGES.into_iter().map(|gauge| (gauge.name, gauge.help))
}

impl Collector for Watches {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let objects: Vec<_> = self.stores.iter().flat_map(Store::state).collect();
        let last_answer = self.poller.last_answers();
        let watches: Vec<(&ClusterBackupWatch, Labels, Option<Timestamp>)> = objects
            .iter()
            .filter_map(|object| object.0.as_ref().ok())
            .map(|watch| {
                let labels =
                    vec![("namespace", watch.namespace().unwrap_or_default()), ("name", watch.name_any())];
                let key = key(watch.metadata.namespace.as_deref(), watch.metadata.name.as_deref());
                (watch, labels, last_answer(&key))
            })
            .collect();
        drop(last_answer);
        for gauge in GAUGES {
            let mut family = encoder.encode_descriptor(gauge.name, gauge.help, None, MetricType::Gauge)?;
            for (watch, labels, answered) in &watches {
                for (label, value) in (gauge.read)(watch, *answered) {
                    let mut labels = labels.clone();
                    labels.extend(label.map(|(key, value)| (key, value.to_owned())));
                    ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
                }
            }
        }
        Ok(())
    }
}

fn one(value: Option<f64>) -> Values {
    value.map(|value| (None, value)).into_iter().collect()
}

fn status<T>(
    watch: &ClusterBackupWatch,
    read: impl Fn(&crate::api::ClusterBackupWatchStatus) -> Option<T>,
) -> Option<T> {
    watch.status.as_ref().and_then(read)
}

fn seconds(time: Timestamp) -> f64 {
    time.as_duration().as_secs_f64()
}

fn phase(watch: &ClusterBackupWatch, _: Option<Timestamp>) -> Values {
    let any = status(watch, |s| s.tasks.as_ref().filter(|tasks| !tasks.is_empty()).map(|_| ())).is_some();
    let now = status(watch, |s| s.phase.clone());
    let now = PHASES.into_iter().find(|phase| now.as_deref() == Some(phase)).or(any.then_some(UNKNOWN));
    PHASES
        .into_iter()
        .chain([UNKNOWN])
        .map(|phase| (Some(("phase", phase)), f64::from(u8::from(now == Some(phase)))))
        .collect()
}

fn truth(watch: &ClusterBackupWatch, type_: &str) -> Values {
    let now = watch.status.as_ref().and_then(|status| condition::find(&status.conditions, type_));
    let now = now.map_or("Unknown", |condition| condition.status.as_str());
    ["True", "False", "Unknown"]
        .into_iter()
        .map(|status| (Some(("status", status)), f64::from(u8::from(now == status))))
        .collect()
}
