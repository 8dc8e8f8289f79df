use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use serde_json::json;

use super::*;

fn watch(conditions: Vec<Condition>) -> ClusterBackupWatch {
    let mut watch: ClusterBackupWatch = serde_json::from_value(json!({
        "apiVersion": "cce.backupwatch.io/v1alpha1",
        "kind": "ClusterBackupWatch",
        "metadata": {"namespace": "platform", "name": "prod"},
        "spec": {
            "region": "cn-north-4",
            "projectID": "0123456789abcdef0123456789abcdef",
            "clusterID": "11111111-2222-3333-4444-555555555555",
            "clusterType": "Autopilot",
            "interval": "10m",
        },
    }))
    .unwrap();
    watch.status = Some(crate::api::ClusterBackupWatchStatus { conditions, ..Default::default() });
    watch
}

fn condition(type_: &str, reason: &str) -> Condition {
    Condition {
        type_: type_.to_owned(),
        status: "False".to_owned(),
        reason: reason.to_owned(),
        message: String::new(),
        observed_generation: None,
        last_transition_time: Time(Timestamp::from_second(1_700_000_000).unwrap()),
    }
}

fn labels(values: Values<'_>) -> Vec<Labels<'_>> {
    values.into_iter().map(|(labels, _)| labels).collect()
}

#[test]
fn the_metric_info_names_the_cluster() {
    let watch = watch(vec![]);
    let text: Vec<_> =
        identity(&watch, None)[0].0.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(
        text,
        [
            "cce_region=cn-north-4",
            "cce_project=0123456789abcdef0123456789abcdef",
            "cce_cluster=11111111-2222-3333-4444-555555555555",
            "cluster_type=Autopilot",
            "display_name="
        ]
    );
}

#[test]
fn the_display_name_is_one_short_line() {
    let mut watch = watch(vec![]);
    for (annotation, label) in [
        (" 测试集群\n", "测试集群".to_owned()),
        ("a\nb\u{1b}[31m\u{202e}", "a b\u{fffd}[31m\u{fffd}".to_owned()),
        ("名".repeat(70_000).as_str(), "名".repeat(DISPLAY_CHARS - 1) + "…"),
    ] {
        watch.annotations_mut().insert(DISPLAY_NAME.to_owned(), annotation.to_owned());
        assert_eq!(identity(&watch, None)[0].0[4], ("display_name", label.into()));
    }
}

#[test]
fn the_reason_that_holds_is_named_and_nothing_else() {
    let conditions = vec![
        condition("Ready", "ClockSkew"),
        condition("BackupHealthy", "PollFailing"),
        condition("Stalled", "ClockSkew"),
    ];
    let reasons = labels(reasons(&watch(conditions), None));
    assert_eq!(
        reasons,
        [
            vec![("type", "Ready".into()), ("reason", "ClockSkew".into())],
            vec![("type", "BackupHealthy".into()), ("reason", "PollFailing".into())],
        ]
    );
}

#[test]
fn a_reason_that_somebody_else_wrote_makes_no_label_of_its_own() {
    let reasons = labels(reasons(&watch(vec![condition("Ready", "Made-up-4711")]), None));
    assert_eq!(reasons[0][1], ("reason", "Unknown".into()));
    // No condition is the state before the first poll.
    assert_eq!(reasons[1][1], ("reason", "NotYetPolled".into()));
}

#[test]
fn whether_an_upgrade_is_protected_is_told_where_upgrades_are_watched() {
    let mut watch = watch(vec![condition("UpgradeProtected", "UpgradeUnprotected")]);
    let gauge = GAUGES.into_iter().find(|gauge| gauge.name == "upgrade_protected").unwrap();
    assert!((gauge.read)(&watch, None).is_empty());
    assert_eq!(labels(reasons(&watch, None)).len(), 2);
    watch.spec.upgrades = Upgrades::Watch;
    let holds: Vec<_> = (gauge.read)(&watch, None).into_iter().filter(|(_, value)| *value > 0.0).collect();
    assert_eq!(holds, [(vec![("status", "False".into())], 1.0)]);
    assert_eq!(labels(reasons(&watch, None))[2][1], ("reason", "UpgradeUnprotected".into()));
}

#[test]
fn a_condition_tells_since_when() {
    let since = transitions(&watch(vec![condition("BackupHealthy", "BackupFailed")]), None);
    assert_eq!(since, [(vec![("type", "BackupHealthy".into())], 1_700_000_000.0)]);
}
