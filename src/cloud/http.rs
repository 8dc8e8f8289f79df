//! One HTTP exchange that is bounded in time and in size and never leaves the host it was meant for.
//!
//! The client is that of [`super::connections`]: redirects are not followed, only a proxy that a flag names is used, and
//! certificate checks cannot be switched off. What an answer means is left to [`super::refusal`] and [`super::wire`].

use std::{error::Error as _, io};

use jiff::Timestamp;
use reqwest::{
    RequestBuilder,
    header::{CONTENT_ENCODING, DATE, HeaderMap, HeaderValue},
};

use super::{
    credentials::Credential,
    fault::{Fault, FaultKind},
    tls,
};

/// The most that is read of an answer, unless the caller allows more. A good one has a few kilobytes.
pub const MAX_BODY: usize = 1024 * 1024;

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
}

/// How the reading of a body ended.
pub(super) enum Body {
    Whole(Vec<u8>),
    /// Larger than the limit; the rest was not read.
    TooLarge,
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

    /// The part of the body that a refusal is classified by: all of it, or nothing if it was not read to its end.
    pub fn prefix(&self) -> &[u8] {
        match &self.body {
            Body::Whole(bytes) => bytes,
            Body::TooLarge | Body::Broken(_) => &[],
        }
    }

    /// Overwrites the credential wherever the other side sent it back.
    pub fn redact(&mut self, credential: &Credential) {
        if let Body::Whole(bytes) = &mut self.body {
            credential.redact(bytes);
        }
        for value in self.headers.values_mut() {
            let mut bytes = value.as_bytes().to_vec();
            credential.redact(&mut bytes);
            // This cannot fail, because asterisks are valid in a header.
            *value = HeaderValue::from_bytes(&bytes).unwrap_or(HeaderValue::from_static(""));
        }
    }
}

/// The time in the header `Date`, in whole seconds.
pub(super) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let date = headers.get(DATE)?.to_str().ok()?;
    Timestamp::try_from(httpdate::parse_http_date(date).ok()?).ok()
}

/// Sends a request and reads the answer. `whom` completes the sentence "cannot connect to …".
pub(super) async fn exchange(request: RequestBuilder, whom: &str) -> Result<Reply, Fault> {
    exchange_within(request, whom, MAX_BODY).await
}

/// Like [`exchange`], for a body of at most `max` bytes.
pub(super) async fn exchange_within(request: RequestBuilder, whom: &str, max: usize) -> Result<Reply, Fault> {
    let mut response = request.send().await.map_err(|error| unavailable(&error, whom))?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = read(&mut response, whom, max).await;
    Ok(Reply { status, headers, body })
}

async fn read(response: &mut reqwest::Response, whom: &str, max: usize) -> Body {
    let mut bytes = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if bytes.len() + chunk.len() > max => return Body::TooLarge,
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => return Body::Whole(bytes),
            Err(error) => return Body::Broken(unavailable(&error, whom)),
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
}
