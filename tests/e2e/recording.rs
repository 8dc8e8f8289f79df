//! What `tasks --record` wrote on a key owner's machine is what an operator sees that asks a simulator which plays it.

use std::{process::Command, time::Duration};

use cbw_testkit::{
    program,
    scene::{ACCESS_KEY, CLUSTER, PROJECT, REGION, SECRET_KEY, Scene},
    trial::tests,
    wait::holds,
};
use cce_backup_watch::api::condition::types;
use cce_simulator::{Fault, Scenario};
use serde_json::{Value, json};

tests![a_recording_is_played_to_an_operator];

async fn a_recording_is_played_to_an_operator(scene: Scene) {
    // A backup is recorded from its beginning to its end, and a fault in between.
    let file = std::env::temp_dir().join(format!("cbw-recording-{}.jsonl", std::process::id()));
    let _ = std::fs::remove_file(&file);
    scene.task("Running", 10);
    let mut command = Command::new(program::operator());
    command
        .args(["tasks", "--wait", "--interval", "1s", "--timeout", "60s", "--record"])
        .arg(&file)
        .args(["--region", REGION, "--project-id", PROJECT, "--cluster-id", CLUSTER])
        .arg(format!("--region-endpoint={REGION}={}", scene.cloud.url()))
        .env("HUAWEICLOUD_SDK_AK", ACCESS_KEY)
        .env("HUAWEICLOUD_SDK_SK", SECRET_KEY);
    let recording = tokio::task::spawn_blocking(move || command.output().unwrap());
    let asked = async |count: u64| {
        let enough = async || scene.cloud.requests(CLUSTER) >= count;
        holds(&format!("{count} requests"), Duration::from_secs(30), enough).await;
    };
    // Each answered poll asks for the upgrades too.
    asked(2).await;
    scene.cloud.set_fault(CLUSTER, Fault::error(503, "CCE.01500001", "busy")).unwrap();
    asked(3).await;
    scene.cloud.clear_fault(CLUSTER);
    scene.task("Running", 60);
    asked(5).await;
    scene.task("Success", 100);
    let ended = recording.await.unwrap();
    assert!(ended.status.success(), "{ended:?}");
    let told = String::from_utf8(ended.stderr).unwrap();
    assert!(told.contains(" exchanges are recorded in ") && told.contains(" stands for "), "{told}");

    // Nothing in it tells whose it is.
    let text = std::fs::read_to_string(&file).unwrap();
    for gone in [CLUSTER, PROJECT, ACCESS_KEY, SECRET_KEY, "127.0.0.1"] {
        assert!(!text.contains(gone), "{gone}: {text}");
    }
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |line: &Value, name: &str| line["body"]["items"][0][name].clone();
    let is_good = |line: &&Value| line["status"] == 200 && line["call"] == "ListTasks";
    let good: Vec<_> = lines.iter().filter(is_good).collect();
    assert!(lines.iter().any(|line| line["call"] == "ListUpgrades"), "{text}");
    assert!(
        lines.iter().any(|line| line["status"] == 503 && line["body"]["errorCode"] == "CCE.01500001"),
        "{text}"
    );
    assert_eq!(of(good[0], "status")["progress"], "10");
    let uid = of(good[0], "metadata")["uid"].as_str().unwrap().to_owned();
    assert!(good.iter().all(|line| of(line, "metadata")["uid"] == uid.as_str()), "{text}");

    // An operator sees the same backup, in the same steps.
    scene.cloud.set_scenario(Scenario::from_file(&file).unwrap());
    scene.cloud.clear_tasks(CLUSTER);
    let _operator = scene.operator().await;
    scene.watch("prod", json!({})).await;
    let end = scene
        .shows("prod", "the end of the recording", |status| status.phase.as_deref() == Some("Success"))
        .await;
    let task = &end.tasks.as_ref().unwrap()[0];
    assert_eq!((task.uid.as_str(), task.progress), (uid.as_str(), Some(100)));
    let healthy = end.conditions.iter().find(|condition| condition.type_ == types::BACKUP_HEALTHY).unwrap();
    assert_eq!(healthy.reason, "BackupSucceeded");
    std::fs::remove_file(&file).unwrap();
}
