//! A way to the API server that is slow, so that there is time for something to happen between two requests, and that
//! can be blocked.

use std::time::Duration;

use kube::config::Kubeconfig;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// How long everything takes on the way to the server.
const DELAY: Duration = Duration::from_millis(150);

/// The way. What was opened on it stays open until the end of the run.
pub struct Way {
    /// What stands for the server's own address.
    pub server: String,
    blocked: watch::Sender<bool>,
}

impl Way {
    /// Opens it.
    pub async fn open() -> Self {
        let ours = Kubeconfig::read().unwrap();
        let server = ours.clusters[0].cluster.as_ref().unwrap().server.clone().unwrap();
        let server = server.strip_prefix("https://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (blocked, is_blocked) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server.clone(), is_blocked.clone()));
            }
        });
        Self { server: format!("https://{address}"), blocked }
    }

    /// From now on nothing reaches the server, and no connection ends.
    pub fn block(&self) {
        self.blocked.send_replace(true);
    }
}

async fn carry(client: TcpStream, server: String, mut blocked: watch::Receiver<bool>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let there = async {
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from_client.read(&mut bytes).await {
            tokio::time::sleep(DELAY).await;
            // Where the way itself is gone, it stays as it was.
            let _ = blocked.wait_for(|blocked| !*blocked).await;
            if to_server.write_all(&bytes[..count]).await.is_err() {
                break;
            }
        }
    };
    // Either end ends both.
    tokio::select! {
        () = there => {}
        _ = copy(&mut from_server, &mut to_client) => {}
    }
}
