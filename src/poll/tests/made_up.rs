//! Clusters, Secrets, answers and faults of no cloud.

use super::*;

pub(super) const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(super) fn minutes(n: u64) -> Duration {
    Duration::from_mins(n)
}

/// A cluster of one of the accounts of a region.
pub(super) fn target(region: &str, account: usize, cluster: usize) -> Target {
    Target {
        region: Region::parse(region).unwrap(),
        project_id: ProjectId::parse(&format!("{account:032x}")).unwrap(),
        cluster_id: ClusterId::parse(&format!("{account:08x}-0000-0000-0000-{cluster:012x}")).unwrap(),
        cluster_type: ClusterType::Standard,
    }
}

pub(super) fn account_of(target: &Target) -> usize {
    usize::from_str_radix(target.project_id.as_str(), 16).unwrap()
}

pub(super) fn secret(namespace: &str) -> Source {
    Source::Secret { namespace: namespace.into(), name: "huawei".into() }
}

/// The operator's own identity.
pub(super) fn own() -> Source {
    Source::Operator(Region::parse("r").unwrap())
}

pub(super) fn fault(kind: FaultKind, http_status: Option<u16>) -> Fault {
    Fault { http_status, ..Fault::new(kind, "no") }
}

/// No connection, or a time-out.
pub(super) fn no_answer() -> Fetched {
    Err(fault(FaultKind::CloudUnavailable, None))
}

pub(super) fn refused() -> Fetched {
    Err(fault(FaultKind::AuthenticationFailed, Some(401)))
}

#[allow(clippy::unnecessary_wraps)] // as the cloud gives it
pub(super) fn answer(latest: i64) -> Fetched {
    let latest_backup_time = Timestamp::from_second(latest).ok();
    Ok(News::Answer(Answer { latest_backup_time, ..Answer::default() }, u64::try_from(latest).unwrap()))
}

pub(super) fn credential(key: &str) -> Resolution {
    let credential = Arc::new(Credential::new(key, "secret", None).unwrap());
    Resolution::Resolved(ResolvedCredential { credential, id: CredentialId(key.into()) })
}
