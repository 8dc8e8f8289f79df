//! `docs/metrics.md` lists the metrics of the code's own registry; `make generate` writes it.

use std::collections::BTreeMap;
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

#[test]
fn every_metric_of_the_contract_is_exported() {
    let page = page();
    for name in [
        "last_success_timestamp_seconds",
        "last_poll_timestamp_seconds",
        "backup_phase",
        "backup_progress_ratio",
        "backup_healthy",
        "ready",
        "max_age_seconds",
        "suspended",
        "info",
        "condition_reason",
        "reconcile_total",
        "reconcile_duration_seconds",
        "api_requests_total",
        "api_request_duration_seconds",
        "status_writes_total",
        "events_total",
        "shared_fetches_total",
        "leader",
        "poll_delay_seconds",
        "polls_in_flight",
        "endpoint_blocked",
        "account_blocked",
        "undecodable_resources",
        "build_info",
    ] {
        let [bare, labelled] = [format!("`{PREFIX}_{name}`"), format!("`{PREFIX}_{name}{{")];
        assert!(page.contains(&bare) || page.contains(&labelled), "{name}");
    }
}
