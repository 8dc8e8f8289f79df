//! The metrics of each watch, made from its cached status at every scrape. So they appear as soon as the cache is
//! filled, and disappear with the watch.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use jiff::Timestamp;
use kube::{ResourceExt, runtime::reflector::Store};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};

use crate::api::{
    ClusterBackupWatch, DISPLAY_NAME, Upgrades,
    condition::{self, types},
    reason::Reason,
};
use crate::cloud::text::clean;
use crate::controller::{object::key, streams::Stores};
use crate::poll::driver::Poller;

/// The phases that Huawei documents (of a task's items; those of tasks it does not).
const PHASES: [&str; 6] = ["Init", "Queuing", "Running", "Pause", "Success", "Failed"];
/// Stands for every other value, and for none.
const UNKNOWN: &str = "Unknown";
/// The characters of a display name: an annotation may have 256 KiB.
const DISPLAY_CHARS: usize = 100;

/// Collects the metrics of the watches in the stores.
pub struct Watches {
    /// The caches to read.
    pub stores: Stores,
    /// The engine, for the time of the last answer to each watch.
    pub poller: Poller,
}

impl fmt::Debug for Watches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watches").finish_non_exhaustive()
    }
}

type Labels<'a> = Vec<(&'static str, Cow<'a, str>)>;
/// The values of one metric for one watch, each with the labels that it has besides those of the watch.
type Values<'a> = Vec<(Labels<'a>, f64)>;

/// One metric: its name, what it means, the labels that its values have besides `namespace` and `name`, and its values for
/// a watch.
struct Gauge {
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    read: fn(&ClusterBackupWatch, Option<Timestamp>) -> Values<'_>,
}

const GAUGES: [Gauge; 13] = [
    Gauge {
        name: "info",
        help: "1; which CCE cluster the watch names, and under which name people know it",
        labels: &["cce_region", "cce_project", "cce_cluster", "cluster_type", "display_name"],
        read: identity,
    },
    Gauge {
        name: "condition_reason",
        help: "1 for the reason that the condition Ready, BackupHealthy or, where it is there, UpgradeProtected has; Unknown is a reason that this version does not know",
        labels: &["type", "reason"],
        read: reasons,
    },
    Gauge {
        name: "condition_last_transition_timestamp_seconds",
        help: "Since when the condition Ready, BackupHealthy or UpgradeProtected has its status; absent before the first",
        labels: &["type"],
        read: transitions,
    },
    Gauge {
        name: "last_success_timestamp_seconds",
        help: "When the newest successful backup was completed; absent when none is known",
        labels: &[],
        read: |watch, _| one(status(watch, |s| s.last_success.as_ref()?.time).map(seconds)),
    },
    Gauge {
        name: "last_poll_timestamp_seconds",
        help: "When the cloud last answered a poll of this process; absent before the first",
        labels: &[],
        read: |_, answered| one(answered.map(seconds)),
    },
    Gauge {
        name: "backup_phase",
        help: "1 for the phase of the newest backup, 0 for the others; none is 1 when there is no backup",
        labels: &["phase"],
        read: phase,
    },
    Gauge {
        name: "backup_progress_ratio",
        help: "The progress of the newest backup, 0 to 1; absent when the API gives none",
        labels: &[],
        read: |watch, _| one(status(watch, |s| s.progress).map(|percent| f64::from(percent) / 100.0)),
    },
    Gauge {
        name: "backup_healthy",
        help: "1 for the status of the condition BackupHealthy, 0 for the others",
        labels: &["status"],
        read: |watch, _| truth(watch, types::BACKUP_HEALTHY),
    },
    Gauge {
        name: "ready",
        help: "1 for the status of the condition Ready, 0 for the others",
        labels: &["status"],
        read: |watch, _| truth(watch, types::READY),
    },
    Gauge {
        name: "upgrade_protected",
        help: "1 for the status of the condition UpgradeProtected, 0 for the others; absent where upgrades are not watched",
        labels: &["status"],
        read: |watch, _| match watch.spec.upgrades {
            Upgrades::Watch => truth(watch, types::UPGRADE_PROTECTED),
            Upgrades::Ignore => Values::new(),
        },
    },
    Gauge {
        name: "interval_seconds",
        help: "How often the watch is polled while no backup runs",
        labels: &[],
        read: |watch, _| one(Some(std::time::Duration::from(watch.spec.interval).as_secs_f64())),
    },
    Gauge {
        name: "max_age_seconds",
        help: "The age from which on a success is stale; absent when none is set",
        labels: &[],
        read: |watch, _| one(watch.spec.max_age.map(|age| std::time::Duration::from(age).as_secs_f64())),
    },
    Gauge {
        name: "suspended",
        help: "Whether polling is suspended",
        labels: &[],
        read: |watch, _| one(Some(f64::from(u8::from(watch.spec.suspend)))),
    },
];

/// The names, without the prefix, the labels besides `namespace` and `name`, and the meanings of the metrics of a watch, for the
/// documentation.
pub fn described() -> impl Iterator<Item = (&'static str, &'static [&'static str], &'static str)> {
    GAUGES.into_iter().map(|gauge| (gauge.name, gauge.labels, gauge.help))
}

impl Collector for Watches {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let objects: Vec<_> = self.stores.iter().flat_map(Store::state).collect();
        let last_answers: HashMap<_, _> = self.poller.last_answers().into_iter().collect();
        let watches: Vec<_> = objects
            .iter()
            .filter_map(|object| object.0.as_ref().ok())
            .map(|watch| {
                let [namespace, name] =
                    [&watch.metadata.namespace, &watch.metadata.name].map(Option::as_deref);
                let labels =
                    [("namespace", namespace.unwrap_or_default()), ("name", name.unwrap_or_default())];
                (watch, labels, last_answers.get(&key(namespace, name)).copied())
            })
            .collect();
        for gauge in GAUGES {
            let mut family = encoder.encode_descriptor(gauge.name, gauge.help, None, MetricType::Gauge)?;
            for (watch, labels, answered) in &watches {
                for (own, value) in (gauge.read)(watch, *answered) {
                    ConstGauge::new(value).encode(family.encode_family(&(*labels, own))?)?;
                }
            }
        }
        Ok(())
    }
}

fn one(value: Option<f64>) -> Values<'static> {
    value.map(|value| (Vec::new(), value)).into_iter().collect()
}

/// 1 for the value of a label that holds, 0 for the others.
fn one_of(
    label: &'static str,
    all: impl IntoIterator<Item = &'static str>,
    holds: Option<&str>,
) -> Values<'static> {
    all.into_iter()
        .map(|value| (vec![(label, value.into())], f64::from(u8::from(holds == Some(value)))))
        .collect()
}

fn status<'a, T>(
    watch: &'a ClusterBackupWatch,
    read: impl Fn(&'a crate::api::ClusterBackupWatchStatus) -> Option<T>,
) -> Option<T> {
    watch.status.as_ref().and_then(read)
}

fn seconds(time: Timestamp) -> f64 {
    time.as_duration().as_secs_f64()
}

fn identity(watch: &ClusterBackupWatch, _: Option<Timestamp>) -> Values<'_> {
    let spec = &watch.spec;
    let display_name = watch.annotations().get(DISPLAY_NAME);
    let display_name = display_name.map(|name| clean(name.trim(), DISPLAY_CHARS)).unwrap_or_default();
    let labels = vec![
        // With a prefix, because many a Prometheus adds a region, a project or a cluster of its own to every series.
        ("cce_region", (&*spec.region).into()),
        ("cce_project", (&*spec.project_id).into()),
        ("cce_cluster", (&*spec.cluster_id).into()),
        ("cluster_type", spec.cluster_type.as_str().into()),
        ("display_name", display_name.into()),
    ];
    vec![(labels, 1.0)]
}

/// The conditions that say how a watch stands.
fn watched(watch: &ClusterBackupWatch) -> impl Iterator<Item = &'static str> + use<> {
    let upgrades = (watch.spec.upgrades == Upgrades::Watch).then_some(types::UPGRADE_PROTECTED);
    [types::READY, types::BACKUP_HEALTHY].into_iter().chain(upgrades)
}

fn reasons(watch: &ClusterBackupWatch, _: Option<Timestamp>) -> Values<'static> {
    let reason_of = |type_: &'static str| {
        let condition = status(watch, |s| condition::find(&s.conditions, type_));
        // Reasons that somebody else wrote must not make an unbounded number of label values.
        let reason = condition.map_or(Reason::NotYetPolled.as_str(), |condition| {
            Reason::parse(&condition.reason).map_or(UNKNOWN, Reason::as_str)
        });
        (vec![("type", type_.into()), ("reason", reason.into())], 1.0)
    };
    watched(watch).map(reason_of).collect()
}

fn transitions(watch: &ClusterBackupWatch, _: Option<Timestamp>) -> Values<'static> {
    let since = |type_: &'static str| {
        let condition = status(watch, |s| condition::find(&s.conditions, type_))?;
        Some((vec![("type", type_.into())], seconds(condition.last_transition_time.0)))
    };
    watched(watch).filter_map(since).collect()
}

fn phase(watch: &ClusterBackupWatch, _: Option<Timestamp>) -> Values<'static> {
    let any = status(watch, |s| s.tasks.as_ref().filter(|tasks| !tasks.is_empty()).map(|_| ())).is_some();
    let now = status(watch, |s| s.phase.as_deref());
    let now = PHASES.into_iter().find(|phase| now == Some(phase)).or(any.then_some(UNKNOWN));
    one_of("phase", PHASES.into_iter().chain([UNKNOWN]), now)
}

fn truth(watch: &ClusterBackupWatch, type_: &'static str) -> Values<'static> {
    let now = status(watch, |s| condition::find(&s.conditions, type_));
    let now = now.map_or("Unknown", |condition| condition.status.as_str());
    one_of("status", ["True", "False", "Unknown"], Some(now))
}

#[cfg(test)]
mod tests;
