//! Requests to the simulated cloud, in three steps: a process sends one, it arrives at the cloud, and the answer
//! arrives at the process. The promises on load are checked on the first and the last.

use std::hash::BuildHasher;

use cce_backup_watch::cloud::client::News;
use cce_backup_watch::poll::{FetchId, Fetched, Request, driver::Done};

use super::{Event, History};
use crate::{
    cloud::{Reply, key_number},
    finding::Finding,
    promises::load::Sent,
    time,
};

impl History {
    pub(super) fn send(&mut self, process: u64, request: &Request) -> Result<(), Box<Finding>> {
        let sent = self.sent(process, request);
        let Sent { account, cluster, .. } = sent;
        self.trace
            .note(time::now(), format_args!("process {process} polls cluster {cluster} with {}", sent.key));
        let healthy = key_number(&sent.key).is_some_and(|key| self.healthy[account][key]);
        self.load.sent(&sent, self.script.rate, request.delay, healthy)?;
        let wait = self.latency();
        self.after(wait, Event::Asked { sent, id: request.id, known: request.known });
        Ok(())
    }

    /// What a request counts for.
    pub(super) fn sent(&self, process: u64, request: &Request) -> Sent {
        let cluster = usize::from_str_radix(&request.target.cluster_id.as_str()[..8], 16).unwrap_or_default();
        let account = self.script.clusters[cluster];
        let key = self.credentials.get(&request.credential.id.0).cloned().unwrap_or_default();
        Sent { process, region: self.script.accounts[account], account, cluster, key }
    }

    pub(super) fn asked(&mut self, sent: Sent, id: FetchId, known: Option<u64>) {
        let hasher = &self.hasher;
        // The operator compares the hash of a body only with that of its last answer, so any hasher will do that stays
        // the same for a history.
        let hash = |body: &[u8]| hasher.hash_one(body);
        let Reply { after, fetched } = self.cloud.answer(sent.cluster, &sent.key, known, hash);
        if fetched.is_ok() {
            let (watches, secrets) = (&self.script.watches, &self.script.secrets);
            for (watch, since) in watches.iter().zip(&mut self.blind_since) {
                if watch.cluster == sent.cluster && Some(secrets[watch.secret].1) == key_number(&sent.key) {
                    *since = None;
                }
            }
        }
        let wait = self.latency() + after;
        self.after(wait, Event::Fetched { sent, id, fetched: Box::new(fetched) });
    }

    pub(super) fn fetched(&mut self, sent: &Sent, id: FetchId, fetched: Fetched) -> Result<(), Box<Finding>> {
        let what = match &fetched {
            Ok(News::Unchanged) => "unchanged".to_owned(),
            Ok(News::Answer(answer, _)) => format!("{} tasks", answer.tasks.len()),
            Err(fault) => fault.kind.to_string(),
        };
        self.trace.note(
            time::now(),
            format_args!("process {} learns of cluster {}: {what}", sent.process, sent.cluster),
        );
        self.load.fetched(sent, &fetched);
        if let Some(process) = self.processes.get(&sent.process) {
            process.poller().done(Done::Fetched(id, fetched));
        }
        self.step(sent.process)
    }
}
