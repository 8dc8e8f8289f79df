//! A proxy between an operator and the API server. It delays every byte towards the server, so that a test can act
//! between two requests, and it can cut every connection or let all of them go silent.

use std::time::Duration;

use kube::config::Kubeconfig;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// How long everything takes on the way to the server.
const DELAY: Duration = Duration::from_millis(150);

/// A running proxy. Its connections stay open until the end of the run.
pub struct ApiProxy {
    /// The URL that takes the place of the API server's own.
    pub server: String,
    mode: watch::Sender<Mode>,
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Open,
    Cut,
    Blocked,
}

impl ApiProxy {
    /// Starts a proxy to the API server of the run.
    pub async fn start() -> Self {
        let ours = Kubeconfig::read().unwrap();
        let server = ours.clusters[0].cluster.as_ref().unwrap().server.clone().unwrap();
        let server = server.strip_prefix("https://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mode, seen) = watch::channel(Mode::Open);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server.clone(), seen.clone()));
            }
        });
        Self { server: format!("https://{address}"), mode }
    }

    /// From now on nothing reaches the server, and no connection ends: what was opened until then never works again.
    pub fn block(&self) {
        self.mode.send_replace(Mode::Blocked);
    }

    /// From now on every connection breaks off.
    pub fn cut(&self) {
        self.mode.send_replace(Mode::Cut);
    }

    /// From now on new connections work.
    pub fn reopen(&self) {
        self.mode.send_replace(Mode::Open);
    }
}

async fn carry(client: TcpStream, server: String, mut mode: watch::Receiver<Mode>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let there = async {
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from_client.read(&mut bytes).await {
            tokio::time::sleep(DELAY).await;
            if to_server.write_all(&bytes[..count]).await.is_err() {
                break;
            }
        }
    };
    let mode = tokio::select! {
        biased;
        // A dropped proxy leaves its connections open and silent.
        mode = mode.wait_for(|mode| *mode != Mode::Open) => mode.map_or(Mode::Blocked, |mode| *mode),
        // Either end ends both.
        () = there => return,
        _ = copy(&mut from_server, &mut to_client) => return,
    };
    if mode == Mode::Blocked {
        std::future::pending::<()>().await;
    }
}
