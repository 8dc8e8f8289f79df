//! Every transition makes exactly one Event, whatever happens to the operator meanwhile.

use std::{collections::BTreeMap, time::Duration};

use cbw_testkit::{
    api_proxy::ApiProxy,
    operator::Operator,
    rbac,
    scene::{CLUSTER, Scene, counts},
    trial::tests,
    wait::{LIMIT, holds, until},
};
use cce_backup_watch::controller::plan::events::MILESTONES;
use serde_json::json;

tests![
    a_full_backup_makes_each_event_once,
    an_operator_killed_at_every_step_still_makes_each_event_once,
    an_operator_killed_between_event_and_status_makes_no_second_event,
];

/// A backup from its beginning to its end, in steps that a poll sees one by one.
const STEPS: [(&str, u8); 13] = [
    ("Init", 0),
    ("Queuing", 0),
    ("Running", 0),
    ("Running", 10),
    ("Running", 25),
    ("Running", 40),
    ("Running", 50),
    ("Running", 60),
    ("Running", 75),
    ("Running", 85),
    ("Running", 90),
    ("Running", 99),
    ("Success", 100),
];

/// The Events of such a backup.
fn all() -> BTreeMap<String, usize> {
    counts([
        ("BackupStarted", 1),
        ("BackupPhaseChanged", 2),
        ("BackupProgressing", MILESTONES.len()),
        ("BackupSucceeded", 1),
    ])
}

async fn reaches(scene: &Scene, (phase, progress): (&str, u8)) {
    let what = format!("{phase} {progress} %");
    scene
        .shows("prod", &what, |status| {
            status.phase.as_deref() == Some(phase) && status.progress == Some(progress)
        })
        .await;
}

async fn a_full_backup_makes_each_event_once(scene: Scene) {
    let _operator = scene.operator().await;
    for (index, (phase, progress)) in STEPS.into_iter().enumerate() {
        scene.task(phase, progress);
        if index == 0 {
            scene.watch("prod", json!({})).await;
        }
        reaches(&scene, (phase, progress)).await;
    }
    // A poll that finds nothing new makes no Event.
    let polls = scene.cloud.requests(CLUSTER);
    scene.asks("prod", "once more").await;
    assert!(scene.cloud.requests(CLUSTER) > polls);
    assert_eq!(scene.reasons("prod").await, all());

    let milestones = MILESTONES.map(|percent| ("BackupProgressing", format!("reached {percent} %")));
    let others = [
        ("BackupStarted", "task backup-1 (Init, 0 %)"),
        ("BackupPhaseChanged", "phase changed from Init to Queuing"),
        ("BackupPhaseChanged", "phase changed from Queuing to Running"),
        ("BackupSucceeded", "task backup-1 (Success, 100 %)"),
    ];
    for (reason, words) in
        others.map(|(reason, words)| (reason, words.to_owned())).into_iter().chain(milestones)
    {
        let notes = scene.notes("prod", reason).await;
        assert_eq!(notes.iter().filter(|note| note.contains(&words)).count(), 1, "{words}: {notes:?}");
    }
}

async fn an_operator_killed_at_every_step_still_makes_each_event_once(scene: Scene) {
    scene.task("Init", 0);
    // The proxy delays requests, so that an Event and the status after it are some 150 ms apart and a kill can come
    // between them.
    let proxy = ApiProxy::start(&scene).await;
    let mut operator = Operator::start_through(&proxy, &scene, &[]).await;
    scene.watch("prod", json!({})).await;
    reaches(&scene, STEPS[0]).await;
    for (index, step) in STEPS.into_iter().enumerate().skip(1) {
        let events = scene.reasons("prod").await;
        let before = scene.status("prod").await;
        scene.task(step.0, step.1);
        match index % 3 {
            // Kill at the first sign of the step, which is its Event if it makes one.
            1 => {
                holds("a sign", LIMIT, async || {
                    scene.reasons("prod").await != events || scene.status("prod").await != before
                })
                .await;
            }
            // Kill in the middle of the poll.
            2 => drop(scene.polled(CLUSTER, 1).await),
            // Kill before the poll.
            _ => {}
        }
        operator.kill();
        operator.restart().await;
        reaches(&scene, step).await;
    }
    assert_eq!(scene.reasons("prod").await, all());
}

async fn an_operator_killed_between_event_and_status_makes_no_second_event(scene: Scene) {
    let mut operator = scene.operator().await;
    scene.task("Running", 10);
    scene.watch("prod", json!({})).await;
    reaches(&scene, ("Running", 10)).await;

    // Now the operator can create Events and cannot write the status.
    rbac::revoke(&scene, rbac::STATUS).await;
    scene.task("Running", 60);
    holds("the Event", LIMIT, async || !scene.notes("prod", "BackupProgressing").await.is_empty()).await;
    operator.kill();
    assert_eq!(scene.status("prod").await.progress, Some(10));
    operator.restart().await;
    let repeated = r#"events_total{reason="BackupProgressing",result="exists"}"#;
    until("the Event is tried again", LIMIT, async || operator.metric(repeated).await).await;

    rbac::grant(&scene, rbac::STATUS).await;
    scene.shows_within(Duration::from_secs(15), "prod", "60 %", |status| status.progress == Some(60)).await;
    assert_eq!(scene.notes("prod", "BackupProgressing").await.len(), 1);
}
