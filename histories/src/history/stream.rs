//! The watch stream of each process: a list, which may be of an older moment and comes page by page, and then every
//! change in order, each a little later; nothing while streams are silent.

use std::time::Duration;

use kube::core::DeserializeGuard;
use kube::runtime::watcher;

use super::{Event, History};
use crate::{api_server::Stored, process::Listing, time};

impl History {
    /// Schedules a delivery for every stream, each after a lag of its own.
    pub(super) fn told_stream(&mut self) {
        let processes: Vec<_> = self.processes.keys().copied().collect();
        for process in processes {
            let lag = Duration::from_millis(self.rng.u64(1..50));
            self.after(lag, Event::Stream(process));
        }
    }

    /// Delivers to a process what its stream has not delivered yet.
    pub(super) fn stream(&mut self, id: u64) {
        let now = time::now();
        if self.wrong.down > 0 {
            // A list that was not whole begins anew.
            if let Some(process) = self.processes.get_mut(&id) {
                process.listing = None;
            }
            let wait = Duration::from_millis(self.rng.u64(1_000..11_000));
            self.after(wait, Event::Stream(id));
            return;
        }
        let Some(process) = self.processes.get_mut(&id) else { return };
        let Some(position) = process.position else {
            // A change is told by another event of the stream, and does not hasten the list.
            if process.listing.as_ref().is_none_or(|listing| now >= listing.due) {
                let wait = self.list(id);
                self.after(wait, Event::Stream(id));
            }
            return;
        };
        if self.wrong.silent > 0 {
            return;
        }
        for at in 0..self.store.log.len() {
            let change = &self.store.log[at];
            if change.version <= position {
                continue;
            }
            let (version, key) = (change.version, change.key.clone());
            let event = match &change.watch {
                Some(stored) => watcher::Event::Apply(stored.guarded()),
                None => watcher::Event::Delete(self.last(at)),
            };
            self.trace.note(now, format_args!("process {id} hears of {key} as of {version}"));
            let Some(process) = self.processes.get_mut(&id) else { return };
            for key in process.tell(event) {
                self.load.told(id, &key);
            }
            process.position = Some(version);
        }
    }

    /// Delivers the next page of a list, which has one resource; returns when the stream goes on.
    fn list(&mut self, id: u64) -> Duration {
        let now = time::now();
        let Some(process) = self.processes.get_mut(&id) else { return Duration::ZERO };
        let Some(listing) = &mut process.listing else {
            let moment = self.wrong.stale.take().unwrap_or(now);
            let (version, watches) = self.store.list(moment);
            self.trace.note(now, format_args!("process {id} lists {} as of {version}", watches.len()));
            // Some API servers are slow.
            let slowest = if self.rng.u8(..8) == 0 { 2_000 } else { 20 };
            let pace = self.rng.u64(1..slowest);
            // A list of an older moment is caught up by the stream after a while.
            let lag = if moment < now { self.rng.u64(100..5_000) } else { 1 };
            let pages = watches.into_values().collect();
            let (pace, lag) = (Duration::from_millis(pace), Duration::from_millis(lag));
            process.listing = Some(Listing { version, pages, pace, due: now + pace, lag });
            process.tell(watcher::Event::Init);
            return pace;
        };
        if let Some(stored) = listing.pages.pop_front() {
            let pace = listing.pace;
            listing.due = now + pace;
            process.tell(watcher::Event::InitApply(stored.guarded()));
            return pace;
        }
        let (version, lag) = (listing.version, listing.lag);
        process.listing = None;
        process.tell(watcher::Event::InitDone);
        process.position = Some(version);
        lag
    }

    /// The resource as it was before the change that deleted it, which is what a DELETED event carries.
    fn last(&self, at: usize) -> cce_backup_watch::api::Guarded {
        let key = &self.store.log[at].key;
        let before = self.store.log[..at].iter().rev().find(|change| change.key == *key);
        let stored: Option<&Stored> = before.and_then(|change| change.watch.as_ref());
        stored.map_or_else(|| DeserializeGuard(Err(unknown())), Stored::guarded)
    }
}

fn unknown() -> kube::core::error_boundary::InvalidObject {
    kube::core::error_boundary::InvalidObject {
        error: String::new(),
        metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta::default(),
    }
}
