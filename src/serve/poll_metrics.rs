//! The metrics of the polling engine as it is at the moment of a scrape, and of the resources that cannot be decoded.

use std::fmt;

use kube::runtime::reflector::Store;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};

use crate::controller::streams::Stores;
use crate::poll::driver::Poller;

/// The names, without the prefix, labels and meanings of these metrics.
pub const DESCRIBED: [(&str, &str, &str); 4] = [
    ("polls_in_flight", "{endpoint}", "Requests to an endpoint that are under way"),
    (
        "endpoint_blocked",
        "{endpoint}",
        "Whether an endpoint answers none of its accounts, so that each is asked by one trial at a time",
    ),
    (
        "account_blocked",
        "{cce_region,cce_project}",
        "Whether an account is throttled, or none of its requests is answered",
    ),
    ("undecodable_resources", "", "Resources that this operator cannot decode"),
];

/// Collects the metrics of the engine.
pub struct Polls {
    /// The engine.
    pub poller: Poller,
    /// The caches, for what they cannot decode.
    pub stores: Stores,
}

impl fmt::Debug for Polls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Polls").finish_non_exhaustive()
    }
}

impl Collector for Polls {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let [in_flight, endpoint_blocked, account_blocked, undecodable] = DESCRIBED;
        let snapshot = self.poller.snapshot();
        let endpoint = |base: &str| vec![("endpoint", base.to_owned())];
        let polls = snapshot.endpoints.iter().map(|(base, polls, _)| (endpoint(base), *polls));
        gauges(&mut encoder, in_flight, polls)?;
        let blocked =
            snapshot.endpoints.iter().map(|(base, _, blocked)| (endpoint(base), usize::from(*blocked)));
        gauges(&mut encoder, endpoint_blocked, blocked)?;
        let accounts = snapshot.accounts.into_iter().map(|(region, project, blocked)| {
            let labels = vec![("cce_region", region.to_string()), ("cce_project", project.to_string())];
            (labels, usize::from(blocked))
        });
        gauges(&mut encoder, account_blocked, accounts)?;
        let objects = self.stores.iter().flat_map(Store::state);
        let count = objects.filter(|object| object.0.is_err()).count();
        let (name, _, help) = undecodable;
        gauge(count).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
    }
}

fn gauge(value: usize) -> ConstGauge<i64> {
    ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX))
}

/// One gauge with a value for each set of labels.
fn gauges<L: EncodeLabelSet>(
    encoder: &mut DescriptorEncoder<'_>,
    (name, _, help): (&str, &str, &str),
    values: impl IntoIterator<Item = (L, usize)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in values {
        gauge(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}
