//! When clusters are polled, as the cloud sees it.

use std::time::{Duration, Instant};

use super::scene::Scene;

/// How often the cloud is looked at.
const SAMPLE: Duration = Duration::from_millis(20);

/// The longest time without a poll of one of the clusters while something is done, and what came of that.
pub async fn gap_while<T>(scene: &Scene, clusters: &[&str], work: impl Future<Output = T>) -> (Duration, T) {
    let polls = |cluster: &&str| scene.cloud.requests(cluster);
    let mut work = std::pin::pin!(work);
    let mut seen: Vec<_> = clusters.iter().map(|cluster| (polls(cluster), Instant::now())).collect();
    let mut longest = Duration::ZERO;
    let done = loop {
        tokio::select! {
            done = &mut work => break done,
            () = tokio::time::sleep(SAMPLE) => {}
        }
        for (cluster, (count, last)) in clusters.iter().zip(&mut seen) {
            let now = polls(cluster);
            if now > *count {
                longest = longest.max(last.elapsed());
                (*count, *last) = (now, Instant::now());
            }
        }
    };
    let open = seen.iter().map(|(_, last)| last.elapsed()).max();
    (longest.max(open.unwrap_or_default()), done)
}
