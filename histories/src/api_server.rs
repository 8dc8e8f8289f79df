//! The made-up API server: the rules that matter to the operator. Every write has a resourceVersion; a write that was planned
//! from an older one is a conflict; an Event of a name is created once; the watch stream tells of every change, in order.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cce_backup_watch::api::{ClusterBackupWatch, Guarded};
use cce_backup_watch::kubernetes::ApiServer;
use cce_backup_watch::poll::WatchKey;
use futures::channel::oneshot;
use k8s_openapi::{
    ByteString,
    api::{core::v1::Secret, events::v1::Event},
};
use kube::{
    Error, ResourceExt,
    core::{DeserializeGuard, Status, error_boundary::InvalidObject},
};
use serde_json::{Value, json};

use crate::script::Verb;

/// A request under way.
pub struct Call {
    /// The process that made it.
    pub process: u64,
    /// What it asks.
    pub request: Request,
    /// Where its reply goes.
    pub reply: oneshot::Sender<Result<Reply, Error>>,
}

/// What is asked.
pub enum Request {
    /// Reads a resource.
    Get(WatchKey),
    /// Reads a resource without decoding it.
    GetRaw(WatchKey),
    /// Replaces a status.
    Put(Box<ClusterBackupWatch>),
    /// Replaces a status of a resource that was not decoded.
    PutRaw(Value),
    /// Creates an Event.
    Post(Box<Event>),
    /// Reads a Secret.
    Secret(WatchKey),
}

impl Request {
    /// Its verb.
    pub fn verb(&self) -> Verb {
        match self {
            Self::Get(_) | Self::GetRaw(_) => Verb::Get,
            Self::Put(_) | Self::PutRaw(_) => Verb::Put,
            Self::Post(_) => Verb::Post,
            Self::Secret(_) => Verb::Secret,
        }
    }
}

/// What a request brings.
pub enum Reply {
    /// A resource.
    Watch(Box<Option<Guarded>>),
    /// A resource that was not decoded.
    Raw(Option<Value>),
    /// A resource that was written.
    Written(Box<ClusterBackupWatch>),
    /// It is done.
    Done,
    /// A Secret.
    Secret(Box<Secret>),
}

/// The API server as one process sees it: requests that the history takes from here.
#[derive(Clone)]
pub struct Access {
    /// The process.
    pub process: u64,
    /// What it has asked.
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

fn key(namespace: &str, name: &str) -> WatchKey {
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

    async fn replace_status(&self, watch: &ClusterBackupWatch) -> Result<ClusterBackupWatch, Error> {
        match self.ask(Request::Put(Box::new(watch.clone()))).await? {
            Reply::Written(stored) => Ok(*stored),
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

/// No connection, or no answer in time.
pub fn no_answer() -> Error {
    Error::Service("the API server did not answer in time".into())
}

/// What the name of an Event that exists is answered with.
pub fn already_exists() -> Error {
    let status = Status { code: 409, reason: "AlreadyExists".into(), ..Status::default() };
    Error::Api(Box::new(status))
}

/// An answer with this code.
pub fn refusal(code: u16) -> Error {
    Error::Api(Box::new(Status { code, ..Status::default() }))
}

/// A change that the watch stream tells of.
#[derive(Clone)]
pub struct Change {
    /// The resourceVersion that it made.
    pub version: u64,
    /// When it was made.
    pub at: Duration,
    /// The resource.
    pub key: WatchKey,
    /// What it is now; none when it was deleted.
    pub watch: Option<Stored>,
}

/// A resource, and whether the operator can decode it.
#[derive(Clone)]
pub struct Stored {
    /// The resource.
    pub watch: ClusterBackupWatch,
    /// Whether it has something that the operator cannot decode.
    pub is_undecodable: bool,
}

impl Stored {
    /// As JSON.
    fn raw(&self) -> Value {
        let mut raw = serde_json::to_value(&self.watch).expect("it is JSON");
        if self.is_undecodable {
            raw["spec"]["clusterType"] = json!("Turbo");
        }
        raw
    }

    /// As the operator gets it.
    pub fn guarded(&self) -> Guarded {
        DeserializeGuard(if self.is_undecodable {
            let error = "unknown variant `Turbo`".to_owned();
            Err(InvalidObject { error, metadata: self.watch.metadata.clone() })
        } else {
            Ok(self.watch.clone())
        })
    }
}

/// What is stored.
#[derive(Default)]
pub struct Store {
    /// The newest resourceVersion.
    pub version: u64,
    /// The resources.
    pub watches: BTreeMap<WatchKey, Stored>,
    /// Every change of a resource.
    pub log: Vec<Change>,
    /// The Events by name, and when they were created.
    pub events: BTreeMap<String, (Duration, Event)>,
    /// The Secrets: the resourceVersion of each and its key.
    pub secrets: BTreeMap<WatchKey, (u64, String)>,
}

impl Store {
    /// Stores a resource, or deletes it.
    pub fn write(&mut self, key: &WatchKey, watch: Option<Stored>, at: Duration) {
        self.version += 1;
        let watch = watch.map(|mut stored| {
            stored.watch.metadata.resource_version = Some(self.version.to_string());
            stored
        });
        match &watch {
            Some(stored) => self.watches.insert(key.clone(), stored.clone()),
            None => self.watches.remove(key),
        };
        self.log.push(Change { version: self.version, at, key: key.clone(), watch });
    }

    /// Changes a resource that exists.
    pub fn edit(&mut self, key: &WatchKey, at: Duration, change: impl FnOnce(&mut Stored)) {
        let Some(mut stored) = self.watches.get(key).cloned() else { return };
        change(&mut stored);
        self.write(key, Some(stored), at);
    }

    /// All resources, as they were at a moment, and the resourceVersion of the list.
    pub fn list(&self, at: Duration) -> (u64, BTreeMap<WatchKey, Stored>) {
        let mut version = 0;
        let mut watches = BTreeMap::new();
        for change in self.log.iter().take_while(|change| change.at <= at) {
            version = change.version;
            match &change.watch {
                Some(stored) => watches.insert(change.key.clone(), stored.clone()),
                None => watches.remove(&change.key),
            };
        }
        (version, watches)
    }

    /// Writes a Secret.
    pub fn put_secret(&mut self, key: &WatchKey, access_key: &str) {
        self.version += 1;
        self.secrets.insert(key.clone(), (self.version, access_key.to_owned()));
    }

    /// Carries out a request that changes nothing.
    pub fn read(&self, request: &Request) -> Result<Reply, Error> {
        match request {
            Request::Get(key) => Ok(Reply::Watch(Box::new(self.watches.get(key).map(Stored::guarded)))),
            Request::GetRaw(key) => Ok(Reply::Raw(self.watches.get(key).map(Stored::raw))),
            Request::Secret(key) => {
                let (version, access_key) = self.secrets.get(key).ok_or_else(|| refusal(404))?;
                let mut secret = Secret::default();
                secret.metadata.name = key.split_once('/').map(|(_, name)| name.to_owned());
                secret.metadata.uid = Some(format!("uid of {key}"));
                secret.metadata.resource_version = Some(version.to_string());
                let value = |text: &str| ByteString(text.as_bytes().to_vec());
                secret.data = Some(BTreeMap::from([
                    ("accessKey".to_owned(), value(access_key)),
                    ("secretKey".to_owned(), value("secret")),
                ]));
                Ok(Reply::Secret(Box::new(secret)))
            }
            Request::Put(_) | Request::PutRaw(_) | Request::Post(_) => Err(refusal(405)),
        }
    }

    /// The resource whose status a request replaces, with that status in it; or why it cannot be replaced.
    pub fn replaced(&self, request: &Request) -> Result<(WatchKey, Stored), Error> {
        let wanted = match request {
            Request::Put(watch) => (**watch).clone(),
            Request::PutRaw(raw) => {
                let mut raw = raw.clone();
                raw["spec"]["clusterType"] = json!("Standard");
                serde_json::from_value(raw).map_err(|_| refusal(422))?
            }
            _ => return Err(refusal(405)),
        };
        let key = key(&wanted.namespace().unwrap_or_default(), &wanted.name_any());
        let stored = self.watches.get(&key).ok_or_else(|| refusal(404))?;
        if stored.watch.metadata.resource_version != wanted.metadata.resource_version
            || stored.watch.metadata.uid != wanted.metadata.uid
        {
            return Err(refusal(409));
        }
        let mut replaced = stored.clone();
        replaced.watch.status = wanted.status;
        Ok((key, replaced))
    }
}
