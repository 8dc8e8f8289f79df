//! Every query of the dashboard returns data, and its stats and its table show what is wrong.

use cbw_testkit::trial::{Shared, Test};
use serde_json::{Value, json};

use crate::{
    panels::{Panel, dashboard, filled},
    stage::{Stage, Stages},
};

/// What a stat shows of some watches: its title, the watches, the number, and why.
const COUNTS: [(&str, &str, f64, &str); 7] = [
    ("Blind", "unreachable|refused", 2.0, "watches that are not Ready"),
    ("Blind", "good|paused", 0.0, "none that is paused or good"),
    ("Bad", "failed|stale|stuck|good|paused", 3.0, "a failed, a stale and a stuck backup"),
    ("Healthy", "good|paused|failed", 1.0, "none that is paused"),
    ("Suspended", "good|paused|failed", 1.0, "a paused watch"),
    ("Oldest success", "missing|good", 1e12, "that of a watch that never had a backup"),
    ("Never succeeded", "missing|good", 1.0, "a watch that never had a backup"),
];

/// The watches that never had a success, besides the broken ones.
const WITHOUT_A_SUCCESS: [&str; 9] =
    ["failed", "missing", "none", "paused", "refused", "stuck", "throttled", "unprotected", "unreachable"];

/// The tests, by the panels and variables of the dashboard.
pub fn tests(stages: &Stages) -> Vec<Test> {
    let running = &stages.running;
    let mut tests = Vec::new();
    for panel in Panel::all() {
        tests.extend(panel.ids().into_iter().map(|id| returns_data(running, panel.clone(), id)));
    }
    for panel in Panel::all().into_iter().filter(Panel::stands_first) {
        tests.extend(is_red(stages, &panel));
    }
    tests.extend(COUNTS.map(|(title, watches, number, why)| {
        let panel = Panel::find("stat", title);
        running.test(format!("{title}: {why}"), async move |stage| {
            panel.counts(watches, number, &stage.prometheus, &stage.scene.namespace).await;
        })
    }));
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].as_array().unwrap().iter();
    tests
        .extend(variables.filter(|variable| variable["type"] == "query").map(|one| has_values(running, one)));
    tests.extend([
        running.test("Operator is green when one leads".into(), async |stage| {
            Panel::find("stat", "Operator").shows("green", &stage.prometheus, "").await;
        }),
        running.test("Alerts is red when some fire".into(), async |stage| {
            stage.prometheus.returns("ALERTS{alertstate=\"firing\"}").await;
            Panel::find("stat", "Alerts").shows("red", &stage.prometheus, "").await;
        }),
        running.test("the table begins with a watch without a success".into(), begins_with_the_worst),
        Test::without_scene("a watch is healthy no more once it is paused".into(), a_watch_is_paused),
    ]);
    tests
}

fn returns_data(running: &Shared<Stage>, panel: Panel, id: String) -> Test {
    let sentence = format!("query {id} of the {} \"{}\" returns data", panel.kind(), panel.title());
    running.test(sentence, async move |stage| {
        stage.prometheus.returns(&panel.query(&id, &stage.scene.namespace)).await;
    })
}

/// A stat of the first row is red when the operator is gone, where there is no data, and where it counts no watch.
fn is_red(stages: &Stages, panel: &Panel) -> Vec<Test> {
    let title = panel.title();
    let (gone, empty, nowhere) = (panel.clone(), panel.clone(), panel.clone());
    let mut tests = vec![
        stages.gone.test(format!("{title} is red when the operator is gone"), async move |stage| {
            gone.shows("red", &stage.prometheus, &stage.scene.namespace).await;
        }),
        stages.empty.test(format!("{title} is red where there is no data at all"), async move |prometheus| {
            empty.shows("red", prometheus, "").await;
        }),
    ];
    // These two do not count watches.
    if !["Operator", "Alerts"].contains(&title) {
        tests.push(stages.running.test(format!("{title} is red without a watch"), async move |stage| {
            stage.prometheus.returns("cce_backup_watch_ready").await;
            nowhere.shows("red", &stage.prometheus, "nowhere").await;
        }));
    }
    tests
}

fn has_values(running: &Shared<Stage>, variable: &Value) -> Test {
    let query = variable["query"]["query"].as_str().unwrap().to_owned();
    running.test(format!("the variable {} has values", variable["name"]), async move |stage| {
        let values = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
        let (metric, label) =
            values.and_then(|rest| rest.rsplit_once(", ")).expect("label_values(METRIC, LABEL)");
        let metric = filled(metric, &stage.scene.namespace);
        stage.prometheus.returns(&format!("count by ({label}) ({metric})")).await;
    })
}

/// Each row of the table has the age of a success; the highest stands first.
async fn begins_with_the_worst(stage: &Stage) {
    let age = Panel::find("table", "Watches").query("E", &stage.scene.namespace);
    let worst = |name: &str| WITHOUT_A_SUCCESS.contains(&name) || name.starts_with("broken-");
    let first = format!("topk(1, {age})");
    stage.prometheus.answers(&first, |rows| rows.iter().any(|(labels, _)| worst(&labels["name"]))).await;
}

async fn a_watch_is_paused() {
    let stage = Stage::of_a_good_watch("a watch is paused").await;
    let healthy = Panel::find("stat", "Healthy");
    healthy.counts("good", 1.0, &stage.prometheus, &stage.scene.namespace).await;
    stage.scene.change("good", json!({ "spec": { "suspend": true } })).await;
    healthy.counts("good", 0.0, &stage.prometheus, &stage.scene.namespace).await;
}
