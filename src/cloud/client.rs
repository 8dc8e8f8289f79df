//! Lists the snapshot tasks of one cluster, which is the request of each poll. The calls that only commands make are in
//! [`super::start_backup`] and [`super::clusters`].
//!
//! Each call sends one signed GET and returns a decoded answer or a fault. Only connections are kept between calls;
//! retries are left to the caller.

use std::hash::BuildHasher;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Method;

use super::{
    Answer,
    credentials::Credential,
    fault::{Fault, FaultKind},
    http::{self, Body, Reply},
    proxy::Proxy,
    refusal,
    region::Endpoints,
    request,
    tap::Tap,
    target::Target,
    wire,
};

pub use super::http::HttpError;

/// The settings of the calls to the cloud.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// For a whole call, from the connection to the last byte of the body.
    pub request_timeout: Duration,
    /// PEM certificates to trust besides the system's.
    pub ca_pem: Option<Vec<u8>>,
    /// The proxy on the way, if any.
    pub proxy: Option<Proxy>,
    /// The endpoints of the regions.
    pub endpoints: Endpoints,
    /// Sent with each request.
    pub user_agent: String,
    /// Who looks at each list of tasks.
    pub tap: Option<Tap>,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(15),
            ca_pem: None,
            proxy: None,
            endpoints: Endpoints::default(),
            user_agent: concat!("cce-backup-watch/", env!("CARGO_PKG_VERSION")).to_owned(),
            tap: None,
        }
    }
}

/// Calls the snapshot-task API. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) http: reqwest::Client,
    pub(super) endpoints: Endpoints,
    tap: Option<Tap>,
}

impl Client {
    /// Needs a rustls crypto provider installed in the process.
    pub fn new(config: ClientConfig) -> Result<Self, HttpError> {
        let http =
            http::client(config.request_timeout, config.ca_pem.as_deref(), &config.user_agent, config.proxy)?;
        Ok(Self { http, endpoints: config.endpoints, tap: config.tap })
    }

    /// The snapshot tasks of a cluster. `now` dates the signature, which the cloud refuses if it is more than 15
    /// minutes off.
    pub async fn list_tasks(
        &self,
        target: &Target,
        credential: &Credential,
        now: Timestamp,
    ) -> Result<Answer, Fault> {
        decode(self.ask(target, credential, now).await, target, credential, now)
    }

    /// The snapshot tasks of a cluster that is polled repeatedly: a body whose hash is `known` is not decoded again.
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
            tracing::debug!(region = %target.region, cluster = %target.cluster_id, "the cloud gave the same answer");
            return Ok(News::Unchanged);
        }
        decode(reply, target, credential, now).map(|answer| News::Answer(answer, hash.unwrap_or_default()))
    }

    async fn ask(&self, target: &Target, credential: &Credential, now: Timestamp) -> Result<Reply, Fault> {
        let (base, path) = (self.endpoints.cce(&target.region), target.path());
        let project = &target.project_id;
        let request = request::signed(&self.http, Method::GET, (&base, &path), project, credential, now)?;
        let whom = format!("the endpoint of region {}", target.region);
        let mut reply = http::exchange(request, &whom, http::MAX_BODY).await;
        if let Some(tap) = &self.tap {
            if let Ok(reply) = &mut reply {
                reply.redact(credential);
            }
            tap.show("ListTasks", target.cluster_type, &reply);
        }
        reply
    }
}

/// Decodes a reply and logs the outcome. Any echo of the credential in the reply is overwritten first.
fn decode(
    reply: Result<Reply, Fault>,
    target: &Target,
    credential: &Credential,
    now: Timestamp,
) -> Result<Answer, Fault> {
    let answer = reply.and_then(|mut reply| {
        reply.redact(credential);
        answer(&mut reply, now)
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

/// The result of a repeated poll.
#[derive(Debug)]
pub enum News {
    /// The body has the known hash.
    Unchanged,
    /// Another answer, and the hash of its body.
    Answer(Answer, u64),
}

fn answer(reply: &mut Reply, now: Timestamp) -> Result<Answer, Fault> {
    let decoded = match &mut reply.body {
        Body::Whole(body) if reply.status == 200 => Some(wire::decode(body)),
        _ => None,
    };
    let refused = || refusal::fault(reply.status, &reply.headers, reply.prefix(), now);
    let invalid = |what: &str| {
        let advice = "check that region and the operator's --region-endpoint lead to the CCE API";
        let message = format!("{what} (HTTP 200): {advice}");
        Fault { message: Fault::new(FaultKind::InvalidResponse, message).message, ..refused() }
    };
    match (&reply.body, decoded) {
        _ if reply.status != 200 => Err(refused()),
        _ if reply.is_encoded() => Err(invalid("the answer is compressed, which nobody asked for")),
        (Body::Broken(fault), _) => Err(fault.clone()),
        (_, Some(decoded)) => decoded.map_err(|error| match error {
            // The message of the fault table names the error code.
            wire::WireError::ErrorBody => refused(),
            error => invalid(&error.to_string()),
        }),
        (_, None) => Err(invalid("the answer is larger than 1 MiB")),
    }
}
