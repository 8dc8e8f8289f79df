//! The API server's answers as JSON: what is stored and which writes are refused is that of the histories; here are the pages
//! of a list, the lines of a watch, and single objects. How they get to the client is left to [`crate::http`].

use std::collections::{BTreeMap, HashMap, btree_map::Entry};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use cbw_histories::api_server::{Reply, Request, Store, already_exists};
use cce_backup_watch::poll::WatchKey;
use fastrand::Rng;
use hyper::Method;
use serde_json::{Value, json};

use crate::fault::{Fault, Window};
use crate::history::now;

/// The API server.
pub struct Api {
    pub store: Store,
    pub seed: u64,
    /// How many events of each name there were.
    pub counts: HashMap<String, u64>,
    /// The troubles of this moment.
    pub wrong: Vec<Window>,
    /// The version before which all is forgotten.
    pub compacted: u64,
    /// What was asked and answered, line by line.
    pub trace: Vec<String>,
    /// When each watch began.
    pub watches: Vec<Duration>,
    /// Wakes the watches.
    pub changed: tokio::sync::watch::Sender<()>,
}

impl Api {
    /// The luck of the next event of this name. It does not depend on what else happens in the same moment, whose order is
    /// the runtime's.
    pub fn luck(&mut self, of: &str) -> Rng {
        let count = self.counts.entry(of.to_owned()).or_default();
        *count += 1;
        let mut seed = DefaultHasher::new();
        (self.seed, of, *count).hash(&mut seed);
        Rng::with_seed(seed.finish())
    }

    /// A trouble of this moment that can strike here, if it does.
    pub fn strikes(&self, luck: &mut Rng, can: impl Fn(Fault) -> bool) -> Option<Fault> {
        let all: Vec<_> = self.wrong.iter().filter(|wrong| can(wrong.fault)).collect();
        let wrong = luck.choice(&all)?;
        (wrong.always || luck.bool()).then_some(wrong.fault)
    }

    pub fn note(&mut self, what: fmt::Arguments<'_>) {
        self.trace.push(format!("{:9.3} s  {what}", now().as_secs_f64()));
    }

    /// Changes what is stored, and wakes the watches.
    pub fn change(&mut self, change: impl FnOnce(&mut Store)) {
        change(&mut self.store);
        self.changed.send_replace(());
    }

    /// All resources as they were at a version.
    fn at(&self, version: u64) -> BTreeMap<&WatchKey, Value> {
        let mut all = BTreeMap::new();
        for change in self.store.log.iter().take_while(|change| change.version <= version) {
            match &change.watch {
                Some(stored) => all.insert(&change.key, json!(stored.watch)),
                None => all.remove(&change.key),
            };
        }
        all
    }

    /// A page of the list. `from` says of which version it is and which resource is the first.
    pub fn list(&self, limit: usize, from: Option<&str>) -> Result<Value, u16> {
        let (version, first) = from.and_then(|from| from.split_once('.')).unwrap_or_default();
        let version = version.parse().unwrap_or(self.store.version);
        let first = first.parse().unwrap_or(0);
        if version < self.compacted {
            return Err(410);
        }
        let all = self.at(version);
        let next = first + limit;
        let go_on = (next < all.len()).then(|| format!("{version}.{next}"));
        let items: Vec<_> = all.into_values().skip(first).take(limit).collect();
        Ok(json!({
            "apiVersion": "cce.backupwatch.io/v1alpha1", "kind": "ClusterBackupWatchList",
            "metadata": { "resourceVersion": version.to_string(), "continue": go_on }, "items": items,
        }))
    }

    /// The line of a watch for the first change after a version, and the version of that.
    pub fn line(&self, after: u64) -> Option<(u64, String)> {
        let n = self.store.log.iter().position(|change| change.version > after)?;
        let change = &self.store.log[n];
        let before = self.store.log[..n].iter().rev().find(|before| before.key == change.key);
        let before = before.and_then(|before| before.watch.as_ref());
        let (what, object) = match (&change.watch, before) {
            (Some(stored), None) => ("ADDED", json!(stored.watch)),
            (Some(stored), Some(_)) => ("MODIFIED", json!(stored.watch)),
            (None, before) => {
                let mut object = json!(before?.watch);
                object["metadata"]["resourceVersion"] = json!(change.version.to_string());
                ("DELETED", object)
            }
        };
        Some((change.version, format!("{}\n", json!({ "type": what, "object": object }))))
    }

    /// Carries out a request for one object.
    pub fn carry_out(&mut self, method: &Method, path: &[&str], body: &[u8]) -> (u16, Value) {
        let (namespace, name) = (path.get(1).unwrap_or(&""), path.get(3).unwrap_or(&""));
        let key: WatchKey = format!("{namespace}/{name}").into();
        let replied = match (method, path.get(2).copied().unwrap_or_default()) {
            (&Method::GET, "secrets") => self.store.read(&Request::Secret(key)),
            (&Method::GET, "clusterbackupwatches") => match self.store.watches.get(&key) {
                Some(stored) => return (200, json!(stored.watch)),
                None => return failure(404),
            },
            (&Method::PUT, "clusterbackupwatches") => {
                let Ok(watch) = serde_json::from_slice(body) else { return failure(400) };
                self.store.replaced(&Request::Put(Box::new(watch))).map(|(key, new)| {
                    self.change(|store| store.write(&key, Some(new), now()));
                    Reply::Written(Box::new(self.store.watches[&key].watch.clone()))
                })
            }
            (&Method::POST, "events") => {
                let Ok(event) = serde_json::from_slice::<k8s_openapi::api::events::v1::Event>(body) else {
                    return failure(400);
                };
                let name = event.metadata.name.clone().unwrap_or_default();
                match self.store.events.entry(name) {
                    Entry::Occupied(_) => Err(already_exists()),
                    Entry::Vacant(place) => {
                        place.insert((now(), event.clone()));
                        return (201, json!(event));
                    }
                }
            }
            _ => return failure(405),
        };
        match replied {
            Ok(Reply::Secret(secret)) => (200, json!(secret)),
            Ok(Reply::Written(watch)) => (200, json!(watch)),
            Ok(_) => (200, json!({})),
            Err(kube::Error::Api(status)) => (
                status.code,
                json!({ "kind": "Status", "code": status.code, "reason": status.reason, "message": "no" }),
            ),
            Err(_) => failure(500),
        }
    }
}

/// A refusal with this status.
pub fn failure(code: u16) -> (u16, Value) {
    (
        code,
        json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": "no" }),
    )
}
