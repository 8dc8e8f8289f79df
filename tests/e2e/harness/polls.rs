//! When a cluster is polled, as the cloud sees it.

use std::time::{Duration, Instant};

use super::scene::{CLUSTER, Scene};

/// How often the cloud is looked at.
const SAMPLE: Duration = Duration::from_millis(20);

/// The longest time without a poll of the scene's cluster while something is done, and what came of that.
pub async fn gap_while<T>(scene: &Scene, work: impl Future<Output = T>) -> (Duration, T) {
    let mut work = std::pin::pin!(work);
    let (mut polls, mut last, mut longest) = (scene.cloud.requests(CLUSTER), Instant::now(), Duration::ZERO);
    loop {
        tokio::select! {
            done = &mut work => return (longest.max(last.elapsed()), done),
            () = tokio::time::sleep(SAMPLE) => {
                let now = scene.cloud.requests(CLUSTER);
                if now > polls {
                    longest = longest.max(last.elapsed());
                    (polls, last) = (now, Instant::now());
                }
            }
        }
    }
}
