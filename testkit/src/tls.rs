//! TLS in front of the simulator, with a certificate of a made-up authority.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cce_simulator::Simulator;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, rustls};

/// Takes the TLS off and passes everything on; what the simulator breaks off, breaks off here too.
pub struct Tls {
    address: SocketAddr,
    ca: PathBuf,
    server: tokio::task::JoinHandle<()>,
}

/// Tells the files of the tests of one process apart.
static FILES: AtomicU64 = AtomicU64::new(0);

impl Tls {
    /// Starts it, and writes the certificate of its authority into a file.
    pub async fn start(simulator: &Simulator) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.into())
            .unwrap();

        let number = FILES.fetch_add(1, Ordering::Relaxed);
        let ca = std::env::temp_dir().join(format!("cbw-ca-{}-{number}.pem", std::process::id()));
        std::fs::write(&ca, pem).unwrap();

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (acceptor, behind) = (TlsAcceptor::from(Arc::new(config)), simulator.address());
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
        Self { address, ca, server }
    }

    /// The URL that takes the place of the simulator's own.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The value of `--ca-file`.
    pub fn ca_file(&self) -> &str {
        self.ca.to_str().unwrap()
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        self.server.abort();
        // Left behind it would harm nobody.
        let _ = std::fs::remove_file(&self.ca);
    }
}
