//! Every verb that the operator uses is answered with an error for a while.
//!
//! Each verb fails until the operator has tried it a few times. Then it works again, and every transition must be
//! reported.

use std::time::{Duration, Instant};

use cbw_testkit::{
    api_proxy::Effect,
    scene::{Scene, ready},
    trial::tests,
    wait::{LIMIT, SOON, holds, meanwhile},
};
use cce_backup_watch::api::ClusterBackupWatchStatus;
use futures::future::join_all;

use crate::shared::twins::Twins;

tests![
    an_api_server_that_answers_each_verb_with_a_passing_error_for_a_while_loses_nothing,
    an_api_server_that_refuses_each_verb_for_a_while_loses_only_events_that_are_counted_as_lost,
    resources_that_can_be_neither_listed_nor_watched_hold_up_nothing_that_the_cloud_says,
    an_event_that_is_refused_for_a_conflict_and_does_not_exist_is_told,
];

const STATUS: &str = "update clusterbackupwatches/status";
const LIVE: &str = "get clusterbackupwatches";
const EVENTS: &str = "create events";
const SECRETS: &str = "get secrets";
const LIST: &str = "list clusterbackupwatches";
const WATCH: &str = "watch clusterbackupwatches";

/// How many tries of each verb fail before it works again.
const TRIES: usize = 3;
/// How many more requests than without the trouble the whole may cost: each of six verbs fails [`TRIES`] times and
/// perhaps once more, and each of these tries may repeat the request of another verb that led to it.
const ALLOWED: usize = 6 * 2 * (TRIES + 1);

async fn an_api_server_that_answers_each_verb_with_a_passing_error_for_a_while_loses_nothing(scene: Scene) {
    let codes = scenes([429, 500, 504], &scene).await;
    join_all(codes.into_iter().map(|(code, scene)| passing(code, scene))).await;
}

/// A scene for each code, so that the trouble of one operator does not reach another.
pub(super) async fn scenes<const N: usize>(codes: [u16; N], scene: &Scene) -> Vec<(u16, Scene)> {
    let mut scenes = Vec::new();
    for code in codes {
        scenes.push((code, Scene::new(scene.test).await));
    }
    scenes
}

async fn passing(code: u16, scene: Scene) {
    let mut twins = Twins::start(scene, 1, &[]).await;
    twins.proxy.strike_all(EVENTS, Effect::Answer(code));
    twins.moved("Pause", 20).await;
    tried(&mut twins, EVENTS, TRIES).await;
    every_other_verb(&mut twins, code).await;
    twins.afterwards(&[], ALLOWED).await;
}

async fn an_api_server_that_refuses_each_verb_for_a_while_loses_only_events_that_are_counted_as_lost(
    scene: Scene,
) {
    let codes = scenes([401, 403, 409, 422], &scene).await;
    join_all(codes.into_iter().map(|(code, scene)| refused(code, scene))).await;
}

async fn refused(code: u16, scene: Scene) {
    let mut twins = Twins::start(scene, 1, &[]).await;
    let mut lost = 0;
    // An Event with a refusal that lasts is lost at once, and the status is written without it. A 409 has a test of its
    // own.
    if code != 409 {
        twins.proxy.strike_all(EVENTS, Effect::Answer(code));
        twins.moved("Pause", 20).await;
        tried(&mut twins, EVENTS, 1).await;
        let counted = r#"events_total{reason="BackupPhaseChanged",result="error"}"#;
        twins.operator.exports(counted, Some(1.0)).await;
        lost = 1;
    }
    every_other_verb(&mut twins, code).await;
    // A Secret that may not be read stalls its watch.
    let stalled = isize::from(code == 403);
    let extra = [("BackupPhaseChanged", -lost), ("PollFailed", stalled), ("PollRecovered", stalled)];
    twins.afterwards(&extra, ALLOWED).await;
}

async fn every_other_verb(twins: &mut Twins, code: u16) {
    twins.proxy.strike_all(STATUS, Effect::Answer(code));
    twins.moved("Running", 30).await;
    tried(twins, STATUS, TRIES).await;

    // A resource is read live after a conflict.
    twins.proxy.strike(STATUS, Effect::Answer(409), TRIES);
    twins.proxy.strike_all(LIVE, Effect::Answer(code));
    twins.moved("Running", 55).await;
    tried(twins, LIVE, TRIES).await;

    // The Secret is read again when somebody requests a poll.
    twins.proxy.strike_all(SECRETS, Effect::Answer(code));
    let request =
        serde_json::json!({ "metadata": { "annotations": { "cce.backupwatch.io/requestedAt": "now" } } });
    twins.change("watch-0", &request).await;
    if code == 403 {
        let stalled = |status: &_| ready(status) == "False SecretNotFound";
        twins.scene.shows("watch-0", "a Secret that may not be read", stalled).await;
        // The Secret is read again 30 s after the failure, ±10 %, so the fault ends well before that.
        meanwhile(Duration::from_secs(4), async || {}).await;
        tried(twins, SECRETS, 0).await;
    } else {
        tried(twins, SECRETS, TRIES).await;
    }

    // The operator lists when the API server cannot resume a watch, and it watches from the list on.
    twins.proxy.strike_all(LIST, Effect::Answer(code));
    twins.proxy.expire_watches();
    twins.joins().await;
    tried_in_vain(twins, LIST, TRIES).await;
    twins.proxy.strike_all(WATCH, Effect::Answer(code));
    twins.proxy.heal(LIST);
    twins.joins().await;
    tried(twins, WATCH, 1).await;
}

/// Waits until a fault has struck requests of a kind so often, then ends it and checks that the statuses recover.
async fn tried(twins: &mut Twins, kind: &str, times: usize) {
    tried_in_vain(twins, kind, times).await;
    twins.lives().await;
    twins.proxy.heal(kind);
    twins.recovers().await;
}

/// Waits until a fault has struck requests of a kind so often.
async fn tried_in_vain(twins: &Twins, kind: &str, times: usize) {
    let what = format!("{times} tries to {kind}");
    holds(&what, LIMIT, async || twins.proxy.struck(kind) >= times).await;
}

async fn resources_that_can_be_neither_listed_nor_watched_hold_up_nothing_that_the_cloud_says(scene: Scene) {
    /// After so many tries, a backoff that doubles from one second has reached its maximum.
    const MANY: usize = 5;
    let mut twins = Twins::start(scene, 1, &[]).await;
    for kind in [LIST, WATCH] {
        twins.proxy.strike_all(kind, Effect::Answer(403));
    }
    twins.proxy.expire_watches();
    tried_in_vain(&twins, LIST, MANY).await;
    let begun = Instant::now();
    for progress in [30, 55, 80] {
        twins.moved("Running", progress).await;
        let shown = |status: &ClusterBackupWatchStatus| status.progress == Some(progress);
        twins.scene.shows_within(SOON, "watch-0", "what the other says", shown).await;
    }
    twins.lives().await;
    let tries = twins.proxy.struck(LIST) + twins.proxy.struck(WATCH);
    // After those at most one comes in each 5 s, half of the longest backoff.
    let more = usize::try_from(begun.elapsed().as_secs() / 5).unwrap();
    assert!(
        tries <= MANY + 2 + more,
        "{tries} tries, {more} of which have had their time since the first {MANY}"
    );
    twins.proxy.heal(LIST);
    twins.proxy.heal(WATCH);
    twins.afterwards(&[], ALLOWED).await;
}

async fn an_event_that_is_refused_for_a_conflict_and_does_not_exist_is_told(scene: Scene) {
    // A ResourceQuota answers so, for example, when another request was counted at the same time.
    let mut twins = Twins::start(scene, 1, &[]).await;
    twins.proxy.strike(EVENTS, Effect::Answer(409), TRIES);
    twins.moved("Pause", 20).await;
    tried(&mut twins, EVENTS, 1).await;
    twins.afterwards(&[], ALLOWED).await;
}
