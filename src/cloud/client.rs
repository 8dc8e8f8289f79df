//! Lists the snapshot tasks of one cluster, which is the request of each poll. The calls that only commands make are in
//! [`super::start_backup`] and [`super::clusters`].
//!
//! Each call sends one signed GET and returns a decoded answer or a fault. Only connections are kept between calls;
//! retries are left to the caller.

use std::hash::BuildHasher;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Method;

use super::{
    Answer,
    connections::{Connections, Settings},
    credentials::Credential,
    fault::{Fault, FaultKind, Program},
    http::{self, Body, Reply},
    proxy::Proxy,
    refusal::{Asked, Call},
    region::Endpoints,
    request,
    skew::Skews,
    target::Target,
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
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(15),
            ca_file: None,
            proxy: None,
            endpoints: Endpoints::default(),
            user_agent: concat!("cce-backup-watch/", env!("CARGO_PKG_VERSION")).to_owned(),
            program: Program::default(),
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
}

impl Client {
    /// Needs a rustls crypto provider installed in the process.
    pub fn new(config: ClientConfig) -> Result<Self, HttpError> {
        let ClientConfig { request_timeout, ca_file, proxy, user_agent, .. } = config;
        let connections = Connections::new(Settings { request_timeout, ca_file, proxy, user_agent })?;
        Ok(Self { connections, endpoints: config.endpoints, program: config.program, skews: Arc::default() })
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
        let reply = self.ask(target, credential, now).await;
        let date = reply.as_ref().ok().and_then(Reply::date);
        self.decode(reply, target, credential, now).map(|answer| (answer, date))
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
        self.decode(reply, target, credential, now)
            .map(|answer| News::Answer(answer, hash.unwrap_or_default()))
    }

    async fn ask(&self, target: &Target, credential: &Credential, now: Timestamp) -> Result<Reply, Fault> {
        let (base, path) = (self.endpoints.cce(&target.region), target.path());
        let project = &target.project_id;
        let request = request::signed(
            &self.connections.client(),
            Method::GET,
            (&base, &path),
            project,
            credential,
            now,
        )?;
        let whom = self.endpoints.whom(&target.region);
        http::exchange(request, &whom).await
    }

    /// What an answer of this region's endpoint is judged by.
    pub(super) fn asked<'a>(&'a self, call: Call, endpoint: &'a str, now: Timestamp) -> Asked<'a> {
        Asked { call, program: self.program, endpoint, now, skews: &self.skews }
    }

    /// Decodes a reply and logs the outcome. Any echo of the credential in the reply is overwritten first.
    fn decode(
        &self,
        reply: Result<Reply, Fault>,
        target: &Target,
        credential: &Credential,
        now: Timestamp,
    ) -> Result<Answer, Fault> {
        let endpoint = self.endpoints.cce(&target.region);
        let answer = reply.and_then(|mut reply| {
            reply.redact(credential);
            answer(&reply, &self.asked(Call::ListTasks, &endpoint, now))
        });
        let (region, cluster) = (&target.region, &target.cluster_id);
        match &answer {
            Ok(Answer { tasks, left_out, .. }) => {
                self.skews.ended(&endpoint);
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
}

/// The result of a repeated poll.
#[derive(Debug)]
pub enum News {
    /// The body has the known hash.
    Unchanged,
    /// Another answer, and the hash of its body.
    Answer(Answer, u64),
}

fn answer(reply: &Reply, asked: &Asked<'_>) -> Result<Answer, Fault> {
    let refused = || asked.refused(reply);
    let invalid = |what: &str| {
        let message = format!("{what} (HTTP 200): {}", asked.program.no_cce());
        Fault { message: Fault::new(FaultKind::InvalidResponse, message).message, ..refused() }
    };
    match &reply.body {
        _ if reply.status != 200 => Err(refused()),
        _ if reply.is_encoded() => Err(invalid("the answer is compressed, which nobody asked for")),
        Body::Whole(body) => wire::decode(body).map_err(|error| match error {
            // The message of the fault table names the error code.
            wire::WireError::ErrorBody => refused(),
            error => invalid(&error.to_string()),
        }),
        Body::TooLarge => Err(invalid("the answer is larger than 1 MiB")),
        Body::Broken(fault) => Err(fault.clone()),
    }
}
