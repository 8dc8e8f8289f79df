//! A slow way to the API server, so that there is time for something to happen between two requests.

use std::time::Duration;

use kube::config::Kubeconfig;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
};

/// How long everything takes on the way to the server.
const DELAY: Duration = Duration::from_millis(150);

/// Opens the way; its address. It goes with the runtime.
pub async fn way() -> String {
    let ours = Kubeconfig::read().unwrap();
    let server = ours.clusters[0].cluster.as_ref().unwrap().server.clone().unwrap();
    let server = server.strip_prefix("https://").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = server.clone();
            tokio::spawn(async move {
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
                // Either end ends both.
                tokio::select! {
                    () = there => {}
                    _ = copy(&mut from_server, &mut to_client) => {}
                }
            });
        }
    });
    format!("https://{address}")
}
