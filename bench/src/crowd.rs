//! A cache of all watches, which a watch of the API server keeps, and conditions on it to wait for.

use std::time::{Duration, Instant};

use futures::StreamExt;
use kube::{
    Api, ResourceExt,
    api::{ApiResource, DynamicObject},
    runtime::{
        WatchStreamExt,
        reflector::{Store, store::Writer},
        watcher,
    },
};
use tokio::task::AbortHandle;

use crate::Result;

/// How long a condition may take, far above what it needs.
const LIMIT: Duration = Duration::from_mins(4);
/// How often it is tried.
const LOOK: Duration = Duration::from_millis(100);

/// All watches.
pub struct Crowd {
    store: Store<DynamicObject>,
    watch: AbortHandle,
}

impl Crowd {
    /// Begins to watch the watches.
    pub fn new(api: Api<DynamicObject>, resource: ApiResource) -> Self {
        let writer = Writer::new(resource);
        let store = writer.as_reader();
        let changes = watcher(api, watcher::Config::default()).default_backoff().reflect(writer);
        // A stream that fails begins again; if the cache stays behind, a condition on it times out.
        let watch = tokio::spawn(changes.for_each(|_| std::future::ready(()))).abort_handle();
        Self { store, watch }
    }

    /// Waits until so many watches, and no others, are as wanted.
    pub async fn until(
        &self,
        what: &str,
        count: usize,
        wanted: impl Fn(&DynamicObject) -> bool,
    ) -> Result<()> {
        let begun = Instant::now();
        loop {
            let all = self.store.state();
            let other = all.iter().find(|watch| !wanted(watch));
            if other.is_none() && all.len() == count {
                return Ok(());
            }
            if begun.elapsed() > LIMIT {
                let other = other.map(|watch| format!("{}: {}", watch.name_any(), watch.data["status"]));
                let all = all.len();
                return Err(
                    format!("{what}: not within {LIMIT:?}, of {all} watches for {count}: {other:?}").into()
                );
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

/// The status of the Ready condition; empty where there is none.
pub fn ready(watch: &DynamicObject) -> &str {
    let conditions = watch.data["status"]["conditions"].as_array().into_iter().flatten();
    let ready = conditions.into_iter().find(|condition| condition["type"] == "Ready");
    ready.and_then(|condition| condition["status"].as_str()).unwrap_or_default()
}

/// Whether a watch tells of the end of its newest backup and of its present spec.
pub fn is_well(watch: &DynamicObject) -> bool {
    let status = &watch.data["status"];
    ready(watch) == "True"
        && (status["phase"] == "Success" || status["phase"] == "Failed")
        && status["observedGeneration"].as_i64() == watch.metadata.generation
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_watch_is_well_when_it_is_ready_ended_and_observed() {
        let is_well = |generation: i64, phase: &str, ready: &str| {
            let conditions = [json!({ "type": "Ready", "status": ready })];
            let status = json!({ "observedGeneration": 2, "phase": phase, "conditions": conditions });
            let metadata = json!({ "name": "a", "generation": generation });
            is_well(&serde_json::from_value(json!({ "metadata": metadata, "status": status })).unwrap())
        };
        assert!(is_well(2, "Success", "True") && is_well(2, "Failed", "True"));
        assert!(
            !is_well(3, "Success", "True")
                && !is_well(2, "Running", "True")
                && !is_well(2, "Success", "False")
        );
    }
}
