//! Asks the snapshot-task API about one cluster: the only cloud I/O of a poll.
//!
//! One signed GET, one decoded answer or one fault. Nothing is retried and nothing is remembered here but connections.

use std::hash::BuildHasher;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::{
    Method, Url,
    header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HOST, HeaderValue},
};

use super::{
    Answer,
    credential::Credential,
    fault::{Fault, FaultKind},
    http::{self, Body, Reply},
    refusal,
    region::Endpoints,
    sign::{Request, sign},
    target::Target,
    wire,
};

pub use super::http::HttpError;

/// What an operator may choose about the calls to the cloud.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// For a whole call, from the connection to the last byte of the body.
    pub request_timeout: Duration,
    /// PEM certificates to trust besides the system's.
    pub ca_pem: Option<Vec<u8>>,
    /// Where the regions are.
    pub endpoints: Endpoints,
    /// Sent with each request.
    pub user_agent: String,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(15),
            ca_pem: None,
            endpoints: Endpoints::default(),
            user_agent: concat!("cce-backup-watch/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// Calls the snapshot-task API. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    endpoints: Endpoints,
}

impl Client {
    /// Needs a rustls crypto provider installed in the process.
    pub fn new(config: ClientConfig) -> Result<Self, HttpError> {
        let http = http::client(config.request_timeout, config.ca_pem.as_deref(), &config.user_agent)?;
        Ok(Self { http, endpoints: config.endpoints })
    }

    /// The snapshot tasks of a cluster. `now` dates the signature: more than 15 minutes off and the cloud refuses it.
    pub async fn list_tasks(
        &self,
        target: &Target,
        credential: &Credential,
        now: Timestamp,
    ) -> Result<Answer, Fault> {
        decode(self.ask(target, credential, now).await, target, credential, now)
    }

    /// The same, for who asks again and again: a body whose hash is `known` is not looked at.
    pub async fn list_new_tasks(
        &self,
        target: &Target,
        credential: &Credential,
        now: Timestamp,
        known: Option<u64>,
        hasher: &impl BuildHasher,
    ) -> Result<News, Fault> {
        let reply = self.ask(target, credential, now).await;
        let hash = match &reply {
            Ok(Reply { status: 200, body: Body::Whole(body), .. }) => Some(hasher.hash_one(body)),
            _ => None,
        };
        if known.is_some() && known == hash {
            return Ok(News::Unchanged);
        }
        decode(reply, target, credential, now).map(|answer| News::Answer(answer, hash.unwrap_or_default()))
    }

    async fn ask(&self, target: &Target, credential: &Credential, now: Timestamp) -> Result<Reply, Fault> {
        let url = format!("{}{}", self.endpoints.cce(&target.region), target.path());
        let url = Url::parse(&url).map_err(|_| {
            Fault::new(
                FaultKind::RequestRejected,
                "the endpoint of the region is no URL: check --region-endpoint",
            )
        })?;
        let host = host_and_port(&url);
        let project = target.project_id.as_str();
        let signed = sign(
            &Request {
                method: Method::GET.as_str(),
                host: &host,
                path: url.path(),
                query: &[],
                headers: &[("x-project-id", project)],
                body: &[],
            },
            credential,
            now,
        );

        let mut request = self
            .http
            .get(url)
            .header(HOST, host)
            .header("x-project-id", project)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT_ENCODING, "identity");
        for (name, value) in signed {
            // Sensitive values are not printed by the HTTP stack. A credential is visible ASCII, so that it converts.
            let Ok(mut value) = HeaderValue::try_from(value) else { continue };
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        let whom = format!("the endpoint of region {}", target.region);
        http::exchange(request, &whom).await
    }
}

/// What an exchange brought, without what the other side sent back of the credential.
fn decode(
    reply: Result<Reply, Fault>,
    target: &Target,
    credential: &Credential,
    now: Timestamp,
) -> Result<Answer, Fault> {
    let answer = reply.and_then(|mut reply| {
        reply.redact(credential);
        answer(&reply, now)
    });
    let (region, cluster) = (&target.region, &target.cluster_id);
    match &answer {
        Ok(Answer { tasks, left_out, .. }) => {
            tracing::debug!(%region, %cluster, tasks = tasks.len(), left_out, "the cloud answered");
        }
        Err(fault) => {
            tracing::debug!(
                %region, %cluster, reason = %fault.kind, status = fault.http_status, code = fault.code,
                request_id = fault.request_id, "the poll failed: {fault}"
            );
        }
    }
    answer
}

/// What there is to know, for who asks again and again.
#[derive(Debug)]
pub enum News {
    /// The body is the known one.
    Unchanged,
    /// Another answer, and the hash of its body.
    Answer(Answer, u64),
}

/// As it must stand in the Host header: without the scheme's default port.
fn host_and_port(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn answer(reply: &Reply, now: Timestamp) -> Result<Answer, Fault> {
    let refused = || refusal::fault(reply.status, &reply.headers, reply.prefix(), now);
    let invalid = |what: &str| {
        let advice = "check that region and the operator's --region-endpoint lead to the CCE API";
        let message = format!("{what} (HTTP 200): {advice}");
        Fault { message: Fault::new(FaultKind::InvalidResponse, message).message, ..refused() }
    };
    match &reply.body {
        _ if reply.status != 200 => Err(refused()),
        _ if reply.is_encoded() => Err(invalid("the answer is compressed, which nobody asked for")),
        Body::Whole(body) => wire::decode(body).map_err(|error| match error {
            // The table's own message names the code.
            wire::WireError::ErrorBody => refused(),
            error => invalid(&error.to_string()),
        }),
        Body::TooLarge => Err(invalid("the answer is larger than 1 MiB")),
        Body::Broken(fault) => Err(fault.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signed_host_is_the_one_that_is_sent() {
        for (url, host) in [
            ("https://cce.cn-north-4.myhuaweicloud.com/x", "cce.cn-north-4.myhuaweicloud.com"),
            ("https://h:443/x", "h"),
            ("http://h:80/x", "h"),
            ("https://h:80/x", "h:80"),
            ("http://127.0.0.1:18443/x", "127.0.0.1:18443"),
            ("http://[::1]:1/x", "[::1]:1"),
        ] {
            assert_eq!(host_and_port(&Url::parse(url).unwrap()), host);
        }
    }
}
