//! TLS with certificates of a made-up authority, and a server that puts it in front of the simulator.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cce_simulator::Simulator;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self,
        pki_types::{CertificateDer, PrivateKeyDer},
    },
};

/// Takes the TLS off and passes everything on; what the simulator breaks off, breaks off here too.
pub struct Tls {
    url: String,
    authority: Authority,
    server: tokio::task::JoinHandle<()>,
}

impl Tls {
    /// Starts it on loopback, under this host name or address, for which an authority of its own gives it a certificate.
    pub async fn start(simulator: &Simulator, host: &str) -> Self {
        let authority = Authority::create();
        let acceptor = TlsAcceptor::from(Arc::new(authority.certificate(host)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{host}:{}", listener.local_addr().unwrap().port());
        let behind = simulator.address();
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // A client that refuses the certificate, or a connection that breaks, is what a test causes.
                    stream.set_nodelay(true).ok()?;
                    let mut outside = acceptor.accept(stream).await.ok()?;
                    let mut inside = TcpStream::connect(behind).await.ok()?;
                    inside.set_nodelay(true).ok()?;
                    tokio::io::copy_bidirectional(&mut outside, &mut inside).await.ok()
                });
            }
        });
        Self { url, authority, server }
    }

    /// The URL that takes the place of the simulator's own.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The value of `--ca-file`.
    pub fn ca_file(&self) -> &str {
        self.authority.ca_file().to_str().unwrap()
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// An authority of our own.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate, as `--ca-file` holds it.
    pub pem: String,
    /// Itself, as a server's side of TLS: what `openssl req -x509` makes.
    own: (CertificateDer<'static>, Vec<u8>),
    file: PathBuf,
}

/// When a certificate holds.
#[derive(Clone, Copy)]
pub enum Holds {
    /// While the test runs.
    Now,
    /// Its end has passed.
    NoMore,
    /// Its beginning has not come.
    NotYet,
}

impl Authority {
    /// Makes it, and writes its certificate into a file.
    pub fn create() -> Self {
        // Tells the files of the tests of one process apart.
        static FILES: AtomicU64 = AtomicU64::new(0);
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let number = FILES.fetch_add(1, Ordering::Relaxed);
        let file = std::env::temp_dir().join(format!("cbw-authority-{}-{number}.pem", std::process::id()));
        std::fs::write(&file, certificate.pem()).unwrap();
        let own = (certificate.der().clone(), key.serialize_der());
        Self { pem: certificate.pem(), own, issuer: Issuer::new(params, key), file }
    }

    /// The file for `--ca-file`.
    pub fn ca_file(&self) -> &Path {
        &self.file
    }

    /// A server's side of TLS for this host name or address.
    pub fn certificate(&self, host: &str) -> rustls::ServerConfig {
        self.certificate_that(host, Holds::Now)
    }

    /// The same, for a while.
    pub fn certificate_that(&self, host: &str, holds: Holds) -> rustls::ServerConfig {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([host.to_owned()]).unwrap();
        match holds {
            Holds::Now => {}
            Holds::NoMore => params.not_after = date_time_ymd(2020, 1, 1),
            Holds::NotYet => params.not_before = date_time_ymd(2200, 1, 1),
        }
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        serving(certificate.der().clone(), key.into())
    }

    /// A server that shows the certificate of the authority itself.
    pub fn as_server(&self) -> rustls::ServerConfig {
        serving(self.own.0.clone(), PrivateKeyDer::try_from(self.own.1.clone()).unwrap())
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        // Left behind it would harm nobody.
        let _ = std::fs::remove_file(&self.file);
    }
}

fn serving(certificate: CertificateDer<'static>, key: PrivateKeyDer<'static>) -> rustls::ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    builder.unwrap().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap()
}
