//! Every alert fires in the state that it is for, says where and what to do, and no other state raises it.

use std::{fs, process::Command};

use cbw_testkit::{
    program::{self, tool},
    trial::Test,
};
use serde_json::Value;

use crate::{
    rules::{self, alerts, shipped, shortened, without_times},
    stage::{HUB, Stage, Stages},
    states::{UNREACHABLE, cluster, display_name, project},
};

/// Of all alerts only this one does not fire while the operator runs.
const DOWN: &str = "CCEBackupOperatorDown";

/// The tests, by the alerts that are shipped.
pub fn tests(stages: &Stages) -> Vec<Test> {
    let running = &stages.running;
    let names: Vec<_> = alerts().into_iter().map(|alert| alert.name).filter(|name| name != DOWN).collect();
    let all = names.len();
    let each = names.into_iter().map(|name| {
        running.test(format!("{name} fires, and says on which hub"), async move |stage| {
            fires(stage, &name, &format!("cluster=\"{HUB}\"{}", matchers(&name))).await;
        })
    });
    let silent = ["good", "paused"].map(|name| {
        running.test(format!("a {name} watch raises no alert"), async move |stage| {
            stage.have_fired(all).await;
            let raised = stage.prometheus.query(&format!("ALERTS{{name=\"{name}\"}}")).await;
            assert!(raised.is_empty(), "{raised:#?}");
        })
    });
    let others = [
        Test::without_scene(
            "the shortened rules differ from those that are shipped in times only".into(),
            only_times_differ,
        ),
        running.test("a watch that never had a backup within its limit is stale".into(), async |stage| {
            fires(stage, "CCEBackupStale", r#"name="none", reason="NoBackup""#).await;
        }),
        running.test(
            "an alert names the CCE cluster beside the hub, and as people call it".into(),
            names_the_cluster,
        ),
        running.test("an alert says how old the last success is, and what to type".into(), says_what_to_do),
        running.test("Prometheus reads the metrics in OpenMetrics".into(), async |stage| {
            stage.prometheus.returns(r#"up{job="open-metrics"} == 1"#).await;
        }),
        running.test("and as many in the text format 0.0.4".into(), async |stage| {
            let samples = |job| format!("scrape_samples_scraped{{job=\"{job}\"}}");
            let (text, open_metrics) = (samples("text"), samples("open-metrics"));
            let same = format!("up{{job=\"text\"}} == 1 and on () {text} == on () {open_metrics}");
            stage.prometheus.returns(&same).await;
        }),
        running.test("promtool finds no fault in the text format".into(), text_is_sound),
        running.test(format!("{DOWN} is silent while the operator runs"), async move |stage| {
            stage.have_fired(all).await;
            let firing = format!("ALERTS{{alertname=\"{DOWN}\", alertstate=\"firing\"}}");
            let raised = stage.prometheus.query(&firing).await;
            assert!(raised.is_empty(), "{raised:#?}");
        }),
        stages.gone.test(format!("{DOWN} fires when the operator is gone"), async |stage| {
            fires(stage, DOWN, "").await;
        }),
    ];
    each.chain(silent).chain(others).collect()
}

/// The labels that an alert must have besides the hub: those of the watch that is in its state, or of its account.
fn matchers(alert: &str) -> String {
    let watch = |name: &str, reason: &str| format!(", name=\"{name}\", reason=\"{reason}\"");
    let account = |name: &str| format!(", cce_project=\"{}\"", project(name));
    match alert {
        "CCEBackupFailed" => watch("failed", "BackupFailed"),
        "CCEBackupStale" => watch("stale", "BackupStale"),
        "CCEBackupStuck" => watch("stuck", "BackupStuck"),
        "CCEBackupMissing" => watch("missing", "NoBackup"),
        "CCEUpgradeUnprotected" => watch("unprotected", "UpgradeUnprotected"),
        "CCEBackupWatchNotReady" => {
            format!("{}, cce_region=\"{UNREACHABLE}\"", watch("unreachable", "CloudUnavailable"))
        }
        "CCEBackupPollOverdue" => ", name=~\"crowd-.*\"".to_owned(),
        "CCEBackupCredentialsRefused" => format!("{}, reason=\"AuthenticationFailed\"", account("refused")),
        "CCEBackupAccountBlocked" => format!("{}, cce_region=\"cn-north-4\"", account("throttled")),
        "CCEBackupEndpointBlocked" => ", endpoint=~\".+\"".to_owned(),
        _ => String::new(),
    }
}

/// Looks back, because some states pass: failing clusters are polled ever less often, so their share of the requests falls.
async fn fires(stage: &Stage, alert: &str, labels: &str) {
    let alerts = format!("ALERTS{{alertname=\"{alert}\", alertstate=\"firing\", {labels}}}");
    stage.prometheus.returns(&format!("last_over_time({alerts}[1h])")).await;
}

async fn names_the_cluster(stage: &Stage) {
    let (cluster, project, called) = (cluster("failed"), project("failed"), display_name("failed"));
    let labels = format!(
        "cluster=\"{HUB}\", cce_cluster=\"{cluster}\", cce_region=\"cn-north-4\", cce_project=\"{project}\", display_name='{called}'"
    );
    fires(stage, "CCEBackupFailed", &labels).await;
}

async fn says_what_to_do(stage: &Stage) {
    fires(stage, "CCEBackupStale", "name=\"stale\"").await;
    let command = format!("kubectl describe clusterbackupwatch stale --namespace {}", stage.scene.namespace);
    let texts = stage.prometheus.texts("CCEBackupStale").await;
    let says = |text: &String| {
        let limit =
            text.split_once("Last success: 1h ").and_then(|(_, rest)| rest.split_once("ago; limit: 10s."));
        limit.is_some_and(|(_, rest)| rest.contains(&command))
    };
    assert!(texts.iter().any(says), "{texts:#?}");
}

/// Checks that without numbers and units, each rule is the same as before, and that no window has minutes or hours.
async fn only_times_differ() {
    let (shipped, short) = (shipped(), shortened(&shipped()));
    let mut count = 0;
    for (shipped, short) in expressions(&shipped).into_iter().zip(expressions(&short)) {
        assert_eq!(without_times(short), without_times(shipped));
        for range in short.split('[').skip(1).filter_map(|rest| rest.split(']').next()) {
            assert!(!range.contains(['m', 'h', 'd']), "[{range}] is not shortened in {short}");
        }
        count += 1;
    }
    assert!(count > rules::alerts().len());
}

fn expressions(rules: &Value) -> Vec<&str> {
    let groups = rules["groups"].as_array().unwrap().iter();
    let rules = groups.flat_map(|group| group["rules"].as_array().unwrap());
    rules.map(|rule| rule["expr"].as_str().unwrap()).collect()
}

/// The text format, as an older agent gets it. Two suffixes of names that promtool's linter would have otherwise are the
/// contract: a number of things that goes up and down, and a moment in seconds.
async fn text_is_sound(stage: &Stage) {
    stage.prometheus.returns("cce_backup_watch_ready").await;
    let request = program::http()
        .get(format!("{}/metrics", stage.operator.url))
        .header("Accept", "text/plain;version=0.0.4");
    let text = request.send().await.unwrap().text().await.unwrap();
    let file = program::folder().join("metrics.txt");
    fs::write(&file, text).unwrap();
    let check = r#""$0" check metrics --extended --lint=none <"$1""#;
    program::run(Command::new("sh").args(["-c", check]).arg(tool("promtool")).arg(file)).ended(0, "");
}
