//! The API server answers a list with the state of an earlier moment, as one whose watch cache lags behind.

use std::time::Duration;

use cbw_testkit::{
    scene::Scene,
    trial::tests,
    wait::{LIMIT, holds, meanwhile},
};

use crate::shared::twins::Twins;

tests![
    a_list_from_an_older_moment_moves_no_status_backwards_and_tells_nothing_again,
    a_list_from_an_older_moment_that_nothing_corrects_moves_no_status_backwards_and_tells_nothing_again,
    a_list_from_an_older_moment_tells_no_transition_that_did_not_happen,
];

/// How many more requests than without the trouble it may cost: two starts, each with a list, a watch and a read of the
/// Secret, and for each of two resources an Event, a status that is refused, a live read and a status that is accepted.
const ALLOWED: usize = 2 * (3 + 2 * 4);

/// Two watches at 55 %, and an operator that has just started with a list in which they are at 10 %.
async fn with_an_old_list(scene: Scene, watches_are_silent: bool) -> Twins {
    let mut twins = Twins::start(scene, 2, &[]).await;
    // The proxy records the last list, so this restart records one in which the watches are at 10 %.
    twins.operator.kill();
    twins.operator.restart().await;
    for (phase, progress) in [("Running", 30), ("Running", 55)] {
        twins.moved(phase, progress).await;
        twins.recovers().await;
    }
    twins.operator.kill();
    twins.proxy.replay_lists();
    if watches_are_silent {
        twins.proxy.silence_watches();
    }
    twins.operator.restart().await;
    twins
}

/// Checks that no status moves backwards in the time of a few polls.
async fn keeps_what_is(twins: &Twins, progress: u8) {
    const POLLS: Duration = Duration::from_secs(7);
    meanwhile(POLLS, async || {
        for name in ["watch-0", "watch-1"] {
            assert_eq!(twins.scene.status(name).await.progress, Some(progress), "{name}");
        }
    })
    .await;
}

async fn a_list_from_an_older_moment_moves_no_status_backwards_and_tells_nothing_again(scene: Scene) {
    let mut twins = with_an_old_list(scene, false).await;
    keeps_what_is(&twins, 55).await;
    twins.lives().await;
    twins.proxy.renew_lists();
    twins.afterwards(&[], ALLOWED).await;
}

async fn a_list_from_an_older_moment_that_nothing_corrects_moves_no_status_backwards_and_tells_nothing_again(
    scene: Scene,
) {
    let mut twins = with_an_old_list(scene, true).await;
    keeps_what_is(&twins, 55).await;
    // Progress that the cloud reports meanwhile is written all the same.
    twins.moved("Running", 80).await;
    twins.recovers().await;
    twins.lives().await;
    twins.proxy.renew_lists();
    twins.proxy.restore_watches();
    twins.proxy.cut();
    twins.proxy.reopen();
    twins.afterwards(&[], ALLOWED).await;
}

async fn a_list_from_an_older_moment_tells_no_transition_that_did_not_happen(scene: Scene) {
    let mut twins = Twins::start(scene, 1, &[]).await;
    twins.operator.kill();
    twins.operator.restart().await;
    for phase in ["Pause", "Queuing"] {
        twins.moved(phase, 10).await;
        twins.recovers().await;
    }
    twins.operator.kill();
    twins.proxy.replay_lists();
    twins.proxy.silence_watches();
    // In the operator's cache the backup runs, and in the cloud it is queued. It never went from the one to the other:
    // it was paused in between, so an Event of that transition would be wrong.
    twins.operator.restart().await;
    // The operator notices by a live read or by a conflict that its cache is behind.
    let kinds = ["get clusterbackupwatches", "update clusterbackupwatches/status"];
    let looks = || kinds.map(|kind| twins.proxy.requests(kind)).iter().sum::<usize>();
    let before = looks();
    holds("it has seen that its copy is old", LIMIT, async || looks() > before).await;
    twins.proxy.renew_lists();
    twins.proxy.restore_watches();
    twins.proxy.cut();
    twins.proxy.reopen();
    twins.afterwards(&[], ALLOWED).await;
}
