//! One HTTP exchange that is bounded in time and in size and never leaves the host it was meant for.
//!
//! Redirects are not followed, only a proxy that a flag names is used, and certificate checks cannot be switched off.
//! What an answer means is left to [`super::refusal`] and [`super::wire`].

use std::{error::Error as _, io, time::Duration};

use reqwest::{
    Certificate, RequestBuilder,
    header::{CONTENT_ENCODING, HeaderMap, HeaderValue},
    redirect, tls,
};

use super::{
    credentials::Credential,
    fault::{Fault, FaultKind},
    proxy::Proxy,
};

/// The most that is read of a list of tasks. A good one has a few kilobytes.
pub const MAX_BODY: usize = 1024 * 1024;
/// The most that is read of an answer that is no list: a credential, the uid of a backup, or an error, of which the
/// beginning suffices.
pub const MAX_SHORT_BODY: usize = 64 * 1024;

/// Why no HTTP client could be made.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
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

/// Builds a client. `ca_pem` adds to the system's roots; without a proxy every host is reached directly, whatever the
/// environment says.
pub(super) fn client(
    timeout: Duration,
    ca_pem: Option<&[u8]>,
    user_agent: &str,
    proxy: Option<Proxy>,
) -> Result<reqwest::Client, HttpError> {
    // Without a provider, reqwest would panic when the client is built.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        return Err(HttpError::NoTlsProvider);
    }
    let mut builder = reqwest::Client::builder()
        .timeout(timeout)
        .user_agent(user_agent)
        .redirect(redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .http1_only()
        .tls_version_min(tls::Version::TLS_1_2);
    if let Some(proxy) = proxy {
        builder = builder.proxy(proxy.into_inner());
    }
    if let Some(pem) = ca_pem {
        let certificates = Certificate::from_pem_bundle(pem).map_err(|_| HttpError::CaFile)?;
        if certificates.is_empty() {
            return Err(HttpError::CaFile);
        }
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(HttpError::Setup)
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
    /// Larger than the limit: the beginning of an error, and nothing of a success. The rest was not read.
    TooLarge(Vec<u8>),
    /// The connection broke off, or the time was up.
    Broken(Fault),
}

impl Reply {
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

    /// Overwrites the credential wherever the other side sent it back.
    pub fn redact(&mut self, credential: &Credential) {
        if let Body::Whole(bytes) | Body::TooLarge(bytes) = &mut self.body {
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

/// Sends a request and reads the answer, of a success at most `max` bytes. `whom` completes the sentence "cannot connect
/// to …".
pub(super) async fn exchange(request: RequestBuilder, whom: &str, max: usize) -> Result<Reply, Fault> {
    let mut response = request.send().await.map_err(|error| unavailable(&error, whom))?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = read(&mut response, whom, max).await;
    Ok(Reply { status, headers, body })
}

async fn read(response: &mut reqwest::Response, whom: &str, max: usize) -> Body {
    let is_success = response.status().is_success();
    let max = if is_success { max } else { max.min(MAX_SHORT_BODY) };
    // The length is only what the other side says, so nothing is reserved beyond the limit.
    let length = response.content_length().and_then(|length| usize::try_from(length).ok());
    let mut bytes = Vec::with_capacity(length.unwrap_or_default().min(max));
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

/// The fault names only the kind of a transport error: its text holds addresses and differs from attempt to attempt.
fn unavailable(error: &reqwest::Error, whom: &str) -> Fault {
    let message = if is_tls(error) {
        format!(
            "the certificate or TLS handshake of {whom} is refused: check its certificate, the host and --ca-file"
        )
    } else if error.is_timeout() {
        format!("no whole answer from {whom} in time: check the network on the way, or allow more time")
    } else if error.is_connect() {
        format!(
            "cannot connect to {whom}: check its address, DNS, network policies and the proxy if there is one"
        )
    } else {
        format!("the connection to {whom} broke off before the answer was whole")
    };
    Fault::new(FaultKind::CloudUnavailable, message)
}

fn is_tls(error: &reqwest::Error) -> bool {
    let mut next = error.source();
    while let Some(error) = next {
        if error.is::<rustls::Error>() {
            return true;
        }
        next = match error.downcast_ref::<io::Error>() {
            // A rustls error is wrapped in an io::Error, whose source() skips the wrapped error itself.
            Some(error) => error.get_ref().map(|inner| -> &(dyn std::error::Error + 'static) { inner }),
            None => error.source(),
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_file_without_a_certificate_is_refused() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        for pem in ["", "hello", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"] {
            let refused = client(Duration::from_secs(1), Some(pem.as_bytes()), "test", None);
            assert!(matches!(refused, Err(HttpError::CaFile)), "{pem:?}");
        }
    }
}
