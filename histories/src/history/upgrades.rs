//! Upgrades: the steps that they take, and the requests for the list of them.

use std::time::Duration;

use cce_backup_watch::cloud::{fault::Fault, upgrades::Workflow};
use cce_backup_watch::poll::{FetchId, Request, driver::Done};

use super::{Event, History};
use crate::{
    cloud::upgrades::changes,
    finding::Finding,
    promises::{load::Sent, upgrades::is_asked_seldom},
    script::Act,
    time,
};

/// The result of a request for the list.
pub type Listed = Result<Vec<Workflow>, Fault>;

impl History {
    /// An upgrade that begins; returns nothing, because its end is no end of trouble.
    pub(super) fn begin_upgrade(&mut self, cluster: usize, n: usize) {
        let uid = format!("upgrade-{}", self.script.acts[n].0.as_millis());
        if self.cloud.clusters[cluster].begin_upgrade(&uid) {
            self.upgrade_goes_on(cluster, n, 0);
        }
    }

    fn upgrade_goes_on(&mut self, cluster: usize, n: usize, change: usize) {
        let Act::Upgrade { step, .. } = self.script.acts[n].1 else { return };
        // Faster steps after the calm, as those of backups.
        let seconds = if time::now() > self.script.calm { 1 } else { step };
        self.after(Duration::from_secs(seconds), Event::UpgradeStep { cluster, act: n, change });
    }

    /// An upgrade takes its next step.
    pub(super) fn step_upgrade(&mut self, cluster: usize, n: usize, change: usize) {
        let Act::Upgrade { snapshot, end, .. } = self.script.acts[n].1 else { return };
        let changes = changes(snapshot, end);
        if let Some(next) = changes.get(change) {
            self.trace.note(time::now(), format_args!("upgrade of cluster {cluster}: {next:?}"));
            self.cloud.clusters[cluster].step_upgrade(*next, snapshot);
            self.upgrade_goes_on(cluster, n, change + 1);
        }
    }

    pub(super) fn send_list(&mut self, process: u64, request: &Request) -> Result<(), Box<Finding>> {
        let sent = self.sent(process, request);
        self.trace.note(
            time::now(),
            format_args!("process {process} asks for the upgrades of cluster {}", sent.cluster),
        );
        self.load.listed(&sent, self.script.rate)?;
        let cluster = &mut self.cloud.clusters[sent.cluster];
        let times = cluster.lists.entry(process).or_default();
        *times += 1;
        is_asked_seldom(&self.script, sent.cluster, cluster, process)?;
        let wait = self.latency();
        self.after(wait, Event::ListAsked { sent, id: request.id });
        Ok(())
    }

    pub(super) fn list_asked(&mut self, sent: Sent, id: FetchId) {
        let (after, listed) = self.cloud.list_upgrades(sent.cluster, &sent.key);
        self.cloud.clusters[sent.cluster].failed_lists += usize::from(listed.is_err());
        let wait = self.latency() + after;
        self.after(wait, Event::Listed { sent, id, listed: Box::new(listed) });
    }

    pub(super) fn listed(&mut self, sent: &Sent, id: FetchId, listed: Listed) -> Result<(), Box<Finding>> {
        let what = listed
            .as_ref()
            .map_or_else(|fault| fault.kind.to_string(), |all| format!("{} upgrades", all.len()));
        self.trace.note(
            time::now(),
            format_args!("process {} learns of cluster {}: {what}", sent.process, sent.cluster),
        );
        self.load.has_listed(sent);
        if let Some(process) = self.processes.get(&sent.process) {
            process.poller().done(Done::Listed(id, listed));
        }
        self.step(sent.process)
    }
}
