//! One HTTP exchange that is bounded in time and in size and never leaves the host it was meant for.
//!
//! The client is that of [`super::connections`]: redirects are not followed, only a proxy that a flag names is used, and
//! certificate checks cannot be switched off. What an answer means is left to [`super::refusal`] and [`super::wire`].

use std::sync::Arc;
use std::{error::Error as _, io};

use jiff::Timestamp;
use reqwest::{
    RequestBuilder,
    header::{CONTENT_ENCODING, DATE, HeaderMap, HeaderValue},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    fault::{Fault, FaultKind},
    tls,
};

/// The most that is read of a list of tasks. A good one has a few kilobytes.
pub const MAX_BODY: usize = 1024 * 1024;
/// The most that is read of an answer that is no list: a credential, the uid of a backup, or an error, of which the
/// beginning suffices.
pub const MAX_SHORT_BODY: usize = 64 * 1024;
/// How many bodies beyond [`MAX_SHORT_BODY`] are held at a time. One endpoint has at most a quarter of the requests, so it
/// takes more than one to use up all of them.
const LARGE_BODIES: usize = 32;
/// How many of these are decoded at a time. Decoding takes up to three times the body besides it.
const DECODED_BODIES: usize = 4;

/// Why no HTTP client could be made.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The file of the certificates to trust cannot be read.
    #[error("cannot read the file of --ca-file: {0}")]
    NoCaFile(#[source] io::Error),
    /// The certificates to trust are not PEM, or none.
    #[error("the CA file holds no PEM certificate: it needs at least one BEGIN CERTIFICATE block")]
    CaFile,
    /// The proxy's URL cannot be used. It may hold a password, so no message repeats it.
    #[error("--proxy is no URL of a proxy: write it as http://HOST:PORT or http://USER:PASSWORD@HOST:PORT")]
    Proxy,
    /// `rustls` has no crypto provider: the process forgot to install one.
    #[error("no TLS provider is installed in this process")]
    NoTlsProvider,
    /// The TLS set-up was refused, for example because there are no certificates to trust at all.
    #[error("the HTTP client cannot be set up: check the system's CA certificates and the CA file")]
    Setup(#[source] reqwest::Error),
}

/// An answer, read to its end or to the size limit.
pub(super) struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Body,
    /// Frees the place of a large body.
    pub place: Option<OwnedSemaphorePermit>,
}

/// How the reading of a body ended.
pub(super) enum Body {
    Whole(Vec<u8>),
    /// Larger than the limit: the beginning of an error, and nothing of a success. The rest was not read.
    TooLarge(Vec<u8>),
    /// The connection broke off, or the time was up.
    Broken(Fault),
}

impl Reply {
    /// When the other side answered by its own clock, if it says so.
    pub fn date(&self) -> Option<Timestamp> {
        date(&self.headers)
    }

    /// Whether the body is in an encoding that nobody asked for.
    pub fn is_encoded(&self) -> bool {
        self.headers.get_all(CONTENT_ENCODING).iter().any(|encoding| encoding != "identity")
    }

    /// The part of the body that a refusal is classified by: its beginning, or nothing if the connection broke off.
    pub fn prefix(&self) -> &[u8] {
        match &self.body {
            Body::Whole(bytes) | Body::TooLarge(bytes) => &bytes[..bytes.len().min(MAX_SHORT_BODY)],
            Body::Broken(_) => &[],
        }
    }

    /// Overwrites wherever the other side sent it back what `redact` overwrites, such as a credential.
    pub fn redact(&mut self, redact: impl Fn(&mut [u8])) {
        if let Body::Whole(bytes) | Body::TooLarge(bytes) = &mut self.body {
            redact(bytes);
        }
        for value in self.headers.values_mut() {
            let mut bytes = value.as_bytes().to_vec();
            redact(&mut bytes);
            if bytes != value.as_bytes() {
                // This cannot fail, because asterisks are valid in a header.
                *value = HeaderValue::from_bytes(&bytes).unwrap_or(HeaderValue::from_static(""));
            }
        }
    }
}

/// The time in the header `Date`, in whole seconds.
pub(super) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let date = headers.get(DATE)?.to_str().ok()?;
    Timestamp::try_from(httpdate::parse_http_date(date).ok()?).ok()
}

/// Sends a request and reads the answer, of which at most 64 KiB are of use. `whom` completes the sentence "cannot
/// connect to …".
pub(super) async fn exchange(request: RequestBuilder, whom: &str) -> Result<Reply, Fault> {
    Bodies::default().exchange(request, whom, MAX_SHORT_BODY).await
}

/// Bounds the memory of all answers together that are read and decoded at one time. Clones share the bound.
///
/// Whoever answers a poll decides how long the answer is, and with 64 polls at a time a megabyte each would be 64 MiB, and
/// four times that while they are decoded. A good answer has a few kilobytes and waits for nothing here.
#[derive(Clone, Debug)]
pub(super) struct Bodies {
    large: Arc<Semaphore>,
    decoded: Arc<Semaphore>,
}

impl Default for Bodies {
    fn default() -> Self {
        let of = |places| Arc::new(Semaphore::new(places));
        Self { large: of(LARGE_BODIES), decoded: of(DECODED_BODIES) }
    }
}

impl Bodies {
    /// Like [`exchange`], for a success of at most `max` bytes.
    pub async fn exchange(&self, request: RequestBuilder, whom: &str, max: usize) -> Result<Reply, Fault> {
        let mut response = request.send().await.map_err(|error| unavailable(&error, whom))?;
        let (status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));
        let mut place = None;
        let body = self.read(&mut response, whom, max, &mut place).await;
        Ok(Reply { status, headers, body, place })
    }

    /// Waits until the answer may be decoded, which has to happen before the result is dropped.
    pub async fn turn(&self, reply: &Result<Reply, Fault>) -> Option<OwnedSemaphorePermit> {
        let is_large = reply.as_ref().is_ok_and(|reply| reply.place.is_some());
        // It is never closed.
        if is_large { self.decoded.clone().acquire_owned().await.ok() } else { None }
    }

    async fn read(
        &self,
        response: &mut reqwest::Response,
        whom: &str,
        max: usize,
        place: &mut Option<OwnedSemaphorePermit>,
    ) -> Body {
        let is_success = response.status().is_success();
        let max = if is_success { max } else { max.min(MAX_SHORT_BODY) };
        let mut bytes = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if bytes.len() + chunk.len() > max => {
                    if is_success {
                        return Body::TooLarge(Vec::new());
                    }
                    bytes.extend_from_slice(&chunk[..max - bytes.len()]);
                    return Body::TooLarge(bytes);
                }
                Ok(Some(chunk)) => {
                    if place.is_none() && bytes.len() + chunk.len() > MAX_SHORT_BODY {
                        // The time of the request runs on, so whoever has a place leaves it in time.
                        *place = self.large.clone().acquire_owned().await.ok();
                    }
                    // Doubling would take up to three times the body while it is copied.
                    if bytes.capacity() - bytes.len() < chunk.len() {
                        bytes.reserve_exact(chunk.len() + bytes.len() / 4);
                    }
                    bytes.extend_from_slice(&chunk);
                }
                Ok(None) => return Body::Whole(bytes),
                Err(error) => return Body::Broken(unavailable(&error, whom)),
            }
        }
    }
}

/// The fault names only the kind of a transport error: its text holds addresses and differs from attempt to attempt.
fn unavailable(error: &reqwest::Error, whom: &str) -> Fault {
    let message = if let Some(cause) = tls::cause(error) {
        tls::told(cause, whom)
    } else if error.is_timeout() {
        format!("no whole answer from {whom} in time: check the network on the way, or allow more time")
    } else if is_unresolved(error) {
        format!("the host name of {whom} is not found: check the name, and the DNS of this host or pod")
    } else if error.is_connect() {
        format!(
            "cannot connect to {whom}: check its address, network policies, firewalls and the proxy if there is one"
        )
    } else {
        format!("the connection to {whom} broke off before the answer was whole")
    };
    Fault::new(FaultKind::CloudUnavailable, message)
}

/// Whether the name of the host could not be resolved. The library has no type for it, and these words for its own error.
fn is_unresolved(error: &reqwest::Error) -> bool {
    let mut next = error.source();
    while let Some(error) = next {
        if error.to_string() == "dns error" {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn a_name_that_is_not_found_is_told_from_a_host_that_does_not_answer() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        // A label of more than 63 characters is refused by the resolver itself, which asks nobody.
        let nowhere = format!("http://{}.invalid/", "a".repeat(64));
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        for (url, said) in [
            (nowhere, "the host name of it is not found: check the name"),
            (format!("http://{closed}/"), "cannot connect to it: check its address"),
        ] {
            let Err(fault) = exchange(client.get(&url), "it").await else { panic!("{url}") };
            assert!(fault.message.starts_with(said), "{fault}");
        }
    }
    /// Answers each connection with so many bytes of white space.
    async fn endpoint(length: usize) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let head =
                        format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
                    let _ = connection.read(&mut [0; 1024]).await;
                    let _ = connection.write_all(head.as_bytes()).await;
                    let _ = connection.write_all(&vec![b' '; length]).await;
                });
            }
        });
        url
    }

    #[tokio::test]
    async fn a_large_answer_waits_for_a_place_and_a_short_one_for_nothing() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let (large, short) = (endpoint(MAX_SHORT_BODY + 1).await, endpoint(MAX_SHORT_BODY).await);
        let of = |places| Arc::new(Semaphore::new(places));
        let bodies = Bodies { large: of(2), decoded: of(1) };
        let ask = |url: &str| {
            let (bodies, request) = (bodies.clone(), client.get(url));
            async move { bodies.exchange(request, "it", MAX_BODY).await }
        };
        let is_whole = |reply: &Result<Reply, Fault>| {
            reply.as_ref().is_ok_and(|reply| matches!(reply.body, Body::Whole(_)))
        };
        let held = [ask(&large).await, ask(&large).await];
        assert!(held.iter().all(is_whole) && bodies.large.available_permits() == 0);
        let turn = bodies.turn(&held[0]).await;
        assert!(turn.is_some() && bodies.decoded.available_permits() == 0);

        let reply = ask(&short).await;
        assert!(is_whole(&reply) && bodies.turn(&reply).await.is_none());
        let mut third = std::pin::pin!(ask(&large));
        let early = tokio::time::timeout(Duration::from_millis(200), &mut third).await;
        assert!(early.is_err(), "there is no place for a third one");
        drop((held, turn));
        assert!(is_whole(&third.await));
        assert_eq!((bodies.large.available_permits(), bodies.decoded.available_permits()), (2, 1));
    }
}
