//! The simulated API server, in memory, with the rules that matter to the operator. Every write gets a resourceVersion;
//! a status write that was planned from an older one is a conflict; an Event name can be created once. The log holds
//! every change in order, and `history` serves the watch streams from it and decides when a request is answered.

mod access;

use std::collections::BTreeMap;
use std::time::Duration;

use cce_backup_watch::api::{ClusterBackupWatch, Guarded};
use cce_backup_watch::poll::WatchKey;
use k8s_openapi::{
    ByteString,
    api::{core::v1::Secret, events::v1::Event},
};
use kube::{
    Error, ResourceExt,
    core::{DeserializeGuard, error_boundary::InvalidObject},
};
use serde_json::{Value, json};

use access::key;
pub use access::{Access, Call, Reply, Request, already_exists, no_answer, refusal};

/// A change of a resource, which watch streams report.
#[derive(Clone)]
pub struct Change {
    /// The resourceVersion that the change created.
    pub version: u64,
    /// When the change was made, since the beginning of the history.
    pub at: Duration,
    /// The resource that changed.
    pub key: WatchKey,
    /// The resource after the change; `None` if it was deleted.
    pub watch: Option<Stored>,
}

/// A resource, and whether the operator can decode it.
#[derive(Clone)]
pub struct Stored {
    /// The resource.
    pub watch: ClusterBackupWatch,
    /// Whether its spec has a value that the operator cannot decode.
    pub is_undecodable: bool,
}

impl Stored {
    /// The resource as JSON.
    fn raw(&self) -> Value {
        let mut raw = serde_json::to_value(&self.watch).expect("it is JSON");
        if self.is_undecodable {
            raw["spec"]["clusterType"] = json!("Turbo");
        }
        raw
    }

    /// The resource as the operator receives it: decoded, or the error and the metadata.
    pub fn guarded(&self) -> Guarded {
        DeserializeGuard(if self.is_undecodable {
            let error = "unknown variant `Turbo`".to_owned();
            Err(InvalidObject { error, metadata: self.watch.metadata.clone() })
        } else {
            Ok(self.watch.clone())
        })
    }
}

/// Everything that the API server stores.
#[derive(Default)]
pub struct Store {
    /// The newest resourceVersion.
    pub version: u64,
    /// The resources.
    pub watches: BTreeMap<WatchKey, Stored>,
    /// Every change of a resource, oldest first.
    pub log: Vec<Change>,
    /// The Events by name, and when they were created.
    pub events: BTreeMap<String, (Duration, Event)>,
    /// The Secrets: the resourceVersion of each and the access key in it.
    pub secrets: BTreeMap<WatchKey, (u64, String)>,
}

impl Store {
    /// Stores a resource, or deletes it if `watch` is `None`.
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

    /// Changes a resource; does nothing if it does not exist.
    pub fn edit(&mut self, key: &WatchKey, at: Duration, change: impl FnOnce(&mut Stored)) {
        let Some(mut stored) = self.watches.get(key).cloned() else { return };
        change(&mut stored);
        self.write(key, Some(stored), at);
    }

    /// All resources as they were at a given time, and the resourceVersion of that list.
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

    /// Carries out a read; refuses a write with 405.
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

    /// The stored resource with the status that the request puts into it, or the error that refuses the request. Stores
    /// nothing, so that the promises can be checked before the write.
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
