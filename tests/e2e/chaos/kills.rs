//! The operator is killed at random moments, and started again at once, as a kubelet does.

use std::time::Duration;

use cbw_testkit::{
    scene::Scene,
    trial::tests,
    wait::{holds, meanwhile},
};
use fastrand::Rng;

use crate::shared::twins::Twins;

tests![an_operator_killed_at_random_moments_tells_everything_once];

/// The environment variable that repeats the random moments of an earlier run.
const SEED: &str = "CBW_CHAOS_SEED";

/// What the backups do between the kills.
const STEPS: [(&str, u8); 12] = [
    ("Running", 30),
    ("Pause", 30),
    ("Running", 40),
    ("Running", 55),
    ("Pause", 60),
    ("Queuing", 60),
    ("Running", 60),
    ("Running", 80),
    ("Running", 90),
    ("Pause", 90),
    ("Init", 90),
    ("Running", 99),
];
const KILLS_A_STEP: usize = 3;
/// How long a start and everything that a step leads to take at most.
const LIFE: Duration = Duration::from_millis(2500);
/// How many requests a start may cost: a list, a watch, a read of the Secret, and some to repeat the unfinished work of
/// four watches.
const A_START: usize = 6;

async fn an_operator_killed_at_random_moments_tells_everything_once(scene: Scene) {
    let seed = std::env::var(SEED).map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    eprintln!("{}: {SEED}={seed} repeats the moments", scene.test);
    let mut random = Rng::with_seed(seed);
    let mut twins = Twins::start(scene, 4, &[]).await;
    for (phase, progress) in STEPS {
        twins.moves(phase, progress);
        for _ in 0..KILLS_A_STEP {
            moment(&mut random, &twins).await;
            twins.operator.kill();
            twins.operator.spawn();
        }
        twins.moved(phase, progress).await;
        twins.recovers().await;
    }
    // The process that was spawned last may not have logged yet where it listens, which the checks need to know.
    twins.operator.kill();
    twins.operator.restart().await;
    twins.afterwards(&[], A_START * STEPS.len() * KILLS_A_STEP).await;
}

/// Waits for a random moment: any in the life of the process, or one within 300 ms of a write, when what belongs
/// together may be half written.
async fn moment(random: &mut Rng, twins: &Twins) {
    let life = LIFE.mul_f64(random.f64());
    let (after_a_write, soon) = (random.bool(), Duration::from_millis(random.u64(..300)));
    if after_a_write {
        let before = twins.writes();
        let written = holds("a write", LIFE * 2, async || twins.writes() > before);
        // A process that has nothing left to write is killed as well, after the time-out.
        let _ = tokio::time::timeout(LIFE, written).await;
        meanwhile(soon, async || {}).await;
    } else {
        meanwhile(life, async || {}).await;
    }
}
