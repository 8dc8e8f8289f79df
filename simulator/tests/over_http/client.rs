//! A client that signs on its own, and reads answers as bytes, broken ones too.

use std::{collections::HashMap, fmt::Write, io, time::Duration};

use cce_simulator::{Config, Credential, Simulator};
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

pub const CLUSTER: &str = "11111111-2222-3333-4444-555555555555";
pub const PROJECT: &str = "0123456789abcdef0123456789abcdef";

/// A simulator that accepts the key of [`Client::new`].
pub async fn simulator() -> Simulator {
    Simulator::start(Config::with_key("AK", "SK")).await.unwrap()
}

/// What a client signs with, and what it believes the time to be.
#[derive(Clone)]
pub struct Client {
    pub authority: String,
    pub credential: Credential,
    pub skew: SignedDuration,
}

/// An answer that came to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// The path of a cluster's tasks, Standard.
pub fn path(cluster: &str) -> String {
    format!("/api/v3.1/projects/{PROJECT}/clusters/{cluster}/operation/snapshot/tasks")
}

impl Client {
    pub fn new(simulator: &Simulator) -> Self {
        Self::at(&simulator.url())
    }

    pub fn at(url: &str) -> Self {
        Self {
            authority: url.strip_prefix("http://").unwrap().to_owned(),
            credential: Credential::new("AK", "SK"),
            skew: SignedDuration::ZERO,
        }
    }

    pub fn with(&self, credential: Credential) -> Self {
        Self { credential, ..self.clone() }
    }

    /// The tasks of a cluster, signed.
    pub async fn tasks(&self, cluster: &str) -> Answer {
        self.get(&path(cluster)).await.unwrap()
    }

    /// A signed GET.
    pub async fn get(&self, path: &str) -> io::Result<Answer> {
        self.send("GET", path, &self.signed("GET", path), "").await
    }

    /// A signed POST without a body.
    pub async fn post(&self, path: &str) -> io::Result<Answer> {
        self.send("POST", path, &self.signed("POST", path), "").await
    }

    /// The headers that sign a request without a body.
    pub fn signed(&self, method: &str, path: &str) -> Vec<(String, String)> {
        let now = Timestamp::now().checked_add(self.skew).unwrap();
        let date = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let mut headers = format!("host:{}\nx-sdk-date:{date}\n", self.authority);
        let mut names = "host;x-sdk-date".to_owned();
        let mut sent = vec![("X-Sdk-Date".to_owned(), date.clone())];
        if let Some(token) = &self.credential.security_token {
            writeln!(headers, "x-security-token:{token}").unwrap();
            names.push_str(";x-security-token");
            sent.push(("X-Security-Token".to_owned(), token.clone()));
        }
        let empty = hex::encode(Sha256::digest(b""));
        let canonical = format!("{method}\n{path}/\n\n{headers}\n{names}\n{empty}");
        let text = format!("SDK-HMAC-SHA256\n{date}\n{}", hex::encode(Sha256::digest(canonical)));
        let mut mac = Hmac::<Sha256>::new_from_slice(self.credential.secret_key.as_bytes()).unwrap();
        mac.update(text.as_bytes());
        let signature = hex::encode(mac.finalize().into_bytes());
        let access = &self.credential.access_key;
        let authorization =
            format!("SDK-HMAC-SHA256 Access={access}, SignedHeaders={names}, Signature={signature}");
        sent.push(("Authorization".to_owned(), authorization));
        sent
    }

    /// A request without a signature.
    pub async fn plain(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.send(method, path, &headers, body).await.unwrap()
    }

    /// One request on its own connection; an error when the answer does not come to its end.
    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(String, String)],
        body: &str,
    ) -> io::Result<Answer> {
        let mut stream = TcpStream::connect(&self.authority).await?;
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.authority);
        for (name, value) in headers {
            write!(request, "{name}: {value}\r\n").unwrap();
        }
        write!(request, "Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        stream.write_all(request.as_bytes()).await?;
        let mut bytes = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut bytes)).await;
        read.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        parse(&bytes).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// An answer, unless it is cut short.
fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: HashMap<_, _> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let rest = &bytes[end + 4..];
    let body = if headers.get("transfer-encoding").is_some_and(|value| value == "chunked") {
        chunked(rest)?
    } else {
        let length = headers.get("content-length").map_or(Some(0), |length| length.parse().ok())?;
        rest.get(..length)?.to_vec()
    };
    Some(Answer { status, headers, body })
}

fn chunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..line]).ok()?, 16).ok()?;
        rest = &rest[line + 2..];
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..length)?);
        rest = rest.get(length + 2..)?;
    }
}
