//! `cce-backup-watch probe`: asks a URL until it answers with success, or the time is up.
//!
//! The image holds nothing but this binary, so `helm test` and exec probes use this command. It takes a URL and a time
//! limit, sends the requests, and prints the answer; the exit code is left to `main`.

use std::time::Duration;

use reqwest::{Client, StatusCode, Url, redirect};
use tokio::time::{Instant, sleep, timeout_at};

use crate::cli::ProbeArgs;
use crate::cloud::client::HttpError;
use crate::commands::{error::Error, output};

/// How long to wait between two tries.
const PAUSE: Duration = Duration::from_millis(500);

/// Asks until the answer is a success, and prints it.
pub async fn run(args: &ProbeArgs) -> Result<u8, Error> {
    let client = Client::builder().no_proxy().redirect(redirect::Policy::none()).build();
    let client = client.map_err(HttpError::Setup)?;
    let (url, timeout) = (&args.url, args.timeout);
    let deadline = Instant::now() + timeout;
    let mut last = None;
    loop {
        match timeout_at(deadline, ask(&client, url)).await {
            Ok(Some((status, body))) if status.is_success() => {
                let lines: Vec<_> = body.trim_end().lines().map(output::shown).collect();
                output::result(&format!("{}\n", lines.join("\n")))?;
                return Ok(0);
            }
            Ok(answer) => last = answer.map(|(status, _)| status),
            // The time was up during this attempt, so the answer to the one before is reported.
            Err(_) => {}
        }
        if Instant::now() + PAUSE >= deadline {
            let url = url.clone();
            return Err(match last {
                Some(status) => Error::Status { url, status, timeout },
                None => Error::NoAnswer { url, timeout },
            });
        }
        sleep(PAUSE).await;
    }
}

async fn ask(client: &Client, url: &Url) -> Option<(StatusCode, String)> {
    let response = client.get(url.clone()).send().await.ok()?;
    let status = response.status();
    Some((status, response.text().await.ok()?))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use axum::{Router, routing::get};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers 503 to the first `refusals` requests, and 200 to all others.
    async fn server(refusals: u32) -> Url {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let left = Arc::new(AtomicU32::new(refusals));
        let app = Router::new().route(
            "/readyz",
            get(move || async move {
                let refuse =
                    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
                if refuse { (StatusCode::SERVICE_UNAVAILABLE, "not yet") } else { (StatusCode::OK, "ok") }
            }),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/readyz", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        url.parse().unwrap()
    }

    #[tokio::test]
    async fn it_asks_again_until_the_answer_is_good() {
        let args = ProbeArgs { url: server(2).await, timeout: Duration::from_secs(20) };
        run(&args).await.unwrap();
    }

    #[tokio::test]
    async fn a_bad_answer_to_the_end_is_told_with_its_status() {
        let args = ProbeArgs { url: server(u32::MAX).await, timeout: Duration::from_millis(700) };
        let error = run(&args).await.unwrap_err().to_string();
        assert!(error.contains("503"), "{error}");
    }

    #[tokio::test]
    async fn no_answer_is_a_failure() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/readyz", listener.local_addr().unwrap()).parse().unwrap();
        drop(listener);
        let _ = rustls::crypto::ring::default_provider().install_default();
        let error = run(&ProbeArgs { url, timeout: Duration::from_millis(100) }).await.unwrap_err();
        assert!(matches!(error, Error::NoAnswer { .. }), "{error}");
    }
}
