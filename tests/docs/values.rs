//! Every value of the chart does something, and is set by a file of values that the chart is tested with.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;

use crate::{CHART, files, read, yaml};

/// The values that are written out as they are, together with what is in them.
const WHOLE: [&str; 9] = [
    ".podSecurityContext",
    ".securityContext",
    ".resources",
    ".livenessProbe",
    ".readinessProbe",
    ".nodeSelector",
    ".dashboard.labels",
    ".scheduledBackup.resources",
    ".test.resources",
];

/// The paths of all values that are no maps, such as `.image.tag`. An empty map is one: what it takes is the user's.
fn leaves(path: String, value: &Value) -> BTreeSet<String> {
    match value.as_object() {
        Some(fields) if !fields.is_empty() && !WHOLE.contains(&path.as_str()) => {
            fields.iter().flat_map(|(name, field)| leaves(format!("{path}.{name}"), field)).collect()
        }
        _ => BTreeSet::from([path]),
    }
}

fn values(file: &str) -> BTreeSet<String> {
    leaves(String::new(), &yaml(file))
}

#[test]
fn every_value_is_set_by_a_file_of_values() {
    let set: BTreeSet<_> = files(&format!("{CHART}/ci")).iter().flat_map(|file| values(file)).collect();
    let mut missing = values(&format!("{CHART}/values.yaml"));
    missing.retain(|value| !set.iter().any(|path| path == value || path.starts_with(&format!("{value}."))));
    assert!(missing.is_empty(), "no file in ci/ sets these: {missing:?}");
}

#[test]
fn every_value_is_used_by_a_template() {
    let templates: String = files(&format!("{CHART}/templates")).iter().map(|file| read(file)).collect();
    let mut unused = values(&format!("{CHART}/values.yaml"));
    // Templates reach some values through a variable, so the last part alone is looked for.
    unused.retain(|value| {
        let (_, last) = value.rsplit_once('.').unwrap();
        !Regex::new(&format!(r"\.{last}\b")).unwrap().is_match(&templates)
    });
    assert!(unused.is_empty(), "no template uses these: {unused:?}");
}
