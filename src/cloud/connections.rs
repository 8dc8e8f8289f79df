//! The HTTP client, made anew when the file of `--ca-file` changes.
//!
//! A `ConfigMap` renews the file in a running pod. A client that has read it once would refuse the renewed certificate of
//! the endpoint until a restart, so the file is looked at before each request. That costs one `stat`, on the local disk.

use std::fs::{self, File, Metadata};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Certificate, redirect, tls};

use super::{http::HttpError, proxy::Proxy};

/// The most that is read of a CA file: the authorities of the whole web are a quarter of it.
const MAX_CA_FILE: u64 = 1024 * 1024;

/// How requests are sent.
#[derive(Clone, Debug)]
pub struct Settings {
    /// For a whole call, from the connection to the last byte of the body.
    pub request_timeout: Duration,
    /// A file of PEM certificates to trust besides the system's. It is read again when it changes.
    pub ca_file: Option<PathBuf>,
    /// The proxy on the way, if any. Without one every host is reached directly, whatever the environment says.
    pub proxy: Option<Proxy>,
    /// Sent with each request.
    pub user_agent: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(15),
            ca_file: None,
            proxy: None,
            user_agent: concat!("cce-backup-watch/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// Hands out the client. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Connections {
    settings: Arc<Settings>,
    current: Arc<Mutex<Current>>,
}

#[derive(Debug)]
struct Current {
    client: reqwest::Client,
    /// The file as it was when it was last read, whatever came of that.
    stamp: Option<Stamp>,
}

/// Tells a changed file from the same one. A `ConfigMap` is replaced by another file, so the number of the file counts.
type Stamp = (u64, u64, u64, i64, i64);

impl Connections {
    /// Needs a rustls crypto provider installed in the process.
    pub fn new(settings: Settings) -> Result<Self, HttpError> {
        let stamp = settings.ca_file.as_deref().and_then(stamp);
        let client = build(&settings)?;
        Ok(Self { settings: Arc::new(settings), current: Arc::new(Mutex::new(Current { client, stamp })) })
    }

    /// The client to send the next request with. A changed file that cannot be used is logged once, and the client stays
    /// what it was.
    pub fn client(&self) -> reqwest::Client {
        // Ignores poisoning: each change is one assignment.
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(path) = &self.settings.ca_file else { return current.client.clone() };
        let stamp = stamp(path);
        if stamp != current.stamp {
            current.stamp = stamp;
            match build(&self.settings) {
                Ok(client) => {
                    current.client = client;
                    tracing::info!("the file of --ca-file has changed and is read again");
                }
                Err(error) => tracing::warn!(
                    "the file of --ca-file has changed and cannot be used, so what it held before stays trusted: {error}"
                ),
            }
        }
        current.client.clone()
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let of = |file: Metadata| (file.dev(), file.ino(), file.size(), file.mtime(), file.mtime_nsec());
    fs::metadata(path).ok().map(of)
}

fn build(settings: &Settings) -> Result<reqwest::Client, HttpError> {
    // Without a provider, reqwest would panic when the client is built.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        return Err(HttpError::NoTlsProvider);
    }
    let mut builder = reqwest::Client::builder()
        .timeout(settings.request_timeout)
        .user_agent(&settings.user_agent)
        .redirect(redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .http1_only()
        .tls_version_min(tls::Version::TLS_1_2);
    if let Some(proxy) = settings.proxy.clone() {
        builder = builder.proxy(proxy.into_inner());
    }
    if let Some(path) = &settings.ca_file {
        let mut pem = Vec::new();
        let read = File::open(path).and_then(|file| file.take(MAX_CA_FILE).read_to_end(&mut pem));
        read.map_err(HttpError::NoCaFile)?;
        let certificates = Certificate::from_pem_bundle(&pem).map_err(|_| HttpError::CaFile)?;
        if certificates.is_empty() {
            return Err(HttpError::CaFile);
        }
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(HttpError::Setup)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_file_that_is_missing_or_without_a_certificate_is_refused() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let path = std::env::temp_dir().join(format!("cbw-ca-unit-{}", std::process::id()));
        let settings = || Settings {
            request_timeout: Duration::from_secs(1),
            ca_file: Some(path.clone()),
            proxy: None,
            user_agent: "test".to_owned(),
        };
        assert!(matches!(Connections::new(settings()), Err(HttpError::NoCaFile(_))));
        for pem in ["", "hello", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"] {
            fs::write(&path, pem).unwrap();
            assert!(matches!(Connections::new(settings()), Err(HttpError::CaFile)), "{pem:?}");
        }
        fs::remove_file(&path).unwrap();
    }
}
