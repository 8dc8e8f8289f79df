//! Compares the watches with the clusters that the cloud lists, and returns the differences as text. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{existing::Watch, listed::ListedCluster};
use crate::cloud::target::ClusterId;

/// What the cloud was asked for. Only a watch within it can be reported as one whose cluster is gone.
pub struct Scope<'a> {
    /// The region that was asked.
    pub region: &'a str,
    /// The projects that were asked.
    pub projects: BTreeSet<&'a str>,
    /// The one product that was asked for, if not both.
    pub cluster_type: Option<String>,
    /// The clusters that the cloud lists and that were not read, with their names.
    pub left_out: &'a BTreeMap<ClusterId, String>,
}

/// The watches by the cluster that they name.
pub fn by_cluster(watches: &[Watch]) -> BTreeMap<&str, Vec<&Watch>> {
    let mut by_cluster: BTreeMap<&str, Vec<&Watch>> = BTreeMap::new();
    for watch in watches {
        by_cluster.entry(&watch.cluster_id).or_default().push(watch);
    }
    for watches in by_cluster.values_mut() {
        watches.sort();
    }
    by_cluster
}

/// Watches whose region, project or type differs from their cluster's, watches within `scope` whose cluster is no longer
/// listed, and clusters that were not read and have no watch; one line for each, sorted. `listed` holds also the clusters that the filters leave out.
pub fn findings(listed: &[ListedCluster], watches: &[Watch], scope: &Scope<'_>) -> Vec<String> {
    let there: BTreeMap<&str, &ListedCluster> =
        listed.iter().map(|found| (found.cluster.uid.as_str(), found)).collect();
    let mut sorted: Vec<_> = watches.iter().collect();
    sorted.sort();
    let is_watched = |id: &ClusterId| watches.iter().any(|watch| watch.cluster_id == id.as_str());
    let unknown = scope.left_out.iter().filter(|(id, _)| !is_watched(id)).map(|(id, name)| {
        format!("the cluster {name} ({id}) is left out of the list, and no watch names it")
    });
    let is_left_out = |id: &str| scope.left_out.keys().any(|left_out| left_out.as_str() == id);
    let differences = sorted.into_iter().filter_map(|watch| match there.get(watch.cluster_id.as_str()) {
        Some(found) => differs(watch, found, scope),
        None => (is_asked_for(watch, scope) && !is_left_out(&watch.cluster_id)).then(|| {
            format!(
                "the watch {} names the cluster {}, which is no longer listed",
                watch.full_name(),
                watch.cluster_id
            )
        }),
    });
    differences.chain(unknown).collect()
}

/// Watches that are all that their cluster has, and cover it only in part or elsewhere; one line for each. They count as
/// cover, since somebody decided so, and are said.
pub fn in_part(
    clusters: &[&ListedCluster],
    watches: &BTreeMap<&str, Vec<&Watch>>,
    namespace: Option<&str>,
) -> Vec<String> {
    let of = |found: &&ListedCluster| {
        watches.get(found.cluster.uid.as_str()).map(Vec::as_slice).unwrap_or_default()
    };
    let alone =
        clusters.iter().map(of).filter(|watches| watches.iter().all(|w| why_in_part(w, namespace).is_some()));
    alone
        .flatten()
        .filter_map(|watch| {
            let why = why_in_part(watch, namespace)?;
            Some(format!("the watch {} of the cluster {} {why}", watch.full_name(), watch.cluster_id))
        })
        .collect()
}

fn why_in_part(watch: &Watch, namespace: Option<&str>) -> Option<String> {
    if watch.is_leaving {
        return Some("is being deleted".to_owned());
    }
    if watch.is_suspended {
        return Some("is suspended: nobody polls".to_owned());
    }
    match (watch.namespace.as_deref(), namespace) {
        (Some(theirs), Some(ours)) if theirs != ours => Some(format!("is in another namespace than {ours}")),
        _ => None,
    }
}

fn differs(watch: &Watch, found: &ListedCluster, scope: &Scope<'_>) -> Option<String> {
    let cluster_type = format!("{:?}", found.cluster.cluster_type);
    let pairs = [
        ("region", watch.region.as_str(), scope.region),
        ("projectID", watch.project_id.as_str(), found.project.as_str()),
        ("clusterType", watch.cluster_type.as_str(), cluster_type.as_str()),
    ];
    let wrong: Vec<_> = pairs
        .iter()
        .filter(|(_, says, is)| says != is)
        .map(|(field, says, is)| format!("{field} is {is}, not {says}"))
        .collect();
    let of = format!("the watch {} of the cluster {}", watch.full_name(), watch.cluster_id);
    (!wrong.is_empty()).then(|| format!("{of} differs: {}", wrong.join(", ")))
}

/// Whether the cluster of a watch would be listed if it existed.
fn is_asked_for(watch: &Watch, scope: &Scope<'_>) -> bool {
    watch.region == scope.region
        && scope.projects.contains(watch.project_id.as_str())
        && scope.cluster_type.as_ref().is_none_or(|cluster_type| *cluster_type == watch.cluster_type)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::discover::listed::tests::{PROJECT, found, id};

    fn watch(n: u32) -> Watch {
        Watch {
            name: format!("w{n}"),
            region: "r".to_owned(),
            project_id: PROJECT.to_owned(),
            cluster_id: id(n).to_string(),
            cluster_type: "Standard".to_owned(),
            ..Watch::default()
        }
    }

    fn scope() -> Scope<'static> {
        static NONE: BTreeMap<ClusterId, String> = BTreeMap::new();
        Scope { region: "r", projects: [PROJECT].into(), cluster_type: None, left_out: &NONE }
    }

    #[test]
    fn a_watch_of_a_listed_cluster_is_no_finding() {
        assert!(findings(&[found(1, "a")], &[watch(1), watch(1)], &scope()).is_empty());
    }

    #[test]
    fn only_what_was_asked_for_can_be_gone() {
        let elsewhere = [
            Watch { region: "other".to_owned(), ..watch(2) },
            Watch { project_id: "other".to_owned(), ..watch(3) },
        ];
        assert!(findings(&[], &elsewhere, &scope()).is_empty());
        let gone = findings(&[], &[watch(1)], &scope());
        assert_eq!(gone, [format!("the watch w1 names the cluster {}, which is no longer listed", id(1))]);
        let autopilot = Scope { cluster_type: Some("Autopilot".to_owned()), ..scope() };
        assert!(findings(&[], &[watch(1)], &autopilot).is_empty());
    }

    #[test]
    fn a_cluster_that_was_not_read_is_not_gone_and_is_named_where_nobody_watches_it() {
        let left_out = [(id(1), "large".to_owned())].into();
        let scope = Scope { left_out: &left_out, ..scope() };
        assert!(findings(&[], &[watch(1)], &scope).is_empty());
        let unwatched =
            format!("the cluster large ({}) is left out of the list, and no watch names it", id(1));
        assert_eq!(findings(&[], &[], &scope), [unwatched]);
    }

    #[test]
    fn cover_in_part_is_said_unless_another_watch_is_whole() {
        let suspended = Watch { is_suspended: true, ..watch(1) };
        let leaving = Watch { is_leaving: true, ..watch(1) };
        let elsewhere = Watch { namespace: Some("other".to_owned()), ..watch(1) };
        let cluster = found(1, "a");
        for (watches, said) in [
            (vec![suspended.clone()], vec!["is suspended: nobody polls"]),
            (vec![leaving.clone()], vec!["is being deleted"]),
            (vec![elsewhere.clone()], vec!["is in another namespace than ours"]),
            (vec![suspended.clone(), leaving], vec!["is suspended: nobody polls", "is being deleted"]),
            (vec![suspended, watch(1)], vec![]),
            (vec![watch(1)], vec![]),
            (vec![], vec![]),
        ] {
            let lines = in_part(&[&cluster], &by_cluster(&watches), Some("ours"));
            assert_eq!(lines.len(), said.len(), "{lines:?}");
            for why in said {
                assert!(lines.iter().any(|line| line.ends_with(why)), "{lines:?}");
            }
        }
        assert!(in_part(&[&cluster], &by_cluster(&[elsewhere]), None).is_empty());
    }

    #[test]
    fn a_watch_with_the_wrong_place_differs() {
        let wrong = Watch { cluster_type: "Autopilot".to_owned(), region: "s".to_owned(), ..watch(1) };
        let found = findings(&[found(1, "a")], &[wrong], &scope());
        assert_eq!(
            found,
            [format!(
                "the watch w1 of the cluster {} differs: region is r, not s, clusterType is Standard, not Autopilot",
                id(1)
            )]
        );
    }
}
