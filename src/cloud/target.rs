//! The target of a poll: one cluster of one project in one region.
//!
//! The parts of a target go into a host name and a URL path. Each is parsed once, into a type that can only hold what
//! Huawei Cloud accepts there, so that no later code has to escape or check it. [`super::region`] knows the host of a
//! region.

use std::fmt;
use std::sync::Arc;

pub use crate::api::ClusterType;

/// A text that is no region, project id or cluster id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Not a DNS label.
    #[error(
        "a region is 1 to 63 lower-case letters, digits and inner hyphens, such as cn-north-4, and names no host"
    )]
    Region,
    /// Not 32 lower-case hex digits.
    #[error("a project id is 32 lower-case hex digits")]
    ProjectId,
    /// Not a UUID.
    #[error("a cluster id is a UUID, such as 11111111-2222-3333-4444-555555555555")]
    ClusterId,
}

macro_rules! text_newtype {
    ($(#[$doc:meta])* $name:ident, $accepts:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the text only if it has the form described on the type.
            pub fn parse(text: &str) -> Result<Self, TargetError> {
                let accepts: fn(&str) -> bool = $accepts;
                if accepts(text) { Ok(Self(text.to_ascii_lowercase().into())) } else { Err(TargetError::$name) }
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = TargetError;

            fn from_str(text: &str) -> Result<Self, TargetError> {
                Self::parse(text)
            }
        }
    };
}

text_newtype! {
    /// A region's id: a DNS label of at most 63 characters, so that it can never name another host.
    Region, is_dns_label
}
text_newtype! {
    /// A project's id: 32 lower-case hex digits.
    ProjectId, |text| text.len() == 32 && text.bytes().all(is_lower_hex)
}
text_newtype! {
    /// A cluster's id: a UUID. Upper-case digits are accepted and lowered, as RFC 9562 asks.
    ClusterId, is_uuid
}

fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn is_dns_label(text: &str) -> bool {
    let inner = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'z' | b'-');
    (1..=63).contains(&text.len())
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_uuid(text: &str) -> bool {
    let mut groups = text.split('-');
    [8, 4, 4, 4, 12]
        .into_iter()
        .all(|len| groups.next().is_some_and(|g| g.len() == len && g.bytes().all(|b| b.is_ascii_hexdigit())))
        && groups.next().is_none()
}

/// One cluster to poll.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    /// Where the cluster runs.
    pub region: Region,
    /// The project that owns it.
    pub project_id: ProjectId,
    /// The cluster itself.
    pub cluster_id: ClusterId,
    /// Which of the two APIs has it.
    pub cluster_type: ClusterType,
}

impl Target {
    /// The account whose rate a call counts against: a project in a region.
    pub fn account(&self) -> String {
        format!("{}/{}", self.region, self.project_id)
    }

    /// The path of the snapshot-task API for this cluster, without a trailing slash.
    pub fn path(&self) -> String {
        format!("{}/tasks", self.snapshot_path())
    }

    /// The path of the list of upgrades of this cluster, without a trailing slash.
    pub fn upgrades_path(&self) -> String {
        let base = match self.cluster_type {
            ClusterType::Standard => "/api/v3",
            ClusterType::Autopilot => "/autopilot/v3",
        };
        let Self { project_id, cluster_id, .. } = self;
        format!("{base}/projects/{project_id}/clusters/{cluster_id}/operation/upgradeworkflows")
    }

    /// The path of the call that starts a backup of this cluster, without a trailing slash.
    pub fn snapshot_path(&self) -> String {
        let base = match self.cluster_type {
            ClusterType::Standard => "/api/v3.1",
            ClusterType::Autopilot => "/autopilot/v3.1",
        };
        let Self { project_id, cluster_id, .. } = self;
        format!("{base}/projects/{project_id}/clusters/{cluster_id}/operation/snapshot")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PROJECT: &str = "0123456789abcdef0123456789abcdef";
    const CLUSTER: &str = "11111111-2222-3333-4444-555555555555";

    #[test]
    fn a_region_is_a_dns_label_and_nothing_else() {
        let longest = "a".repeat(63);
        for good in ["cn-north-4", "eu-west-101", "a", "0", &longest] {
            assert_eq!(Region::parse(good).unwrap().as_str(), good);
        }
        let too_long = "a".repeat(64);
        for bad in
            ["", "-a", "a-", "A", "a.b", "a/b", "a@b", "a:1", "a b", "ä", "a\n", "169.254.169.254", &too_long]
        {
            assert_eq!(Region::parse(bad), Err(TargetError::Region), "{bad:?}");
        }
    }

    #[test]
    fn ids_have_the_clouds_own_form() {
        assert_eq!(ProjectId::parse(PROJECT).unwrap().to_string(), PROJECT);
        for bad in
            ["", &PROJECT[1..], &PROJECT.to_uppercase(), &format!("{PROJECT}0"), &PROJECT.replace('0', "/")]
        {
            assert_eq!(ProjectId::parse(bad), Err(TargetError::ProjectId), "{bad:?}");
        }
        let upper = "ABCDEF01-2222-3333-4444-555555555555";
        assert_eq!(ClusterId::parse(CLUSTER).unwrap().to_string(), CLUSTER);
        assert_eq!(ClusterId::parse(upper).unwrap().as_str(), upper.to_lowercase());
        for bad in [
            "",
            &CLUSTER[1..],
            &CLUSTER.replace('-', ""),
            &format!("{CLUSTER}-1"),
            &CLUSTER.replace('1', "g"),
        ] {
            assert_eq!(ClusterId::parse(bad), Err(TargetError::ClusterId), "{bad:?}");
        }
    }

    #[test]
    fn each_cluster_type_has_its_own_path() {
        let mut target = Target {
            region: Region::parse("cn-north-4").unwrap(),
            project_id: ProjectId::parse(PROJECT).unwrap(),
            cluster_id: ClusterId::parse(CLUSTER).unwrap(),
            cluster_type: ClusterType::Standard,
        };
        let rest = format!("/v3.1/projects/{PROJECT}/clusters/{CLUSTER}/operation/snapshot/tasks");
        let upgrades = format!("/v3/projects/{PROJECT}/clusters/{CLUSTER}/operation/upgradeworkflows");
        assert_eq!(target.path(), format!("/api{rest}"));
        assert_eq!(target.upgrades_path(), format!("/api{upgrades}"));
        target.cluster_type = ClusterType::Autopilot;
        assert_eq!(target.path(), format!("/autopilot{rest}"));
        assert_eq!(target.upgrades_path(), format!("/autopilot{upgrades}"));
    }

    proptest! {
        #[test]
        fn whatever_parses_needs_no_escaping(text in any::<String>()) {
            for parsed in [
                Region::parse(&text).map(|r| r.to_string()),
                ProjectId::parse(&text).map(|p| p.to_string()),
                ClusterId::parse(&text).map(|c| c.to_string()),
            ].into_iter().flatten() {
                prop_assert!(parsed.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
            }
        }
    }
}
