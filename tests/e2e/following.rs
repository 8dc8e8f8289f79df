//! A watch shows what the cloud lists, soon after the cloud lists it.

use cbw_testkit::{
    scene::{CLUSTER, Scene, healthy, ready},
    trial::tests,
    wait::SOON,
};
use serde_json::{Value, json};

tests![a_new_watch_shows_the_sample_of_the_api_page, progress_and_success_are_followed_while_a_backup_runs,];

/// The sample answer from Huawei's page on this API.
const SAMPLE: &str = include_str!("sample.json");

async fn a_new_watch_shows_the_sample_of_the_api_page(scene: Scene) {
    scene.cloud.set_answer(CLUSTER, serde_json::from_str(SAMPLE).unwrap());
    let _operator = scene.operator().await;
    scene.watch("prod", json!({})).await;
    let status = scene.shows("prod", "the task", |status| status.tasks.is_some()).await;

    assert_eq!(ready(&status), "True Polled");
    assert_eq!(healthy(&status), "False BackupStuck", "it stands still since 2023");
    let mut status: Value = serde_json::to_value(&status).unwrap();
    status.as_object_mut().unwrap().remove("conditions");
    let expected = json!({
        "observedGeneration": 1,
        "phase": "Running",
        "progress": 67,
        "latestBackupTime": "2023-11-25T09:03:47.980844Z",
        "tasks": [{
            "uid": "87d326f9-46b0-486e-a4ba-1f82ec9315ed",
            "phase": "Running",
            "progress": 67,
            "creationTime": "2023-11-25T09:03:46.739012Z",
            "updateTime": "2023-11-25T09:03:46.739027Z",
            "completionTime": "2023-11-25T09:03:46.739027Z",
            "progressTime": "2023-11-25T09:03:46Z",
        }],
    });
    assert_eq!(status, expected);
}

async fn progress_and_success_are_followed_while_a_backup_runs(scene: Scene) {
    scene.task("Running", 67);
    let _operator = scene.operator().await;
    // The next poll is a day away, but for the backup that runs.
    scene.watch("prod", json!({ "interval": "24h" })).await;
    scene.shows("prod", "67 %", |status| status.progress == Some(67)).await;

    scene.task("Running", 80);
    scene.shows_within(SOON, "prod", "80 %", |status| status.progress == Some(80)).await;

    scene.task("Success", 100);
    let status = scene
        .shows_within(SOON, "prod", "Success", |status| status.phase.as_deref() == Some("Success"))
        .await;
    assert_eq!(status.progress, Some(100));
    assert_eq!(healthy(&status), "True BackupSucceeded");
    let success = status.last_success.unwrap();
    assert_eq!((success.uid.as_str(), success.time), ("backup-1", status.tasks.unwrap()[0].completion_time));
}
