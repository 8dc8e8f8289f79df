//! The way to the cloud through a real CONNECT proxy: what goes through it, what does not, and that its password stays secret.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use crate::poll::{self, PATIENT, client_through};
use crate::server::{Act, Server, answer};
use cbw_testkit::tls::Authority;
use cce_backup_watch::cloud::{
    Answer,
    fault::{Fault, FaultKind},
    proxy::Proxy,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

/// `user:CANARY-PROXY-PASSWORD`, as Basic authentication sends it.
const AUTHORIZED: &str = "Basic dXNlcjpDQU5BUlktUFJPWFktUEFTU1dPUkQ=";
const PASSWORD: &str = "CANARY-PROXY-PASSWORD";

/// A proxy that tunnels for those who know its password, and remembers what it was asked.
struct ConnectProxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl ConnectProxy {
    /// Tunnels end at this address, whatever name they ask for.
    async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self { address: listener.local_addr().unwrap(), heads: Arc::default() };
        let heads = proxy.heads.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(tunnel(stream, target, heads.clone()));
            }
        });
        proxy
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

/// Returns nothing when one of the two sides went away, which is no failure of a test.
async fn tunnel(mut client: TcpStream, target: SocketAddr, heads: Arc<Mutex<Vec<String>>>) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    heads.lock().unwrap().push(head.clone());
    let may = head.lines().any(|line| {
        line.split_once(": ").is_some_and(|(name, value)| {
            name.eq_ignore_ascii_case("proxy-authorization") && value == AUTHORIZED
        })
    });
    if !may || !head.starts_with("CONNECT ") {
        return client
            .write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
            .await
            .ok();
    }
    let mut cloud = TcpStream::connect(target).await.ok()?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.ok()?;
    copy_bidirectional(&mut client, &mut cloud).await.ok().map(|_| ())
}

/// The cloud behind TLS, under a name that no DNS server knows.
async fn cloud(authority: &Authority) -> Server {
    let list = Act::Send(answer(200, &[("content-type", "application/json")], r#"{"items": []}"#));
    Server::tls([list], authority.certificate("cce.proxied.test")).await
}

async fn ask(endpoint: &str, authority: Option<&Authority>, proxy: Proxy) -> Result<Answer, Fault> {
    poll::ask(&client_through(Some(proxy), &[endpoint.to_owned()], PATIENT, authority), "r0").await
}

fn through(proxy: &ConnectProxy, password: &str, direct: &[&str]) -> Proxy {
    let url = format!("http://user:{password}@{}", proxy.address).parse().unwrap();
    let direct: Vec<_> = direct.iter().map(|host| (*host).to_owned()).collect();
    Proxy::new(&url, &direct).unwrap()
}

#[tokio::test]
async fn the_cloud_is_reached_through_the_proxy_which_sees_a_host_and_no_request() {
    let authority = Authority::create();
    let cloud = cloud(&authority).await;
    let proxy = ConnectProxy::to(cloud.address).await;
    let proxied = through(&proxy, PASSWORD, &[]);
    let answer = ask("https://cce.proxied.test:8443", Some(&authority), proxied).await.unwrap();
    assert_eq!(answer.tasks.len(), 0);
    let [head] = &proxy.heads()[..] else { panic!("{:?}", proxy.heads()) };
    assert!(head.starts_with("CONNECT cce.proxied.test:8443 "), "{head}");
    assert!(!head.contains("snapshot") && !head.contains("CANARY-ACCESS-KEY"), "{head}");
    // The proxy's password is for the proxy alone.
    assert!(!cloud.heads()[0].to_lowercase().contains("proxy-authorization"), "{:?}", cloud.heads());
}

#[tokio::test]
async fn a_proxy_that_refuses_is_a_cloud_that_cannot_be_reached_and_its_password_is_told_nowhere() {
    let authority = Authority::create();
    let cloud = cloud(&authority).await;
    let proxy = ConnectProxy::to(cloud.address).await;
    let wrong = format!("{PASSWORD}-IS-ANOTHER");
    let fault =
        ask("https://cce.proxied.test", Some(&authority), through(&proxy, &wrong, &[])).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::CloudUnavailable);
    assert!(fault.message.contains("proxy"), "{fault}");
    let log = crate::captured_log::so_far();
    assert!(!log.is_empty());
    for told in [log, format!("{fault} {fault:?}")] {
        assert!(!told.contains(PASSWORD), "the password is in: {told}");
        assert!(!told.contains("dXNlcjpDQU5BUll"), "the encoded password is in: {told}");
    }
}

#[tokio::test]
async fn what_is_listed_is_reached_directly() {
    let authority = Authority::create();
    let cloud =
        Server::tls([Act::Send(answer(200, &[], r#"{"items": []}"#))], authority.certificate("127.0.0.1"))
            .await;
    let proxy = ConnectProxy::to(cloud.address).await;
    let url = format!("https://{}", cloud.address);
    for direct in ["127.0.0.1", "127.0.0.0/8"] {
        ask(&url, Some(&authority), through(&proxy, PASSWORD, &[direct])).await.unwrap();
    }
    assert_eq!(proxy.heads(), Vec::<String>::new());
    ask(&url, Some(&authority), through(&proxy, PASSWORD, &["10.0.0.0/8"])).await.unwrap();
    assert_eq!(proxy.heads().len(), 1);
}

#[tokio::test]
async fn plain_http_never_goes_through_the_proxy() {
    let simulator = Server::plain([Act::Send(answer(200, &[], r#"{"items": []}"#))]).await;
    let proxy = ConnectProxy::to(simulator.address).await;
    ask(&format!("http://{}", simulator.address), None, through(&proxy, PASSWORD, &[])).await.unwrap();
    assert_eq!(proxy.heads(), Vec::<String>::new());
}
