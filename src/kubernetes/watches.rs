//! What kube's runtime does not expect of a watch.
//!
//! An API server, or a proxy before it, may end each watch as soon as it has begun. kube's runtime takes this for a watch on
//! which nothing happened, and begins the next one at once, without a backoff. So of one path a watch begins [`PACE`] after
//! the one before at the earliest. One that lasts longer is not followed any later.
//!
//! And that a version is too old may be said by the status of the answer, 410. kube's runtime lists anew only where it is said
//! in the stream, which is what kube-apiserver does; else it would begin the same watch again for ever.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::{Request, Response, StatusCode};
use kube::{
    Client,
    client::{Body, ClientBuilder},
};
use serde_json::json;
use tokio::time::{Instant, sleep_until};

/// The least time from the beginning of a watch to that of the next one.
pub const PACE: Duration = Duration::from_secs(1);

/// The client, whose watches keep the pace and say in the stream that a version is too old. Other requests are sent as they are.
pub fn tamed(client: Client) -> Client {
    let next = Arc::new(Mutex::new(HashMap::<String, Instant>::new()));
    let namespace = client.default_namespace().to_owned();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, next) = (client.clone(), next.clone());
        async move {
            let is_watch =
                request.uri().query().is_some_and(|query| query.split('&').any(|pair| pair == "watch=true"));
            if is_watch {
                let begins = {
                    let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
                    let next = next.entry(request.uri().path().to_owned()).or_insert_with(Instant::now);
                    let begins = (*next).max(Instant::now());
                    *next = begins + PACE;
                    begins
                };
                sleep_until(begins).await;
            }
            let response = client.send(request).await?;
            let is_too_old = is_watch && response.status() == StatusCode::GONE;
            Ok::<_, kube::Error>(if is_too_old { too_old() } else { response })
        }
    });
    ClientBuilder::new(service, namespace).build()
}

/// A watch that says so, and ends.
fn too_old() -> Response<Body> {
    let status = json!({
        "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure", "code": 410, "reason": "Expired",
        "message": "the version is too old",
    });
    let line = format!("{}\n", json!({ "type": "ERROR", "object": status }));
    Response::new(Body::from(line.into_bytes()))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::{StreamExt, TryStreamExt};
    use kube::{Api, api::WatchParams, core::WatchEvent};

    use super::*;
    use crate::api::ClusterBackupWatch;

    #[tokio::test(start_paused = true)]
    async fn watches_that_end_at_once_are_begun_one_a_second_and_one_that_lasted_is_followed_at_once() {
        let service = tower::service_fn(|_: Request<Body>| {
            std::future::ready(Ok::<_, Infallible>(Response::new(Body::empty())))
        });
        let api: Api<ClusterBackupWatch> = Api::all(tamed(Client::new(service, "default")));
        let watch = async || drop(api.watch(&WatchParams::default(), "1").await.unwrap());
        let begun = Instant::now();
        for seconds in 0..5 {
            watch().await;
            assert_eq!(begun.elapsed().as_secs(), seconds);
        }
        tokio::time::advance(PACE * 20).await;
        let begun = Instant::now();
        watch().await;
        assert!(begun.elapsed() < PACE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_version_that_is_too_old_is_told_in_the_stream() {
        let service = tower::service_fn(|_: Request<Body>| {
            let gone = Response::builder().status(StatusCode::GONE).body(Body::empty());
            std::future::ready(Ok::<_, Infallible>(gone.unwrap()))
        });
        let api: Api<ClusterBackupWatch> = Api::all(tamed(Client::new(service, "default")));
        let mut events = api.watch(&WatchParams::default(), "1").await.unwrap().boxed();
        let Some(WatchEvent::Error(status)) = events.try_next().await.unwrap() else { panic!("it goes on") };
        assert_eq!(status.code, 410);
    }
}
