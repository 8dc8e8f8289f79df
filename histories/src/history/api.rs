//! How the simulated API server carries out a request, and what of its reply reaches the process: all of it, an error,
//! or nothing before the time-out.

use std::time::Duration;

use kube::{Error, ResourceExt};

use super::{Event, History};
use crate::{
    api_server::{Call, Reply, Request, already_exists, no_answer, refusal},
    finding::Finding,
    script::Act,
    time,
};

/// How long the operator waits for an answer of the API server.
const TIMEOUT: Duration = Duration::from_secs(10);

impl History {
    pub(super) fn arrive(&mut self, call: Call, sent_at: Duration) -> Result<(), Box<Finding>> {
        let Call { process, request, reply } = call;
        let verb = request.verb();
        if let Some(key) = key_of(&request) {
            self.load.requested(process, &key)?;
        }
        let code = self.wrong.codes.iter().find(|(of, _)| *of == verb).map(|(_, code)| *code);
        let mut result = match code {
            _ if self.wrong.down > 0 => Err(no_answer()),
            Some(code) => Err(refusal(code)),
            None => self.carry_out(process, &request)?,
        };
        let mut wait = self.latency();
        let is_lost = self.wrong.loses.contains(&verb);
        let arrives = time::now() + wait;
        if self.wrong.down == 0 && (is_lost || arrives > sent_at + TIMEOUT) {
            result = Err(no_answer());
            wait = (sent_at + TIMEOUT).saturating_sub(time::now());
        }
        if let (Request::Post(event), Err(error)) = (&request, &result) {
            let lasts = matches!(error, Error::Api(status) if status.code < 500 && ![409, 429].contains(&status.code));
            self.told.not_created(event, lasts, self.wrong.down > 0);
        }
        self.trace.note(
            time::now(),
            format_args!(
                "process {process} asked the API server: {verb:?} {} {}",
                key_of(&request).unwrap_or_default(),
                if result.is_ok() { "done" } else { "failed" }
            ),
        );
        let deliver = Box::new(move || {
            // This fails if the process was killed and nobody awaits the reply.
            let _ = reply.send(result);
        });
        let is_read = verb == crate::script::Verb::Secret;
        self.after(wait, Event::Reply { process, is_read, deliver });
        Ok(())
    }

    fn carry_out(&mut self, process: u64, request: &Request) -> Result<Result<Reply, Error>, Box<Finding>> {
        let now = time::now();
        match request {
            Request::Post(event) => {
                let name = event.metadata.name.clone().unwrap_or_default();
                if self.store.events.contains_key(&name) {
                    return Ok(Err(already_exists()));
                }
                if let Some(key) = key_of(request)
                    && let Some(n) = watch_of(&key)
                {
                    let cluster = &self.cloud.clusters[self.script.watches[n].cluster];
                    let reason = event.reason.as_deref().unwrap_or_default();
                    let note = event.note.as_deref().unwrap_or_default();
                    self.trace.note(now, format_args!("{key} Event {reason}: {note}"));
                    self.told.created(&key, event, cluster)?;
                    // While two processes lead, one may write between what the other reads and what it tells; and what a
                    // killed one has sent may arrive after its successor has written.
                    let leads_alone = self.processes.contains_key(&process)
                        && !self.script.acts.iter().any(|(_, act)| matches!(act, Act::Second { .. }));
                    if leads_alone && let Some(stored) = self.store.watches.get(&key) {
                        self.told.phase_changed(&key, event, &stored.watch)?;
                    }
                }
                self.store.events.insert(name, (now, (**event).clone()));
                Ok(Ok(Reply::Done))
            }
            Request::Put(_) | Request::PutRaw(_) => {
                let (key, new) = match self.store.replaced(request) {
                    Ok(replaced) => replaced,
                    Err(error) => return Ok(Err(error)),
                };
                if let Some(n) = watch_of(&key) {
                    let old = &self.store.watches[&key];
                    let cluster = &self.cloud.clusters[self.script.watches[n].cluster];
                    let says = new.watch.status.as_ref().map(|status| {
                        let says = |c: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition| {
                            format!("{}={} {}", c.type_, c.status, c.reason)
                        };
                        let conditions: Vec<_> = status.conditions.iter().map(says).collect();
                        format!("{:?} {:?} {}", status.phase, status.progress, conditions.join(", "))
                    });
                    self.trace.note(now, format_args!("{key} status: {}", says.unwrap_or_default()));
                    self.told.written(&key, old, &new, cluster)?;
                }
                self.store.write(&key, Some(new), now);
                self.told_stream();
                let stored = self.store.watches[&key].watch.clone();
                Ok(Ok(Reply::Written(Box::new(stored))))
            }
            _ => Ok(self.store.read(request)),
        }
    }
}

/// The number of the watch in the script, from its key.
fn watch_of(key: &str) -> Option<usize> {
    key.split_once("/w").and_then(|(_, n)| n.parse().ok())
}

/// The key of the watch that a request is about; none for a Secret.
fn key_of(request: &Request) -> Option<cce_backup_watch::poll::WatchKey> {
    match request {
        Request::Get(key) | Request::GetRaw(key) => Some(key.clone()),
        Request::Put(watch) => {
            Some(format!("{}/{}", watch.namespace().unwrap_or_default(), watch.name_any()).into())
        }
        Request::PutRaw(raw) => {
            let text = |field: &str| raw["metadata"][field].as_str().unwrap_or_default();
            Some(format!("{}/{}", text("namespace"), text("name")).into())
        }
        Request::Post(event) => {
            let of = event.regarding.clone().unwrap_or_default();
            Some(format!("{}/{}", of.namespace.unwrap_or_default(), of.name.unwrap_or_default()).into())
        }
        Request::Secret(_) => None,
    }
}
