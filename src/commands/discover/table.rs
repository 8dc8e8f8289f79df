//! The table for people: one line for each cluster, in the order of the watches' names.

use std::collections::BTreeMap;

use super::{existing::Watch, listed::ListedCluster};
use crate::commands::{
    moment::Now,
    table::{NONE, columns},
};

/// The table at a moment. Without `watches` it does not say which clusters are watched.
pub fn table(
    clusters: &[&ListedCluster],
    watches: Option<&BTreeMap<&str, Vec<&Watch>>>,
    now: &Now,
) -> String {
    let headings = ["NAME", "ID", "TYPE", "VERSION", "PHASE", "WATCHED", "LAST SUCCESS"];
    let rows = clusters.iter().map(|found| {
        let cluster = &found.cluster;
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| NONE.to_owned());
        let of =
            watches.map(|watches| watches.get(cluster.uid.as_str()).map(Vec::as_slice).unwrap_or_default());
        let by = match of {
            None => NONE.to_owned(),
            Some([]) => "no".to_owned(),
            Some(watches) => watches.iter().map(|watch| named(watch)).collect::<Vec<_>>().join(","),
        };
        let last = of.into_iter().flatten().filter_map(|watch| watch.last_success).max();
        [
            or_none(&cluster.name),
            cluster.uid.to_string(),
            format!("{:?}", cluster.cluster_type),
            or_none(&cluster.version),
            or_none(&cluster.phase),
            by,
            last.map_or_else(|| NONE.to_owned(), |time| now.told(time)),
        ]
    });
    columns(&headings, &rows.collect::<Vec<_>>())
}

fn named(watch: &Watch) -> String {
    let state = if watch.is_suspended { " (suspended)" } else { "" };
    format!("{}{state}", watch.full_name())
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::super::compare::by_cluster;
    use super::*;
    use crate::commands::discover::listed::tests::{found, id};

    #[test]
    fn a_cluster_is_watched_or_not_or_nobody_knows() {
        let mut named = found(1, "prod");
        named.cluster.version = Some("v1.30".to_owned());
        named.cluster.phase = Some("Available".to_owned());
        let other = found(2, "test");
        let clusters = [&named, &other];
        let watch = Watch {
            name: "prod".to_owned(),
            namespace: Some("n".to_owned()),
            cluster_id: id(1).to_string(),
            last_success: "2023-11-25T09:03:46.9Z".parse().ok(),
            ..Watch::default()
        };
        let watches = [watch];
        let expected = "\
NAME  ID                                    TYPE      VERSION  PHASE      WATCHED  LAST SUCCESS
prod  00000001-2222-3333-4444-555555555555  Standard  v1.30    Available  n/prod   3h ago (09:03)
test  00000002-2222-3333-4444-555555555555  Standard  -        -          no       -
";
        let now = Now { time: "2023-11-25T12:03:47Z".parse().unwrap(), zone: TimeZone::UTC };
        assert_eq!(table(&clusters, Some(&by_cluster(&watches)), &now), expected);
        let unknown = table(&clusters, None, &now);
        assert!(unknown.lines().skip(1).all(|line| line.ends_with(" -        -")), "{unknown}");
    }
}
