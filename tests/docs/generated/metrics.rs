//! `docs/metrics.md` lists the metrics of the code's own registry; `make generate` writes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use cce_backup_watch::{
    serve::metrics::{Metrics, PREFIX},
    serve::{poll_metrics, resource_metrics},
};

/// Name, type and meaning of each metric that the registry describes, as it is scraped.
fn registered() -> BTreeMap<String, (String, String)> {
    let text = Metrics::default().text().unwrap();
    let mut metrics: BTreeMap<String, (String, String)> = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        if let (Some("#"), Some(what), Some(name), Some(rest)) =
            (words.next(), words.next(), words.next(), words.next())
        {
            let entry = metrics.entry(name.to_owned()).or_default();
            match what {
                "TYPE" => rest.clone_into(&mut entry.0),
                "HELP" => rest.trim_end_matches('.').clone_into(&mut entry.1),
                _ => {}
            }
        }
    }
    metrics
}

fn page() -> String {
    let mut page = String::from(
        "# Metrics\n\n<!-- Written by `make generate` from the code's own registry. -->\n\n\
         Served on `/metrics`, in OpenMetrics or in the text format 0.0.4, as the scraper asks. No URL, task or message is ever\n\
         a label.\n\n\
         ## Of each watch\n\n\
         Gauges with the labels `namespace` and `name` of the watch, and those that the table names. They are read off the resource,\n\
         so they are there after a restart, and gone with the watch. What is Huawei Cloud's has the prefix `cce_`: `cluster`, `region` and\n\
         `project` are labels that many a Prometheus adds to every series, for the [hub](operations.md#metrics-of-several-hubs).\n\
         `display_name` is the annotation `cce.backupwatch.io/display-name`.\n\n\
         | metric | more labels | meaning |\n|---|---|---|\n",
    );
    for (name, labels, help) in resource_metrics::described() {
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        writeln!(page, "| `{PREFIX}_{name}` | {} | {help} |", labels.join(", ")).unwrap();
    }
    page.push_str("\n## Of the operator\n\n| metric | type | meaning |\n|---|---|---|\n");
    for (name, (kind, help)) in registered() {
        let suffix = match kind.as_str() {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        writeln!(page, "| `{name}{suffix}` | {kind} | {help} |").unwrap();
    }
    for (name, labels, help) in poll_metrics::DESCRIBED {
        writeln!(page, "| `{PREFIX}_{name}{labels}` | gauge | {help} |").unwrap();
    }
    page
}

#[test]
fn the_page_lists_what_the_operator_exports() {
    super::is_current("docs/metrics.md", &page());
}

/// What alerts, dashboard and the tests of both know of the metrics is that list: it is the contract.
#[test]
fn the_list_of_metrics_is_that_of_the_code() {
    let page = page();
    let exported: BTreeSet<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split(['`', '{']).next())
        .filter(|name| name.starts_with(PREFIX))
        .collect();
    let list = include_str!("../../monitoring/metrics.txt");
    let listed: BTreeSet<_> = list
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(listed, exported);
}
