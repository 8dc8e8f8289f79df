//! Whether an operator is alive: by its Lease (a leader's, or a shard's), else by the ready replicas of its Deployment, else
//! nobody can tell. [`judge`] is pure; [`look`] finds the Leases and Deployments.
//!
//! A watch keeps its last verdict when its operator is gone, so a good one is worth nothing then.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::{apps::v1::Deployment, coordination::v1::Lease};
use kube::{Api, Client, Error, ResourceExt, api::ListParams};
use serde::Serialize;

use crate::commands::moment::Now;
use crate::controller::shard::RING_LABEL;
use crate::kubernetes::{told, within};

/// The label of the Deployment that the chart and `config/` make.
const NAME_LABEL: &str = "app.kubernetes.io/name=cce-backup-watch";
/// The name of the leader's Lease, where no Deployment tells of another, and of the namespace that the documentation uses.
const NAME: &str = "cce-backup-watch";
/// How long each of the requests may take.
const REQUEST: std::time::Duration = std::time::Duration::from_secs(10);
/// How far the clock of this machine may differ from that of the operator's node, in seconds: a clock that is a little wrong must
/// not report a living operator as away. It costs as long until one that died is known to be away.
const SLACK: i64 = 30;

/// Whether an operator is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is.
    Alive,
    /// It is known to be away.
    Away,
    /// Nobody can tell.
    Unknown,
}

/// What is known of the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Operator {
    /// Whether it is alive.
    pub state: State,
    /// How that is known.
    pub message: String,
}

/// What counts of a Lease.
#[derive(Clone, Debug, Default)]
pub struct LeaseFacts {
    name: String,
    ring: Option<String>,
    holder: Option<String>,
    renewed: Option<Timestamp>,
    seconds: i64,
}

/// What counts of a Deployment.
#[derive(Clone, Debug, Default)]
pub struct DeploymentFacts {
    name: String,
    ready: i32,
    lease: Option<Kept>,
}

/// The Lease by which the pods of a Deployment work.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kept {
    /// The leader's, `NAMESPACE/NAME`.
    Leader(String),
    /// Those of the shards of a ring.
    Ring(String),
}

/// Decides by what was found. Of a Deployment whose pods work by a Lease the Lease decides, since a pod may be ready and only stand
/// by. A Lease without a Deployment may be left over from an earlier installation, so that it proves an absence only where there is
/// nothing else.
pub fn judge(deployments: &[DeploymentFacts], leases: &[LeaseFacts], now: &Now) -> Operator {
    let mut alive = Vec::new();
    let mut away = Vec::new();
    for deployment in deployments {
        let name = &deployment.name;
        let of = |lease: &&LeaseFacts| match &deployment.lease {
            Some(Kept::Leader(name)) => lease.name == *name,
            Some(Kept::Ring(ring)) => lease.ring.as_ref() == Some(ring),
            None => false,
        };
        let kept: Vec<_> = leases.iter().filter(of).collect();
        match (kept.iter().find(|lease| lease.is_fresh(now)), kept.first()) {
            (Some(lease), _) => alive.push(lease.told(now)),
            (None, Some(lease)) => away.push(lease.told(now)),
            (None, None) if deployment.ready > 0 => {
                alive.push(format!("{} ready in the Deployment {name}", count(deployment.ready, "pod")));
            }
            (None, None) => away.push(format!("no pod is ready in the Deployment {name}")),
        }
    }
    if let Some(lease) = leases.iter().find(|lease| lease.is_fresh(now)) {
        if alive.is_empty() {
            alive.push(lease.told(now));
        }
    } else if let (true, Some(lease)) = (deployments.is_empty(), leases.first()) {
        away.push(lease.told(now));
    }
    match (away.is_empty(), alive.is_empty()) {
        (false, _) => Operator { state: State::Away, message: away.join("; ") },
        (true, false) => Operator { state: State::Alive, message: alive.join("; ") },
        (true, true) => Operator {
            state: State::Unknown,
            message: "there is neither a Lease nor a Deployment of it where this command looked (--operator-namespace)"
                .to_owned(),
        },
    }
}

fn count(n: i32, what: &str) -> String {
    if n == 1 { format!("1 {what} is") } else { format!("{n} {what}s are") }
}

impl LeaseFacts {
    fn of(lease: &Lease) -> Self {
        let spec = lease.spec.clone().unwrap_or_default();
        Self {
            name: full_name(lease),
            ring: lease.labels().get(RING_LABEL).cloned(),
            holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
            renewed: spec.renew_time.map(|time| time.0),
            seconds: spec.lease_duration_seconds.unwrap_or_default().into(),
        }
    }

    fn is_fresh(&self, now: &Now) -> bool {
        let until = self.renewed.map(|time| time.as_second() + self.seconds + SLACK);
        self.holder.is_some() && until.is_some_and(|until| now.time.as_second() <= until)
    }

    fn told(&self, now: &Now) -> String {
        let when = self.renewed.map_or_else(|| "never".to_owned(), |time| now.ago(time));
        match (&self.holder, self.is_fresh(now)) {
            (None, _) => format!("nobody holds the Lease {}; it was given back {when}", self.name),
            (Some(holder), true) => format!("{holder} holds the Lease {}, renewed {when}", self.name),
            (Some(holder), false) => format!("the Lease {} of {holder} was last renewed {when}", self.name),
        }
    }
}

impl DeploymentFacts {
    fn of(deployment: &Deployment) -> Self {
        let template = deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
        let arguments: Vec<_> = template
            .into_iter()
            .flat_map(|pod| &pod.containers)
            .flat_map(|container| container.args.iter().flatten())
            .map(String::as_str)
            .collect();
        let namespace = deployment.namespace().unwrap_or_default();
        let flag = |name: &str| arguments.iter().find_map(|a| a.strip_prefix(name)?.strip_prefix('='));
        let lease = if let Some(ring) = flag("--sharding-ring") {
            Some(Kept::Ring(ring.to_owned()))
        } else if arguments.iter().any(|a| *a == "--leader-elect" || *a == "--leader-elect=true") {
            let namespace = flag("--lease-namespace").unwrap_or(&namespace);
            Some(Kept::Leader(format!("{namespace}/{}", flag("--lease-name").unwrap_or(NAME))))
        } else {
            None
        };
        Self {
            name: full_name(deployment),
            ready: deployment.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or_default(),
            lease,
        }
    }
}

fn full_name(object: &impl ResourceExt) -> String {
    format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any())
}

/// Finds out whether an operator is alive, in a namespace or in all. Where all are asked for and the user may not list them, the
/// namespace that the documentation uses is asked instead. A request that fails makes the answer less certain, and fails nothing.
pub async fn look(client: &Client, namespace: Option<&str>, now: &Now) -> Operator {
    let found = match found(client, namespace).await {
        Err(Error::Api(status)) if status.code == 403 && namespace.is_none() => {
            self::found(client, Some(NAME)).await
        }
        found => found,
    };
    match found {
        Ok((deployments, leases)) => judge(&deployments, &leases, now),
        Err(Error::Api(status)) if status.code == 403 => Operator {
            state: State::Unknown,
            message: "the user may list neither its Leases nor its Deployments (docs/command-line.md has the rights)"
                .to_owned(),
        },
        Err(error) => Operator {
            state: State::Unknown,
            message: format!("its Leases and Deployments cannot be listed: {}", told(&error)),
        },
    }
}

/// The Deployments and Leases of the operator. One of the two kinds may be forbidden.
async fn found(
    client: &Client,
    namespace: Option<&str>,
) -> Result<(Vec<DeploymentFacts>, Vec<LeaseFacts>), Error> {
    let scope = |namespace: Option<&str>| {
        namespace.map_or_else(
            || Api::all(client.clone()),
            |namespace| Api::<Lease>::namespaced(client.clone(), namespace),
        )
    };
    let leases = scope(namespace);
    let deployments: Api<Deployment> = namespace
        .map_or_else(|| Api::all(client.clone()), |namespace| Api::namespaced(client.clone(), namespace));
    let of_operator = ListParams::default().labels(NAME_LABEL);
    let of_leader = ListParams::default().fields(&format!("metadata.name={NAME}"));
    let of_shards = ListParams::default().labels(RING_LABEL);
    let (deployments, leaders, shards) = futures::join!(
        within(REQUEST, deployments.list(&of_operator)),
        within(REQUEST, leases.list(&of_leader)),
        within(REQUEST, leases.list(&of_shards)),
    );
    let (deployments, leaders) = match (deployments, leaders) {
        (Err(_), Err(error)) => return Err(error),
        found => found,
    };
    let deployments: Vec<_> =
        deployments.into_iter().flat_map(|list| list.items).map(|item| DeploymentFacts::of(&item)).collect();
    let mut leases: BTreeMap<String, LeaseFacts> = leaders
        .into_iter()
        .chain(shards)
        .flat_map(|list| list.items)
        .map(|lease| (full_name(&lease), LeaseFacts::of(&lease)))
        .collect();
    for deployment in &deployments {
        // A Lease of another name, which only the Deployment tells.
        let Some(Kept::Leader(name)) = &deployment.lease else { continue };
        let Some((namespace, lease)) = name.split_once('/').filter(|_| !leases.contains_key(name)) else {
            continue;
        };
        let api = scope(Some(namespace));
        if let Ok(Some(lease)) = within(REQUEST, api.get_opt(lease)).await {
            leases.insert(name.clone(), LeaseFacts::of(&lease));
        }
    }
    Ok((deployments, leases.into_values().collect()))
}

#[cfg(test)]
mod tests;
