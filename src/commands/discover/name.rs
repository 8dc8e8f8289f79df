//! Chooses the names of watches: valid, unique, and the same in each run, whatever the clusters are called. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::listed::ListedCluster;
use crate::cloud::target::ClusterId;

/// As long as a DNS label, so that the name also fits where it is used as the value of a label.
const MAX: usize = 63;
/// The digits of the UUID that tell two clusters of one name apart.
const SHORT: usize = 8;

/// A name for each cluster. None of them is in `taken`.
///
/// The oldest of several clusters with one name keeps it, so that a new cluster never renames the watch of an old one.
/// The order of `clusters` plays no part.
pub fn names(clusters: &[ListedCluster], taken: &BTreeSet<String>) -> BTreeMap<ClusterId, String> {
    let mut taken = taken.clone();
    let mut by_age: Vec<_> = clusters.iter().map(|found| &found.cluster).collect();
    by_age
        .sort_by_key(|cluster| (cluster.creation_time.is_none(), cluster.creation_time, cluster.uid.clone()));

    let mut names = BTreeMap::new();
    let mut left = Vec::new();
    // Names without a suffix are given first: the suffixed name of one cluster must not take the name of another.
    for cluster in by_age {
        let wanted = valid(cluster.name.as_deref().or(cluster.alias.as_deref()).unwrap_or_default());
        match wanted {
            Some(name) if taken.insert(name.clone()) => {
                names.insert(cluster.uid.clone(), name);
            }
            wanted => left.push((cluster, wanted.unwrap_or_else(|| "cluster".to_owned()))),
        }
    }
    for (cluster, stem) in left {
        let id = cluster.uid.as_str();
        let short = suffixed(&stem, &id[..SHORT]);
        let mut candidates = [short, suffixed(&stem, id)]
            .into_iter()
            .chain((2_u64..).map(|n| suffixed(&format!("{n}-{id}"), &id[..SHORT])));
        if let Some(name) = candidates.find(|name| taken.insert(name.clone())) {
            names.insert(cluster.uid.clone(), name);
        }
    }
    names
}

/// The name in the form of a DNS label, if anything is left of it: lower case, and a hyphen for each run of characters
/// other than ASCII letters and digits.
fn valid(name: &str) -> Option<String> {
    let mut label = String::new();
    for c in name.chars().flat_map(char::to_lowercase) {
        match c {
            'a'..='z' | '0'..='9' => label.push(c),
            _ if label.ends_with('-') || label.is_empty() => {}
            _ => label.push('-'),
        }
    }
    let label = cut(&label, MAX);
    (!label.is_empty()).then(|| label.to_owned())
}

fn suffixed(stem: &str, suffix: &str) -> String {
    format!("{}-{suffix}", cut(stem, MAX - 1 - suffix.len()))
}

/// The first `max` bytes of an ASCII label, without a hyphen at the end.
fn cut(label: &str, max: usize) -> &str {
    label[..label.len().min(max)].trim_end_matches('-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::commands::discover::listed::tests::{found, id};

    fn none() -> BTreeSet<String> {
        BTreeSet::new()
    }

    #[test]
    fn a_watch_is_named_after_its_cluster() {
        let long = "a".repeat(100);
        for (name, valid) in [
            ("prod", "prod"),
            ("Prod_EU.1", "prod-eu-1"),
            ("--a--b--", "a-b"),
            ("1", "1"),
            ("生产-1", "1"),
            ("生产", "cluster-00000001"),
            ("", "cluster-00000001"),
            (&long, &long[..63]),
        ] {
            assert_eq!(names(&[found(1, name)], &none())[&id(1)], valid, "{name:?}");
        }
    }

    #[test]
    fn the_oldest_of_one_name_keeps_it() {
        let at = |n, seconds| {
            let mut found = found(n, "prod");
            found.cluster.creation_time = jiff::Timestamp::from_second(seconds).ok();
            found
        };
        let named = names(&[at(1, 300), at(2, 100), at(3, 200), found(4, "prod")], &none());
        assert_eq!(
            named.into_values().collect::<Vec<_>>(),
            ["prod-00000001", "prod", "prod-00000003", "prod-00000004"]
        );
    }

    #[test]
    fn a_name_that_is_taken_is_not_used_again() {
        let taken: BTreeSet<_> = ["prod".to_owned(), "prod-00000001".to_owned()].into();
        assert_eq!(names(&[found(1, "prod")], &taken)[&id(1)], format!("prod-{}", id(1)));
        // A cluster that is called like a suffixed name keeps its name.
        let named = names(&[found(1, "prod"), found(2, "prod"), found(3, "prod-00000002")], &none());
        assert_eq!(named[&id(3)], "prod-00000002");
        assert_eq!(named[&id(2)], format!("prod-{}", id(2)));
    }

    fn is_label(name: &str) -> bool {
        (1..=63).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !name.starts_with('-')
            && !name.ends_with('-')
    }

    /// Names that are often alike, odd, or long.
    fn any_name() -> impl Strategy<Value = String> {
        prop_oneof![any::<String>(), "[ab]{0,2}-{0,2}[a1]?", "a{60,70}", "a-0000000[0-9]", ".{0,130}"]
    }

    proptest! {
        #[test]
        fn any_clusters_get_valid_unique_and_steady_names(
            given in proptest::collection::vec((any_name(), proptest::option::of(0_i64..4)), 0..12),
            taken in proptest::collection::btree_set("[ab]{0,2}-{0,2}[a1]?", 0..4), turn in 0_usize..12,
        ) {
            let clusters: Vec<_> = given.iter().enumerate().map(|(n, (name, created))| {
                let mut found = found(u32::try_from(n).unwrap(), name);
                found.cluster.creation_time = created.and_then(|second| jiff::Timestamp::from_second(second).ok());
                found
            }).collect();
            let named = names(&clusters, &taken);
            prop_assert_eq!(named.len(), clusters.len());
            let unique: BTreeSet<_> = named.values().collect();
            prop_assert_eq!(unique.len(), clusters.len());
            for name in named.values() {
                prop_assert!(is_label(name), "{name:?}");
                prop_assert!(!taken.contains(name));
            }
            let mut turned = clusters.clone();
            turned.rotate_left(if clusters.is_empty() { 0 } else { turn % clusters.len() });
            prop_assert_eq!(&names(&turned, &taken), &named);
        }

        #[test]
        fn a_younger_cluster_renames_no_older_one(given in proptest::collection::vec(any_name(), 1..10), new in any_name()) {
            let with_age = |n: usize, name: &str| {
                let mut found = found(u32::try_from(n).unwrap(), name);
                found.cluster.creation_time = jiff::Timestamp::from_second(i64::try_from(n).unwrap()).ok();
                found
            };
            let old: Vec<_> = given.iter().enumerate().map(|(n, name)| with_age(n, name)).collect();
            let before = names(&old, &none());
            let mut more = old.clone();
            more.push(with_age(given.len(), &new));
            let after = names(&more, &none());
            // The new cluster can take a name only if it is called so, from an older one that had it by a suffix.
            let own = valid(&new);
            for (id, name) in &before {
                prop_assert!(after[id] == *name || own.as_ref() == Some(name), "{name} became {}", after[id]);
            }
        }
    }
}
