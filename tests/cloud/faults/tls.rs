//! Certificates that are refused, each for its own reason, and an authority that is renewed in its file.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use cbw_testkit::tls::{Authority, Holds};
use cce_backup_watch::cloud::fault::FaultKind;

use crate::poll::{PATIENT, ask, client};
use crate::server::{Act, Server, answer};

/// A server that answers whatever it hears with words of its own.
async fn speaks_no_tls() -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut heard = [0; 4096];
            let _ = stream.read(&mut heard).await;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await;
        }
    });
    address
}

#[tokio::test]
async fn only_a_certificate_for_the_right_host_by_a_trusted_authority_is_accepted() {
    let (ours, other) = (Authority::create(), Authority::create());
    let list = [Act::Send(answer(200, &[], r#"{"items":[]}"#))];
    for (certificate, trusted, refusal) in [
        (ours.certificate("127.0.0.1"), Some(&ours), None),
        (ours.certificate("localhost"), Some(&ours), Some("is for another name: it needs the host")),
        (ours.certificate("127.0.0.1"), Some(&other), Some("an authority that is not trusted: give")),
        (ours.certificate("127.0.0.1"), None, Some("an authority that is not trusted: give")),
        (ours.as_server(), Some(&ours), Some("that of an authority (CA:TRUE), as `openssl req -x509` makes")),
        (ours.certificate_that("127.0.0.1", Holds::NoMore), Some(&ours), Some("has expired: renew it")),
        (ours.certificate_that("127.0.0.1", Holds::NotYet), Some(&ours), Some("is not valid yet: check")),
    ] {
        let server = Server::tls(list.clone(), certificate).await;
        let url = format!("https://{}", server.address);
        let asked = ask(&client(&[url], PATIENT, trusted), "r0").await;
        assert_eq!(asked.is_ok(), refusal.is_none(), "{refusal:?}: {asked:?}");
        assert_eq!(server.heads().len(), usize::from(refusal.is_none()), "{refusal:?}");
        if let (Err(fault), Some(refusal)) = (asked, refusal) {
            assert_eq!(fault.kind, FaultKind::CloudUnavailable);
            let begin = "the certificate of the endpoint of region r0 ";
            assert!(
                fault.message.starts_with(begin) && fault.message.contains(refusal),
                "{refusal}: {fault}"
            );
        }
    }
    let plain = speaks_no_tls().await;
    let fault = ask(&client(&[format!("https://{plain}")], PATIENT, None), "r0").await.unwrap_err();
    assert!(fault.message.starts_with("there is no TLS connection to the endpoint of region r0"), "{fault}");
}

#[tokio::test]
async fn a_renewed_ca_file_is_read_again_and_a_broken_one_changes_nothing() {
    let (old, new) = (Authority::create(), Authority::create());
    let list = [Act::Send(answer(200, &[], r#"{"items":[]}"#))];
    let servers = [
        Server::tls(list.clone(), old.certificate("127.0.0.1")).await,
        Server::tls(list, new.certificate("127.0.0.1")).await,
    ];
    let client =
        client(&servers.each_ref().map(|server| format!("https://{}", server.address)), PATIENT, Some(&old));
    let accepted = async || [ask(&client, "r0").await.is_ok(), ask(&client, "r1").await.is_ok()];
    assert_eq!(accepted().await, [true, false]);
    // As a ConfigMap does it: another file takes the place of the old one.
    let replace = |text: &str| {
        let beside = old.ca_file().with_extension("new");
        std::fs::write(&beside, text).unwrap();
        std::fs::rename(&beside, old.ca_file()).unwrap();
    };
    replace("no certificate");
    assert_eq!(accepted().await, [true, false]);
    std::fs::remove_file(old.ca_file()).unwrap();
    assert_eq!(accepted().await, [true, false]);
    replace(&new.pem);
    assert_eq!(accepted().await, [false, true], "what is no longer in the file is no longer trusted");
}
