//! The body of a watch: the API server's events are passed on until a test silences watches or has them expire.

use axum::body::Bytes;
use futures::{Stream, stream};
use serde_json::json;
use tokio::sync::watch;

use super::answers::failure;

/// What happens to watches.
#[derive(Clone, Copy, Default)]
pub(super) struct Watches {
    /// Whether watches deliver nothing.
    pub(super) silent: bool,
    /// How often all open watches were ended because the resourceVersion that they resume from was compacted.
    pub(super) expired: u32,
}

/// The chunks of a watch until watches are silenced or this one expires. A silenced body neither goes on nor ends before
/// it expires; an expired one ends with an ERROR event of code 410.
pub(super) fn carry(
    answer: reqwest::Response,
    mut watches: watch::Receiver<Watches>,
) -> impl Stream<Item = reqwest::Result<Bytes>> {
    let expired = watches.borrow_and_update().expired;
    stream::try_unfold(Some((answer, watches)), move |state| async move {
        let Some((mut answer, mut watches)) = state else { return Ok(None) };
        let disturbed = async {
            // Both waits fail only if the proxy has ended.
            let _ = watches.wait_for(|watches| watches.silent || watches.expired != expired).await;
        };
        tokio::select! {
            biased;
            () = disturbed => {
                let _ = watches.wait_for(|watches| watches.expired != expired).await;
                let error = json!({ "type": "ERROR", "object": failure(410) });
                Ok(Some((format!("{error}\n").into(), None)))
            }
            chunk = answer.chunk() => Ok(chunk?.map(|chunk| (chunk, Some((answer, watches))))),
        }
    })
}
