//! The API server as one process sees it: its requests, the replies, and the errors.

use std::sync::{Arc, Mutex};

use cce_backup_watch::api::{ClusterBackupWatch, ClusterBackupWatchStatus, Guarded};
use cce_backup_watch::kubernetes::ApiServer;
use cce_backup_watch::poll::WatchKey;
use futures::channel::oneshot;
use k8s_openapi::api::{core::v1::Secret, events::v1::Event};
use kube::{Error, core::Status};
use serde_json::Value;

use crate::script::Verb;

/// A request in flight.
pub struct Call {
    /// The operator process that sent it.
    pub process: u64,
    /// The request itself.
    pub request: Request,
    /// The channel on which the process awaits the reply.
    pub reply: oneshot::Sender<Result<Reply, Error>>,
}

/// A request to the API server.
pub enum Request {
    /// Reads a resource.
    Get(WatchKey),
    /// Reads a resource without decoding it.
    GetRaw(WatchKey),
    /// Replaces a status.
    Put(Box<ClusterBackupWatch>),
    /// Replaces the status of a resource that was not decoded.
    PutRaw(Value),
    /// Creates an Event.
    Post(Box<Event>),
    /// Reads a Secret.
    Secret(WatchKey),
}

impl Request {
    /// The verb by which a script makes requests fail.
    pub fn verb(&self) -> Verb {
        match self {
            Self::Get(_) | Self::GetRaw(_) => Verb::Get,
            Self::Put(_) | Self::PutRaw(_) => Verb::Put,
            Self::Post(_) => Verb::Post,
            Self::Secret(_) => Verb::Secret,
        }
    }
}

/// The result of a request that succeeded.
pub enum Reply {
    /// A resource, if it exists.
    Watch(Box<Option<Guarded>>),
    /// A resource that was not decoded, if it exists.
    Raw(Option<Value>),
    /// A resource as it is stored after the write.
    Written(Box<ClusterBackupWatch>),
    /// Success of a request whose result is not used.
    Done,
    /// A Secret.
    Secret(Box<Secret>),
}

/// The API server as one process sees it: it queues requests, which the history takes and answers later.
#[derive(Clone)]
pub struct Access {
    /// The process.
    pub process: u64,
    /// The requests that the history has not taken yet.
    pub calls: Arc<Mutex<Vec<Call>>>,
}

impl Access {
    async fn ask(&self, request: Request) -> Result<Reply, Error> {
        let (reply, answer) = oneshot::channel();
        let call = Call { process: self.process, request, reply };
        self.calls.lock().expect("one thread").push(call);
        answer.await.unwrap_or_else(|_| Err(no_answer()))
    }
}

pub(super) fn key(namespace: &str, name: &str) -> WatchKey {
    format!("{namespace}/{name}").into()
}

impl ApiServer for Access {
    async fn watch(&self, namespace: &str, name: &str) -> Result<Option<Guarded>, Error> {
        match self.ask(Request::Get(key(namespace, name))).await? {
            Reply::Watch(watch) => Ok(*watch),
            _ => Err(no_answer()),
        }
    }

    async fn raw_watch(&self, namespace: &str, name: &str) -> Result<Option<Value>, Error> {
        match self.ask(Request::GetRaw(key(namespace, name))).await? {
            Reply::Raw(watch) => Ok(watch),
            _ => Err(no_answer()),
        }
    }

    async fn replace_status(
        &self,
        watch: &ClusterBackupWatch,
    ) -> Result<Option<ClusterBackupWatchStatus>, Error> {
        match self.ask(Request::Put(Box::new(watch.clone()))).await? {
            Reply::Written(stored) => Ok(stored.status),
            _ => Err(no_answer()),
        }
    }

    async fn replace_raw_status(&self, watch: &Value) -> Result<(), Error> {
        self.ask(Request::PutRaw(watch.clone())).await.map(drop)
    }

    async fn patch_metadata(&self, _: &str, _: &str, _: &Value) -> Result<(), Error> {
        unreachable!("no process of the histories is a shard")
    }

    async fn create_event(&self, event: &Event) -> Result<(), Error> {
        self.ask(Request::Post(Box::new(event.clone()))).await.map(drop)
    }

    async fn secret(&self, namespace: &str, name: &str) -> Result<Secret, Error> {
        match self.ask(Request::Secret(key(namespace, name))).await? {
            Reply::Secret(secret) => Ok(*secret),
            _ => Err(no_answer()),
        }
    }
}

/// The error of a request that found no connection or got no answer in time.
pub fn no_answer() -> Error {
    Error::Service("the API server did not answer in time".into())
}

/// The error for an Event whose name exists already.
pub fn already_exists() -> Error {
    let status = Status { code: 409, reason: "AlreadyExists".into(), ..Status::default() };
    Error::Api(Box::new(status))
}

/// The error for an answer with this status code.
pub fn refusal(code: u16) -> Error {
    Error::Api(Box::new(Status { code, ..Status::default() }))
}
