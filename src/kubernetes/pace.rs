//! A pace for watches. An API server, or a proxy before it, may end each watch as soon as it has begun. kube's runtime takes
//! this for a watch on which nothing happened, and begins the next one at once, without a backoff. So of one path a watch
//! begins [`PACE`] after the one before at the earliest. One that lasts longer is not followed any later.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::Request;
use kube::{
    Client,
    client::{Body, ClientBuilder},
};
use tokio::time::{Instant, sleep_until};

/// The least time from the beginning of a watch to that of the next one.
pub const PACE: Duration = Duration::from_secs(1);

/// The client, whose watches keep the pace. Other requests are sent at once.
pub fn paced(client: Client) -> Client {
    let next = Arc::new(Mutex::new(HashMap::<String, Instant>::new()));
    let namespace = client.default_namespace().to_owned();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, next) = (client.clone(), next.clone());
        async move {
            if request.uri().query().is_some_and(|query| query.split('&').any(|pair| pair == "watch=true")) {
                let begins = {
                    let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
                    let next = next.entry(request.uri().path().to_owned()).or_insert_with(Instant::now);
                    let begins = (*next).max(Instant::now());
                    *next = begins + PACE;
                    begins
                };
                sleep_until(begins).await;
            }
            client.send(request).await
        }
    });
    ClientBuilder::new(service, namespace).build()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::http::Response;
    use kube::{Api, api::WatchParams};

    use super::*;
    use crate::api::ClusterBackupWatch;

    #[tokio::test(start_paused = true)]
    async fn watches_that_end_at_once_are_begun_one_a_second_and_one_that_lasted_is_followed_at_once() {
        let service = tower::service_fn(|_: Request<Body>| {
            std::future::ready(Ok::<_, Infallible>(Response::new(Body::empty())))
        });
        let api: Api<ClusterBackupWatch> = Api::all(paced(Client::new(service, "default")));
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
}
