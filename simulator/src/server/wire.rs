//! Connections that can be reset, and that end when the simulator stops.
//!
//! An HTTP library closes a connection in order or not at all, and tests of a client need resets too. So each
//! connection has a switch by which a handler resets it, and watches for the end of the simulator.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Accepts connections until the simulator stops.
pub(crate) struct Door {
    pub(crate) tcp: TcpListener,
    pub(crate) stop: watch::Receiver<()>,
}

impl Listener for Door {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        let (stream, peer) = Listener::accept(&mut self.tcp).await;
        // Without TCP_NODELAY, the small writes of a slow answer would wait for each other.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
        let mut stop = self.stop.clone();
        // The sender never sends: this waits until it is dropped.
        let stopped = Box::pin(async move { while stop.changed().await.is_ok() {} });
        (Wire { stream, stopped, cut: Cut::default() }, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// The switch that resets a connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cut(Arc<AtomicBool>);

impl Cut {
    /// From here on the connection transfers no byte, and it is closed by a reset.
    pub(crate) fn pull(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_pulled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// What a handler knows of its connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) cut: Cut,
}

impl Connected<IncomingStream<'_, Door>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        Self { address: *stream.remote_addr(), cut: stream.io().cut.clone() }
    }
}

/// One connection.
pub(crate) struct Wire {
    stream: TcpStream,
    stopped: Pin<Box<dyn Future<Output = ()> + Send>>,
    cut: Cut,
}

impl Wire {
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.cut.is_pulled() || self.stopped.as_mut().poll(cx).is_ready() {
            // A future that has ended must not be polled again.
            self.stopped = Box::pin(std::future::ready(()));
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.cut.is_pulled() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // A connection that is closed with a linger time of zero ends with a reset.
        if self.cut.is_pulled()
            && let Err(error) = self.stream.set_zero_linger()
        {
            tracing::debug!(%error, "cannot reset a connection");
        }
    }
}
