//! Alerts, dashboard and runbooks agree with one another and with what the operator exports. What each query returns is shown by
//! `tests/monitoring`.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use cbw_testkit::markdown::Document;
use regex::Regex;
use serde_json::Value;

use crate::{CHART, files, items, read, yaml};

const RUNBOOKS: [&str; 2] = ["docs/runbooks", "docs/runbooks/zh-CN"];

/// The variables of the dashboard, and what `label_replace` found.
const VARIABLES: [&str; 6] = ["$__rate_interval", "$hub", "$region", "$namespace", "$watch", "\"$1\""];

/// The labels that Prometheus adds, with the one that tells hubs apart, the bound of a histogram's bucket, and the one that
/// `label_replace` makes.
const ALWAYS: [&str; 6] = ["job", "instance", "pod", "cluster", "le", "watch_reason"];

/// The alerts and the rules that they stand on.
pub fn rules() -> Vec<Value> {
    let file = yaml(&format!("{CHART}/files/alerts.yaml"));
    items(&file["groups"]).flat_map(|group| items(&group["rules"])).cloned().collect()
}

fn panels() -> Vec<Value> {
    let file: Value = serde_json::from_str(&read(&format!("{CHART}/files/dashboard.json"))).unwrap();
    file["panels"].as_array().unwrap().clone()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Each query of the dashboard and each expression of the rules.
fn queries() -> Vec<String> {
    let panels = panels();
    let targets = panels.iter().flat_map(|panel| items(&panel["targets"]));
    let mut queries: Vec<_> = targets.map(|target| text(&target["expr"]).to_owned()).collect();
    for query in &queries {
        let filled = VARIABLES.iter().fold(query.clone(), |query, variable| query.replace(variable, ""));
        assert!(!filled.contains('$'), "an unknown variable in {query}");
    }
    queries.extend(rules().iter().map(|rule| text(&rule["expr"]).to_owned()));
    assert!(queries.len() > 20, "only {} queries", queries.len());
    queries
}

#[test]
fn queries_name_only_metrics_and_labels_that_the_operator_exports() {
    // The name of a metric, without what a histogram or a recording rule adds, and what is in braces.
    let selector =
        Regex::new(r"(cce_backup_watch_[a-z_]+?)(?:_bucket|_count|_sum)?\b(?::[a-z0-9]+)?(\{[^}]*\}|)");
    let (selector, matcher) = (selector.unwrap(), Regex::new(r#"([a-z_]+)\s*(?:=|!=|=~|!~)\s*""#).unwrap());
    let grouping = Regex::new(r"\b(?:by|on) \(([^)]*)\)").unwrap();
    let list = read("tests/monitoring/metrics.txt");
    let mut metrics = BTreeMap::new();
    for line in list.lines().filter(|line| !line.starts_with('#')) {
        let (metric, labels) = line.split_once(' ').unwrap_or((line, ""));
        metrics.insert(metric, labels.split(' ').chain(ALWAYS).collect::<BTreeSet<_>>());
    }
    let mut unused: BTreeSet<_> = metrics.keys().copied().collect();
    for query in queries() {
        let mut known = BTreeSet::<&str>::new();
        for (_, [metric, matchers]) in selector.captures_iter(&query).map(|found| found.extract()) {
            let labels = metrics.get(metric).unwrap_or_else(|| panic!("no {metric} is exported: {query}"));
            for (_, [label]) in matcher.captures_iter(matchers).map(|found| found.extract()) {
                assert!(labels.contains(label), "{metric} has no label {label}: {query}");
            }
            known.extend(labels);
            unused.remove(metric);
        }
        for (_, [labels]) in grouping.captures_iter(&query).map(|found| found.extract()) {
            for label in labels.split(", ").filter(|label| !label.is_empty()) {
                assert!(known.contains(label), "no metric has the label {label}: {query}");
            }
        }
    }
    assert!(unused.is_empty(), "no panel and no alert shows these: {unused:?}");
}

/// Whoever looks at the dashboard at night looks at its first row. A dead operator exports nothing, so what is green without data
/// would be green then.
#[test]
fn no_data_is_red_and_the_first_row_says_whether_anybody_watches() {
    let mut first = Vec::new();
    let panels = panels();
    for panel in &panels {
        let makes_up = items(&panel["targets"]).any(|target| text(&target["expr"]).contains("vector("));
        assert!(!makes_up, "{} has a value where there is no data", panel["title"]);
        if panel["type"] != "stat" {
            continue;
        }
        if panel["gridPos"]["y"] == 1 {
            first.push(text(&panel["title"]));
        }
        // The step without a value is what Grafana gives to no data.
        let defaults = &panel["fieldConfig"]["defaults"];
        let step = &defaults["thresholds"]["steps"][0];
        let is_red =
            step["value"].is_null() && step["color"] == "red" && !text(&defaults["noValue"]).is_empty();
        assert!(is_red, "{} is not red without data", panel["title"]);
    }
    assert_eq!(first, ["Operator", "Alerts", "Blind", "Bad", "Oldest success", "Healthy"]);
}

#[test]
fn links_of_the_dashboard_lead_to_runbooks() {
    let panels = panels();
    let links: Vec<_> = panels.iter().flat_map(|panel| items(&panel["links"])).collect();
    for link in &links {
        let page = text(&link["url"]).split_once("/docs/runbooks/").map(|(_, page)| page);
        assert!(page.is_some_and(|page| Path::new("docs/runbooks").join(page).is_file()), "{link}");
    }
    assert!(links.len() >= 10, "only {} links", links.len());
}

#[test]
fn every_alert_has_its_page_and_every_page_its_alert() {
    let tests = read("tests/monitoring/alerts_test.yaml");
    let mut alerts = BTreeSet::from(["README".to_owned()]);
    for rule in rules().iter().filter(|rule| rule["record"].is_null()) {
        let alert = text(&rule["alert"]);
        assert!(alert.starts_with("CCEBackup") || alert.starts_with("CCEUpgrade"), "the prefix of {alert}");
        for field in ["/for", "/labels/severity", "/annotations/summary", "/annotations/description"] {
            assert!(rule.pointer(field).is_some_and(|value| !text(value).is_empty()), "{alert}: no {field}");
        }
        let runbook = text(&rule["annotations"]["runbook_url"]);
        assert!(runbook.ends_with(&format!("/docs/runbooks/{alert}.md")), "{alert} leads to {runbook}");
        assert!(tests.contains(&format!("alertname: {alert}\n")), "alerts_test.yaml does not test {alert}");
        // Translations go out of date where nothing compares them: what is no prose is the same.
        let [english, chinese] = RUNBOOKS.map(|folder| {
            let page = format!("{folder}/{alert}.md");
            assert!(read(&page).starts_with(&format!("# {alert}\n")), "{page} has another title");
            let index = read(&format!("{folder}/README.md"));
            assert!(index.contains(&format!("({alert}.md)")), "{folder}/README.md does not list {alert}");
            Document::read(page).sections.into_iter().flat_map(|section| section.blocks).collect::<Vec<_>>()
        });
        assert_eq!(chinese, english, "the commands in the Chinese page of {alert} are others");
        alerts.insert(alert.to_owned());
    }
    for page in RUNBOOKS.into_iter().flat_map(files) {
        let name = Path::new(&page).file_stem().unwrap().to_str().unwrap();
        assert!(alerts.contains(name), "{page} is the page of no alert");
    }
}
