//! Calls the CCE API: one signed request, and a decoded answer or a fault.
//!
//! The list of a cluster's snapshot tasks, which is the request of each poll, is here; [`super::upgrades`],
//! [`super::clusters`] and [`super::start_backup`] add the other calls. Only connections are kept between calls;
//! retries are left to the caller.

use std::hash::BuildHasher;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::{Method, RequestBuilder};

use super::{
    Answer,
    connections::{Connections, Settings},
    credentials::Credential,
    fault::{Fault, FaultKind, Program},
    http::{self, Bodies, Body, Reply},
    list::ListError,
    proxy::Proxy,
    refusal::{Asked, Call},
    region::Endpoints,
    request,
    skew::Skews,
    tap::Tap,
    target::{ClusterId, ClusterType, ProjectId, Region, Target},
    wire,
};

pub use super::http::HttpError;

/// The settings of the calls to the cloud.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// For a whole call, from the connection to the last byte of the body.
    pub request_timeout: Duration,
    /// A file of PEM certificates to trust besides the system's. It is read again when it changes.
    pub ca_file: Option<PathBuf>,
    /// The proxy on the way, if any.
    pub proxy: Option<Proxy>,
    /// The endpoints of the regions.
    pub endpoints: Endpoints,
    /// Sent with each request.
    pub user_agent: String,
    /// Who asks, for the advice in messages.
    pub program: Program,
    /// Who looks at each exchange.
    pub tap: Option<Tap>,
}

impl Default for ClientConfig {
    fn default() -> Self {
        let Settings { request_timeout, ca_file, proxy, user_agent } = Settings::default();
        Self {
            request_timeout,
            ca_file,
            proxy,
            endpoints: Endpoints::default(),
            user_agent,
            program: Program::default(),
            tap: None,
        }
    }
}

/// Calls the snapshot-task API. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) connections: Connections,
    pub(super) endpoints: Endpoints,
    program: Program,
    skews: Arc<Skews>,
    bodies: Bodies,
    tap: Option<Tap>,
}

impl Client {
    /// Needs a rustls crypto provider installed in the process.
    pub fn new(config: ClientConfig) -> Result<Self, HttpError> {
        let ClientConfig { request_timeout, ca_file, proxy, user_agent, .. } = config;
        let connections = Connections::new(Settings { request_timeout, ca_file, proxy, user_agent })?;
        let (endpoints, program, tap) = (config.endpoints, config.program, config.tap);
        Ok(Self { connections, endpoints, program, skews: Arc::default(), bodies: Bodies::default(), tap })
    }

    /// The snapshot tasks of a cluster. `now` dates the signature, which the cloud refuses if it is more than 15
    /// minutes off.
    pub async fn list_tasks(
        &self,
        target: &Target,
        credential: &Credential,
        now: Timestamp,
    ) -> Result<Answer, Fault> {
        self.list_dated_tasks(target, credential, now).await.map(|(answer, _)| answer)
    }

    /// The same, with the time of the answer by the cloud's clock where it gives one. Ages of backups are measured by
    /// that clock, because it dates the tasks too, and the clock of this host may be off.
    pub async fn list_dated_tasks(
        &self,
        target: &Target,
        credential: &Credential,
        now: Timestamp,
    ) -> Result<(Answer, Option<Timestamp>), Fault> {
        let ask = Ask::tasks(target);
        let reply = self.get(&ask, credential, now).await;
        let date = reply.as_ref().ok().and_then(Reply::date);
        self.tasks(&ask, reply, now).await.map(|answer| (answer, date))
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
        let ask = Ask::tasks(target);
        let reply = self.get(&ask, credential, now).await;
        let hash = match &reply {
            Ok(Reply { status: 200, body: Body::Whole(body), .. }) => Some(hasher.hash_one(body)),
            _ => None,
        };
        if known.is_some() && known == hash {
            tracing::debug!(region = %target.region, cluster = %target.cluster_id, "the cloud gave the same answer");
            return Ok(News::Unchanged);
        }
        self.tasks(&ask, reply, now).await.map(|answer| News::Answer(answer, hash.unwrap_or_default()))
    }

    async fn tasks(
        &self,
        ask: &Ask<'_>,
        reply: Result<Reply, Fault>,
        now: Timestamp,
    ) -> Result<Answer, Fault> {
        let answer = self.decode(ask, reply, now, wire::decode).await?;
        if answer.dropped > 0 {
            let (region, cluster) = (ask.region, ask.cluster.map(tracing::field::display));
            let (listed, dropped) = (answer.tasks.len() + answer.dropped, answer.dropped);
            tracing::warn!(%region, cluster, listed, dropped, "the cloud lists too many tasks; the oldest are left out");
        }
        Ok(answer)
    }

    /// Sends a signed GET and reads the answer. Any echo of the credential in it is overwritten.
    pub(super) async fn get(
        &self,
        ask: &Ask<'_>,
        credential: &Credential,
        now: Timestamp,
    ) -> Result<Reply, Fault> {
        let request = self.request(Method::GET, ask, credential, now)?;
        self.exchange(ask, request, credential).await
    }

    /// The request, signed as of `now`.
    pub(super) fn request(
        &self,
        method: Method,
        ask: &Ask<'_>,
        credential: &Credential,
        now: Timestamp,
    ) -> Result<RequestBuilder, Fault> {
        let place = (self.endpoints.cce(ask.region), &ask.path);
        let http = self.connections.client();
        request::signed(&http, method, (&place.0, place.1), ask.project, credential, now)
    }

    /// Sends a request and reads the answer. Any echo of the credential in it is overwritten.
    pub(super) async fn exchange(
        &self,
        ask: &Ask<'_>,
        request: RequestBuilder,
        credential: &Credential,
    ) -> Result<Reply, Fault> {
        let whom = self.endpoints.whom(ask.region);
        let mut reply = self.bodies.exchange(request, &whom, ask.max).await;
        if let Ok(reply) = &mut reply {
            reply.redact(|bytes| credential.redact(bytes));
        }
        if let Some(tap) = &self.tap {
            tap.show(ask.call, ask.cluster_type, &reply);
        }
        reply
    }

    /// Decodes a list, and logs the outcome.
    pub(super) async fn decode<T>(
        &self,
        ask: &Ask<'_>,
        reply: Result<Reply, Fault>,
        now: Timestamp,
        decode: impl FnOnce(&mut [u8]) -> Result<T, ListError>,
    ) -> Result<T, Fault> {
        let endpoint = self.endpoints.cce(ask.region);
        let (_turn, asked) = (self.bodies.turn(&reply).await, self.asked(ask.call, &endpoint, now));
        let list = reply.and_then(|reply| list(reply, &asked, ask.max, decode));
        let (call, region, cluster) = (ask.call, ask.region, ask.cluster.map(tracing::field::display));
        match &list {
            Ok(_) => {
                self.skews.ended(&endpoint);
                tracing::debug!(?call, %region, cluster, "the cloud answered");
            }
            Err(fault) => tracing::debug!(
                ?call, %region, cluster, reason = %fault.kind, status = fault.http_status, code = fault.code,
                request_id = fault.request_id, "the call failed: {fault}"
            ),
        }
        list
    }

    /// What an answer of this region's endpoint is judged by.
    pub(super) fn asked<'a>(&'a self, call: Call, endpoint: &'a str, now: Timestamp) -> Asked<'a> {
        Asked { call, program: self.program, endpoint, now, skews: &self.skews }
    }
}

/// One call of the CCE API.
pub(super) struct Ask<'a> {
    /// What is asked.
    pub call: Call,
    /// Of which of CCE's products.
    pub cluster_type: ClusterType,
    /// Whose endpoint is asked.
    pub region: &'a Region,
    /// Which project signs.
    pub project: &'a ProjectId,
    /// The path of the URL.
    pub path: String,
    /// The cluster it is about, for the log.
    pub cluster: Option<&'a ClusterId>,
    /// The most that is read of a good answer, in bytes.
    pub max: usize,
}

impl<'a> Ask<'a> {
    /// A call about one cluster.
    pub fn of(target: &'a Target, call: Call, path: String, max: usize) -> Self {
        let Target { region, project_id, cluster_id, cluster_type } = target;
        let (cluster_type, cluster) = (*cluster_type, Some(cluster_id));
        Self { call, cluster_type, region, project: project_id, path, cluster, max }
    }

    fn tasks(target: &'a Target) -> Self {
        Self::of(target, Call::ListTasks, target.path(), http::MAX_BODY)
    }
}

/// The result of a repeated poll.
#[derive(Debug)]
pub enum News {
    /// The body has the known hash.
    Unchanged,
    /// Another answer, and the hash of its body.
    Answer(Answer, u64),
}

/// The list in an answer.
pub(super) fn list<T>(
    mut reply: Reply,
    asked: &Asked<'_>,
    max: usize,
    decode: impl FnOnce(&mut [u8]) -> Result<T, ListError>,
) -> Result<T, Fault> {
    let is_good = reply.status == 200 && !reply.is_encoded();
    let decoded = match &mut reply.body {
        Body::Whole(body) if is_good => Some(decode(body)),
        _ => None,
    };
    let refused = || asked.refused(&reply);
    let invalid = |what: &str| {
        let message = format!("{what} (HTTP 200): {}", asked.program.no_cce());
        Fault { message: Fault::new(FaultKind::InvalidResponse, message).message, ..refused() }
    };
    match (&reply.body, decoded) {
        _ if reply.status != 200 => Err(refused()),
        _ if reply.is_encoded() => Err(invalid("the answer is compressed, which nobody asked for")),
        (Body::Broken(fault), _) => Err(fault.clone()),
        (_, Some(decoded)) => decoded.map_err(|error| match error {
            // The message of the fault table names the error code, or what the list should be of.
            ListError::ErrorBody | ListError::NoList => refused(),
            error => invalid(&error.to_string()),
        }),
        (_, None) => Err(invalid(&format!("the answer is larger than {} MiB", max >> 20))),
    }
}
