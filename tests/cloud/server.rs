//! A server that misbehaves exactly as told, over plain TCP or TLS, and remembers what it was asked.
//!
//! Raw on purpose: an HTTP library would refuse to send most of what is sent here.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, rustls};

/// What to do with a request, once its head was read.
#[derive(Clone)]
pub enum Act {
    /// Send these bytes and close.
    Send(Vec<u8>),
    /// Send these bytes and reset the connection.
    Reset(Vec<u8>),
    /// Send these bytes one by one, this far apart.
    Drip(Vec<u8>, Duration),
    /// Say nothing and keep the connection.
    Hang,
    /// Send these bytes and then so many more.
    Flood(Vec<u8>, usize),
    /// Answer with this status, and with everything that was asked in every place of the answer.
    Echo(u16),
}

/// A whole answer.
pub fn answer(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n", body.len());
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

pub struct Server {
    pub address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    sent: Arc<AtomicUsize>,
}

impl Server {
    /// Plain HTTP. The n-th connection gets the n-th act, later ones the last.
    pub async fn plain(acts: impl Into<Vec<Act>>) -> Self {
        Self::start(acts.into(), None).await
    }

    /// The same behind TLS, with this certificate.
    pub async fn tls(acts: impl Into<Vec<Act>>, certificate: rustls::ServerConfig) -> Self {
        Self::start(acts.into(), Some(TlsAcceptor::from(Arc::new(certificate)))).await
    }

    async fn start(acts: Vec<Act>, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Self { address, heads: Arc::default(), sent: Arc::default() };
        let (heads, sent) = (server.heads.clone(), server.sent.clone());
        tokio::spawn(async move {
            for n in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let act = acts[n.min(acts.len() - 1)].clone();
                let (tls, heads, sent) = (tls.clone(), heads.clone(), sent.clone());
                tokio::spawn(async move {
                    if matches!(act, Act::Reset(_)) {
                        stream.set_zero_linger().unwrap();
                    }
                    serve_one(stream, tls, act, &heads, &sent).await;
                });
            }
        });
        server
    }

    /// The heads of all requests so far.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// How many bytes of answers went out.
    pub fn sent(&self) -> usize {
        self.sent.load(Ordering::SeqCst)
    }
}

async fn serve_one(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    act: Act,
    heads: &Mutex<Vec<String>>,
    sent: &AtomicUsize,
) {
    match tls {
        None => play(stream, act, heads, sent).await,
        // A client that refuses the certificate ends the handshake.
        Some(tls) => match tls.accept(stream).await {
            Ok(stream) => play(stream, act, heads, sent).await,
            Err(_) => None,
        },
    };
}

/// Returns nothing when the client went away, which is no failure of a test.
async fn play(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    act: Act,
    heads: &Mutex<Vec<String>>,
    sent: &AtomicUsize,
) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    heads.lock().unwrap().push(head.clone());
    match act {
        Act::Send(bytes) => {
            stream.write_all(&bytes).await.ok()?;
            stream.shutdown().await.ok()
        }
        Act::Reset(bytes) => {
            stream.write_all(&bytes).await.ok()?;
            // Dropping a socket without linger resets it; the bytes should have arrived by then.
            tokio::time::sleep(Duration::from_millis(100)).await;
            Some(())
        }
        Act::Drip(bytes, pause) => {
            for byte in bytes {
                stream.write_all(&[byte]).await.ok()?;
                stream.flush().await.ok()?;
                tokio::time::sleep(pause).await;
            }
            Some(())
        }
        Act::Hang => std::future::pending().await,
        Act::Flood(bytes, more) => {
            stream.write_all(&bytes).await.ok()?;
            let chunk = vec![b' '; 16 * 1024];
            for _ in 0..more / chunk.len() {
                stream.write_all(&chunk).await.ok()?;
                sent.fetch_add(chunk.len(), Ordering::SeqCst);
            }
            Some(())
        }
        Act::Echo(status) => {
            let header = |name: &str| {
                let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(name));
                line.map_or("", |line| &line[name.len()..]).to_owned()
            };
            let (authorization, token) = (header("authorization: "), header("x-security-token: "));
            let body = serde_json::json!({
                "errorCode": if status == 200 { "" } else { "CCE.01400001" }, "errorMessage": token,
                "items": [{
                    "metadata": {"uid": token}, "status": {"phase": head},
                    "spec": {"items": [{"id": authorization, "message": head}]},
                }],
            });
            let echo = [("x-request-id", authorization.as_str()), ("retry-after", &token)];
            stream.write_all(&answer(status, &echo, body.to_string())).await.ok()?;
            stream.shutdown().await.ok()
        }
    }
}
