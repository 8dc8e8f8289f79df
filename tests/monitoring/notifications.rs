//! `docs/notifications/alertmanager.yaml` takes each alert to its receiver.

use std::process::Command;

use cbw_testkit::{
    program::{ROOT, run, tool},
    trial::Test,
};

use crate::rules;

/// The tests, by the alerts that are shipped.
pub fn tests() -> Vec<Test> {
    let test = |labels: [String; 2], receiver: &'static str| {
        let sentence = format!("{} goes to {receiver}", labels[0].trim_start_matches("alertname="));
        Test::without_scene(sentence, async move || {
            let test = ["config", "routes", "test", "--config.file", &example()];
            let ran = run(Command::new(tool("amtool")).args(test).args(&labels));
            assert_eq!((ran.code, ran.printed().trim()), (Some(0), receiver), "{labels:?}");
        })
    };
    let labels = |name: &str, severity: &str| [format!("alertname={name}"), format!("severity={severity}")];
    let routes = rules::alerts().into_iter().map(|alert| {
        let receiver = if alert.severity == "critical" { "on-call" } else { "platform" };
        test(labels(&alert.name, &alert.severity), receiver)
    });
    let others = [
        Test::without_scene("the example of a configuration of Alertmanager is sound".into(), async || {
            run(Command::new(tool("amtool")).args(["check-config", &example()])).ended(0, "");
        }),
        test(labels("KubePodCrashLooping", "critical"), "default"),
    ];
    routes.chain(others).collect()
}

fn example() -> String {
    format!("{ROOT}/docs/notifications/alertmanager.yaml")
}
