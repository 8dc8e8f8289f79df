//! Observe: the credential of a watch, then the tasks of its cluster, no older than this watch needs. The only cloud I/O.
//!
//! A fault of the cloud or of a credential is an observation; only a fault of Kubernetes itself is an error. What the
//! observation means is left to [`super::plan`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::api::{
    ClusterBackupWatchSpec,
    condition::{self, types},
};
use crate::cloud::{
    Answer,
    fault::{Fault, FaultKind},
    share::{Fetched, Want},
    target::{ClusterId, ProjectId, Region, Target},
};

use super::{
    context::{Context, Look},
    pace::Pace,
    plan::schedule::HEALING,
    secrets::{KEPT, ResolvedCredential},
};

/// What was seen.
pub enum Observation {
    /// No poll is due.
    NotDue,
    /// A poll is due, and can be made after this time.
    Later(Duration),
    /// The cloud answered a request that left at this time.
    Answer(Arc<Answer>, Instant),
    /// The poll failed.
    Fault(Arc<Fault>, Instant),
}

/// Looks at the cloud, if it is time to.
pub async fn observe(
    context: &Context,
    look: &Look<'_>,
    pace: &mut Pace,
) -> Result<Observation, kube::Error> {
    let now = Instant::now();
    if look.spec.suspend
        || !(look.request.is_some() || now >= pace.next_poll || pace.generation != look.generation)
    {
        return Ok(Observation::NotDue);
    }
    let target = match target(look.spec) {
        Ok(target) => target,
        Err(fault) => return Ok(Observation::Fault(Arc::new(fault), now)),
    };
    // Half a delay old is new enough: the watches of one cluster then meet on the fetch of the first.
    let recent = now.checked_sub(pace.delay / 2).unwrap_or(now);
    let carried_out = pace.carried_out.as_ref().filter(|(request, _)| look.request.as_ref() == Some(request));
    let asked = look.request.is_some() && carried_out.is_none();
    // A request that was carried out and could not be written down yet wants what it brought, not another one.
    let not_before = if asked { now } else { carried_out.map_or(recent, |(_, at)| recent.max(*at)) };
    let (credential, identity) = match credential(context, look, asked, now).await? {
        Ok(known) => known,
        Err(fault) => return Ok(Observation::Fault(Arc::new(fault), now)),
    };
    let shared = context.sharing.of(&target, &identity);
    let want = Want { who: look.uid, not_before, urgent: asked || look.runs(), asked };
    let fetched = context.sharing.fetch(&shared, &credential, want).await;
    pace.shared = Some(shared);
    Ok(match fetched {
        Fetched::Later(delay) => Observation::Later(delay),
        Fetched::Outcome { outcome, shared } => {
            if asked {
                pace.carried_out = look.request.clone().map(|request| (request, now));
            }
            if shared {
                context.metrics.fetch_shared();
            }
            match outcome.result {
                Ok(answer) => Observation::Answer(answer, outcome.at),
                Err(fault)
                    if fault.kind == FaultKind::AuthenticationFailed && look.spec.credentials.is_none() =>
                {
                    context.identity.refused(&identity);
                    Observation::Fault(fault, outcome.at)
                }
                Err(fault) => Observation::Fault(fault, outcome.at),
            }
        }
    })
}

/// Parses what the API server has already checked, unless someone changed the CRD.
fn target(spec: &ClusterBackupWatchSpec) -> Result<Target, Fault> {
    let parse = || {
        Ok::<_, crate::cloud::target::TargetError>(Target {
            region: Region::parse(&spec.region)?,
            project_id: ProjectId::parse(&spec.project_id)?,
            cluster_id: ClusterId::parse(&spec.cluster_id)?,
            cluster_type: spec.cluster_type,
        })
    };
    parse()
        .map_err(|error| Fault::new(FaultKind::RequestRejected, format!("the spec cannot be used: {error}")))
}

async fn credential(
    context: &Context,
    look: &Look<'_>,
    asked: bool,
    now: Instant,
) -> Result<Result<ResolvedCredential, Fault>, kube::Error> {
    let Some(credentials) = &look.spec.credentials else {
        return Ok(context.identity.credential(look.namespace).await);
    };
    let stalled = condition::find(&look.status.conditions, types::STALLED).is_some();
    let not_before = now.checked_sub(kept(asked, stalled)).unwrap_or(now);
    context.secrets.get(look.namespace, &credentials.secret_ref.name, not_before).await
}

/// How old a Secret may be that is used without being read again.
fn kept(asked: bool, stalled: bool) -> Duration {
    if asked {
        Duration::ZERO
    } else if stalled {
        // A little less than the time between two looks, whose jitter may bring them nearer.
        HEALING.mul_f64(0.8)
    } else {
        KEPT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_secret_is_used_within_five_minutes_soon_after_a_refusal_and_at_once_when_asked_for() {
        assert_eq!(kept(false, false), Duration::from_mins(5));
        assert!(kept(false, true) < HEALING.mul_f64(0.9), "the shortest that jitter makes of 30 s");
        assert_eq!((kept(true, false), kept(true, true)), (Duration::ZERO, Duration::ZERO));
    }
}
