//! A cache of all watches, which a watch of the API server keeps, and conditions on it to wait for.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::StreamExt;
use kube::{
    Api, ResourceExt,
    api::{ApiResource, DynamicObject},
    runtime::{
        WatchStreamExt,
        reflector::{self, Store},
        watcher,
    },
};
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::{Result, api_server::ApiServer, watches};

/// How often a condition is tried.
const LOOK: Duration = Duration::from_millis(100);

/// All watches.
pub struct Crowd {
    /// The interface to write the watches.
    pub api: Api<DynamicObject>,
    /// The kind of the watches.
    pub resource: ApiResource,
    store: Store<DynamicObject>,
    watch: JoinHandle<()>,
}

impl Crowd {
    /// Begins to watch the watches.
    pub fn new(api_server: &ApiServer) -> Self {
        let (api, resource) = watches::api(api_server);
        let writer = reflector::store::Writer::new(resource.clone());
        let store = writer.as_reader();
        let changes = watcher(api.clone(), watcher::Config::default()).default_backoff().reflect(writer);
        // A stream that fails begins again; if the cache stays behind, a condition on it times out.
        let watch = tokio::spawn(changes.for_each(|_| std::future::ready(())));
        Self { api, resource, store, watch }
    }

    /// Waits until so many watches, and no others, are as wanted.
    pub async fn until(
        &self,
        what: &str,
        limit: Duration,
        count: usize,
        wanted: impl Fn(&DynamicObject) -> bool,
    ) -> Result<()> {
        let begun = Instant::now();
        loop {
            let all: Vec<Arc<DynamicObject>> = self.store.state();
            let others: Vec<_> = all.iter().filter(|watch| !wanted(watch)).collect();
            if others.is_empty() && all.len() == count {
                return Ok(());
            }
            if begun.elapsed() > limit {
                let example =
                    others.first().map(|watch| format!("{}: {}", watch.name_any(), watch.data["status"]));
                let (existing, missing) = (all.len(), others.len());
                return Err(format!(
                    "{what}: not so after {} s for {missing} of {existing} watches (there should be {count}), such as {}",
                    limit.as_secs(),
                    example.unwrap_or_default()
                )
                .into());
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

/// The status of a condition; empty where there is none.
pub fn condition<'a>(watch: &'a DynamicObject, type_: &str) -> &'a str {
    let conditions = watch.data["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let condition = conditions.iter().find(|condition| condition["type"] == type_);
    condition.and_then(|condition| condition["status"].as_str()).unwrap_or_default()
}

/// The phase of the newest backup.
pub fn phase(watch: &DynamicObject) -> Option<&str> {
    watch.data["status"]["phase"].as_str()
}

/// The generation that the status is about.
pub fn is_observed(watch: &DynamicObject) -> bool {
    watch.data["status"]["observedGeneration"] == Value::from(watch.metadata.generation)
}

#[cfg(test)]
mod tests {
    use kube::api::GroupVersionKind;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_status_is_read_as_it_stands_and_none_is_nothing() {
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("a", "v1", "A"));
        let mut watch = DynamicObject::new("a", &kind);
        assert_eq!((condition(&watch, "Ready"), phase(&watch), is_observed(&watch)), ("", None, true));
        watch.metadata.generation = Some(2);
        watch.data = json!({ "status": {
            "observedGeneration": 1, "phase": "Success", "conditions": [{ "type": "Ready", "status": "True" }],
        } });
        assert_eq!(
            (condition(&watch, "Ready"), phase(&watch), is_observed(&watch)),
            ("True", Some("Success"), false)
        );
    }
}
