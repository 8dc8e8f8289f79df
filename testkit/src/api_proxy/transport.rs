//! The TCP side of the proxy: it copies bytes with a delay, and can break or silence whole connections.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// How long everything takes on its way to the server, so that a test can act between two requests.
const DELAY: Duration = Duration::from_millis(150);

/// What happens to connections.
#[derive(Clone, Copy)]
pub(super) struct Link {
    /// Whether new connections work.
    pub(super) open: bool,
    /// How often all connections were broken. Each break ends the connections opened before it, even if new ones work
    /// again at once.
    pub(super) breaks: u32,
    /// Whether the last break left connections open without carrying anything; otherwise it ended them.
    pub(super) silent: bool,
}

/// Carries every connection to `server`.
pub(super) async fn run(listener: TcpListener, server: SocketAddr, link: watch::Receiver<Link>) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(carry(client, server, link.clone()));
    }
}

async fn carry(client: TcpStream, server: SocketAddr, mut link: watch::Receiver<Link>) {
    let breaks = link.borrow().breaks;
    let Ok(server) = TcpStream::connect(server).await else { return };
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let to_the_server = async {
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from_client.read(&mut bytes).await {
            tokio::time::sleep(DELAY).await;
            if to_server.write_all(&bytes[..count]).await.is_err() {
                break;
            }
        }
    };
    let silent = tokio::select! {
        biased;
        // A dropped proxy leaves its connections open and silent.
        link = link.wait_for(|link| !link.open || link.breaks != breaks) => link.map_or(true, |link| link.silent),
        // The end of either direction ends the connection.
        () = to_the_server => return,
        _ = copy(&mut from_server, &mut to_client) => return,
    };
    if silent {
        let breaks = link.borrow().breaks;
        if link.wait_for(|link| !link.silent && link.breaks != breaks).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
