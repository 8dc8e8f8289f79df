//! The body of a watch: the API server's events are passed on until a test silences watches or has them expire.

use std::sync::Arc;

use axum::body::Bytes;
use futures::{Stream, stream};
use serde_json::json;

use super::{Http, answers::failure};

/// What happens to watches.
#[derive(Clone, Copy, Default)]
pub(super) struct Watches {
    /// Whether watches deliver nothing.
    pub(super) silent: bool,
    /// How often watches were ended because the resourceVersion that they resume from was compacted.
    pub(super) expired: u32,
}

/// The chunks of a watch until watches are silenced or this one expires. A silenced body neither goes on nor ends before
/// it expires; an expired one ends with an ERROR event of code 410. Where no watch of a path was open just then, the
/// next one expires: it resumes from a version of before.
pub(super) fn carry(
    answer: reqwest::Response,
    http: Arc<Http>,
    path: String,
) -> impl Stream<Item = reqwest::Result<Bytes>> {
    let mut watches = http.watches.subscribe();
    let expired = watches.borrow_and_update().expired;
    let told = *http.lock().expired.entry(path.clone()).or_insert(expired);
    stream::try_unfold(Some((answer, watches, http, path)), move |state| async move {
        let Some((mut answer, mut watches, http, path)) = state else { return Ok(None) };
        let disturbed = async {
            // Both waits fail only if the proxy has ended.
            let _ = watches.wait_for(|watches| watches.silent || watches.expired != told).await;
        };
        tokio::select! {
            biased;
            () = disturbed => {
                let _ = watches.wait_for(|watches| watches.expired != told).await;
                http.lock().expired.insert(path, watches.borrow().expired);
                let error = json!({ "type": "ERROR", "object": failure(410) });
                Ok(Some((format!("{error}\n").into(), None)))
            }
            chunk = answer.chunk() => Ok(chunk?.map(|chunk| (chunk, Some((answer, watches, http, path))))),
        }
    })
}
