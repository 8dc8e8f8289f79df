//! kube's client as the operator builds it, with pipes in memory in the place of sockets: hyper's pool of connections,
//! the limit on silence, the retries of kube. Without TLS and without credentials.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use fastrand::Rng;
use futures::{FutureExt, future::BoxFuture};
use hyper::{Uri, server::conn::http1, service::service_fn};
use hyper_timeout::TimeoutConnector;
use hyper_util::{
    client::legacy::{
        self,
        connect::{Connected, Connection},
    },
    rt::{TokioExecutor, TokioIo},
};
use kube::{
    Client, Config,
    client::{Body, ClientBuilder, ConfigExt, retry::RetryPolicy},
};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::time::sleep;
use tower::{BoxError, Service, ServiceBuilder, retry::RetryLayer};

use crate::fault::Fault;
use crate::http::answer;
use crate::server::Api;

/// A client of this API server, with what of a configuration is not about sockets, TLS and credentials.
pub fn client(api: &Arc<Mutex<Api>>, configure: impl FnOnce(Config) -> Config) -> Client {
    let config = configure(Config::new(Uri::from_static("http://kubernetes")));
    let mut connector = TimeoutConnector::new(Network(api.clone()));
    connector.set_connect_timeout(config.connect_timeout);
    connector.set_read_timeout(config.read_timeout);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.default_retry.then(|| RetryLayer::new(RetryPolicy::server_retry())))
        .map_err(BoxError::from)
        .service(legacy::Client::builder(TokioExecutor::new()).build::<_, Body>(connector));
    ClientBuilder::new(service, "default").build()
}

/// How long anything takes on the way.
pub fn latency(luck: &mut Rng) -> Duration {
    Duration::from_micros(luck.u64(500..20_000))
}

/// Connects to the API server.
#[derive(Clone)]
struct Network(Arc<Mutex<Api>>);

impl Service<Uri> for Network {
    type Response = TokioIo<Pipe>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<TokioIo<Pipe>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let api = self.0.clone();
        async move {
            let mut luck = api.lock().expect("one thread").luck("connect");
            sleep(latency(&mut luck)).await;
            let is_refused = |fault| fault == Fault::Refused;
            if api.lock().expect("one thread").strikes(&mut luck, is_refused).is_some() {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            let (ours, theirs) = duplex(luck.usize(512..16_384));
            let service = service_fn(move |request| answer(api.clone(), request));
            let connection =
                http1::Builder::new().auto_date_header(false).serve_connection(TokioIo::new(theirs), service);
            // It ends with an error whenever a fault breaks it.
            tokio::spawn(connection.map(drop));
            Ok(TokioIo::new(Pipe(ours)))
        }
        .boxed()
    }
}

/// The client's end of a connection.
struct Pipe(DuplexStream);

impl Connection for Pipe {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, into)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
