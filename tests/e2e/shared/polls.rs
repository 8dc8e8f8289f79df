//! Measures when clusters are polled, by the request counts of the simulated cloud.

use std::time::{Duration, Instant};

use cbw_testkit::scene::Scene;

/// How often the request counts are read.
const SAMPLE: Duration = Duration::from_millis(20);

/// Does some work, and returns the longest time in which one of the clusters was not polled meanwhile, and the result
/// of the work.
pub async fn gap_while<C: AsRef<str>, T>(
    scene: &Scene,
    clusters: &[C],
    work: impl Future<Output = T>,
) -> (Duration, T) {
    let polls = |cluster: &C| scene.cloud.requests(cluster.as_ref());
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
