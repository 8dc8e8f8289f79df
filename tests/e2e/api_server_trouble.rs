//! The API server is away, refuses requests, or goes silent in part: the operator loses nothing, reports nothing twice,
//! and does not flood it with retries.

use std::time::{Duration, Instant};

use cbw_testkit::{
    api_proxy::{ApiProxy, Effect},
    audit,
    control_plane::ControlPlane,
    operator::Operator,
    rbac,
    scene::{ACTIVE, Scene, counts, healthy},
    trial::tests,
    wait::meanwhile,
};
use serde_json::json;

use crate::shared::fleet::Fleet;

tests![
    an_api_server_and_an_etcd_that_were_away_are_caught_up_with_and_every_event_is_there_once,
    an_event_that_was_refused_once_is_there_in_the_end,
    a_status_whose_reply_was_lost_is_told_once,
    a_silent_watch_connection_costs_one_live_read_a_write,
    a_status_that_may_not_be_written_is_tried_ever_more_rarely_and_logged_once,
];

/// How soon after an outage every status must be as it would be without it.
const CAUGHT_UP: Duration = Duration::from_secs(30);

async fn an_api_server_and_an_etcd_that_were_away_are_caught_up_with_and_every_event_is_there_once(
    scene: Scene,
) {
    let mut control_plane = ControlPlane::start(scene.test).await;
    let scene = Scene::on(&control_plane, scene.test).await;
    let fleet = Fleet::create(&scene, 5, "Running", 10).await;
    let operator = scene.operator().await;
    fleet.shows(10).await;

    control_plane.stop_api_server().await;
    fleet.moves("Running", 60);
    meanwhile(Duration::from_secs(20), async || {}).await;
    control_plane.start_api_server().await;
    fleet.shows_within(CAUGHT_UP, 60).await;

    control_plane.stop_etcd().await;
    fleet.moves("Success", 100);
    meanwhile(Duration::from_secs(10), async || {}).await;
    control_plane.start_etcd().await;
    fleet.shows_within(CAUGHT_UP, 100).await;

    assert_eq!(operator.get("/livez").await.0, 200, "a restart would mend nothing");
    let expected = counts([("BackupStarted", 1), ("BackupProgressing", 1), ("BackupSucceeded", 1)]);
    for name in &fleet.names {
        assert_eq!(scene.reasons(name).await, expected);
    }
    let writes = audit::status_writes(&audit::requests(&scene));
    assert!(writes <= 5 * 10, "{writes} writes of five statuses");
}

async fn an_event_that_was_refused_once_is_there_in_the_end(scene: Scene) {
    let proxy = ApiProxy::start(&scene).await;
    scene.task("Running", 60);
    let _operator = Operator::start_through(&proxy, &scene, &[]).await;
    scene.watch("prod", json!({})).await;
    scene.shows("prod", "60 %", |status| status.progress == Some(60)).await;

    proxy.strike("create events", Effect::Answer(500), 1);
    scene.task("Success", 100);
    scene.shows("prod", "the end", |status| healthy(status) == "True BackupSucceeded").await;
    assert!(proxy.requests("create events") >= 3, "the refused one was tried again");
    assert_eq!(scene.reasons("prod").await, counts([("BackupStarted", 1), ("BackupSucceeded", 1)]));
}

async fn a_status_whose_reply_was_lost_is_told_once(scene: Scene) {
    let proxy = ApiProxy::start(&scene).await;
    scene.task("Running", 60);
    let _operator = Operator::start_through(&proxy, &scene, &[]).await;
    scene.watch("prod", json!({})).await;
    scene.shows("prod", "60 %", |status| status.progress == Some(60)).await;

    for kind in ["update clusterbackupwatches/status", "patch clusterbackupwatches/status", "create events"] {
        proxy.strike(kind, Effect::LoseReply, 1);
    }
    scene.task("Running", 80);
    scene.shows("prod", "80 %", |status| status.progress == Some(80)).await;
    scene.task("Success", 100);
    scene.shows("prod", "the end", |status| healthy(status) == "True BackupSucceeded").await;
    assert_eq!(
        scene.reasons("prod").await,
        counts([("BackupStarted", 1), ("BackupProgressing", 1), ("BackupSucceeded", 1)])
    );
}

async fn a_silent_watch_connection_costs_one_live_read_a_write(scene: Scene) {
    const STEPS: [u8; 3] = [30, 55, 80];
    let proxy = ApiProxy::start(&scene).await;
    let fleet = Fleet::create(&scene, 3, "Running", 10).await;
    let _operator = Operator::start_through(&proxy, &scene, &[]).await;
    fleet.shows(10).await;

    proxy.silence_watches();
    let begun = Instant::now();
    let polls = scene.cloud.total().accepted;
    let events = proxy.requests("create events");
    for progress in STEPS {
        fleet.moves("Running", progress);
        fleet.shows_within(Duration::from_secs(20), progress).await;
    }
    let conflicts = audit::status_codes(&scene).iter().filter(|code| **code == 409).count();
    let reads = proxy.requests("get clusterbackupwatches");
    let steps = 3 * STEPS.len();
    assert!(
        conflicts <= steps && reads <= steps,
        "{conflicts} conflicts and {reads} live reads in {steps} steps"
    );
    // From now on nothing changes. One live read for each watch is allowed, to check that its last status was written.
    meanwhile(Duration::from_secs(10), async || {}).await;
    let reads = proxy.requests("get clusterbackupwatches") - reads;
    assert!(reads <= 3, "{reads} live reads while nothing changed");
    let events = proxy.requests("create events") - events;
    assert!(events <= 2 * steps, "{events} requests for {steps} Events");
    let polls = scene.cloud.total().accepted - polls;
    let due = 3.0 * (begun.elapsed().as_secs_f64() / ACTIVE.mul_f64(0.9).as_secs_f64() + 1.0);
    assert!(f64::from(u32::try_from(polls).unwrap()) <= due, "{polls} polls, of which {due} were due");
    for name in &fleet.names {
        assert_eq!(scene.reasons(name).await["BackupProgressing"], STEPS.len());
    }
}

async fn a_status_that_may_not_be_written_is_tried_ever_more_rarely_and_logged_once(scene: Scene) {
    const COUNT: usize = 20;
    const TIME: Duration = Duration::from_secs(45);
    /// A backoff that doubles from half a second makes seven tries in this time; jitter may add one.
    const TRIES: usize = 8;
    let fleet = Fleet::create(&scene, COUNT, "Running", 10).await;
    let operator = Operator::start(&scene, &["--account-rate", "100", "--account-burst", "100"]).await;
    fleet.shows(10).await;

    rbac::revoke(&scene, rbac::STATUS).await;
    let (before, lines) = (audit::requests(&scene), operator.log().len());
    fleet.moves("Running", 30);
    meanwhile(TIME, async || {}).await;
    let after = audit::requests(&scene);
    let writes = audit::status_writes(&after) - audit::status_writes(&before);
    assert!((COUNT..=COUNT * TRIES).contains(&writes), "{writes} tries to write {COUNT} statuses");
    let events = after["create events"] - before["create events"];
    assert!(events <= COUNT * TRIES, "{events} requests for {COUNT} Events");
    let log = operator.log();
    for name in &fleet.names {
        let about = |line: &&serde_json::Value| {
            ["WARN", "ERROR"].contains(&line["level"].as_str().unwrap_or_default())
                && line.to_string().contains(name)
        };
        let told = log[lines..].iter().filter(about).count();
        assert_eq!(told, 1, "{name} is in {told} warnings and errors");
    }

    rbac::grant(&scene, rbac::STATUS).await;
    // The longest wait of a doubling backoff so far is half of TIME, so the next one is at most TIME.
    fleet.shows_within(2 * TIME, 30).await;
}
