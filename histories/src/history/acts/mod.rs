//! The acts of the script: how each begins and ends. The acts of the cloud, of users and of machines have a file each;
//! here is what they share, and the bookkeeping of which troubles are active.

mod cloud;
mod machines;
mod users;

use std::collections::HashMap;
use std::time::Duration;

use cce_backup_watch::api::condition::{self, types};

use super::{Event, History};
use crate::{
    finding::{Finding, promise},
    script::{Act, CloudTrouble, Level, Script, Verb},
    time,
};

/// The active troubles of the API server and the processes.
#[derive(Default)]
pub struct Wrong {
    /// How many active acts take the API server away: a count, because acts overlap.
    pub down: usize,
    /// Verbs that are answered with a status code.
    pub codes: Vec<(Verb, u16)>,
    /// Verbs whose replies are lost.
    pub loses: Vec<Verb>,
    /// Seconds that each request takes, one entry for each active act; the longest counts.
    pub slow: Vec<(Option<Verb>, u64)>,
    /// How many active acts silence the watch streams.
    pub silent: usize,
    /// The time in the past whose state the next list returns.
    pub stale: Option<Duration>,
    /// When an act that disturbs last began or ended.
    pub disturbed: Duration,
    /// How many acts that disturb are active: those that may keep the operator from saying what it sees.
    pub disturbing: usize,
    /// When each watch was last created, changed or suspended.
    pub created: HashMap<usize, Duration>,
}

impl Wrong {
    /// The delay of a request in addition to the network latency.
    pub fn slowness(&self, verb: Verb) -> Duration {
        let of = self.slow.iter().filter(|(of, _)| of.is_none_or(|of| of == verb));
        Duration::from_secs(of.map(|(_, seconds)| *seconds).max().unwrap_or_default())
    }

    /// Whether the operator may be kept from saying what it sees.
    pub fn is_disturbing(&self) -> bool {
        self.disturbing > 0
    }
}

/// How soon the status of a resource that cannot be decoded must say so.
const UNDECODABLE: Duration = Duration::from_secs(40);

/// For each account and key, whether it must be polled on time and may show no fault: nothing is ever wrong with it, and the
/// only trouble of the history is that of others. A 401 counts against all, because they may share the key.
pub fn healthy_accounts(script: &Script) -> Vec<Vec<bool>> {
    (0..script.accounts.len()).map(|account| healthy_keys(script, account, None)).collect()
}

/// For each cluster and key, whether nothing is ever wrong with it that is not another cluster's own.
pub fn healthy_clusters(script: &Script) -> Vec<Vec<bool>> {
    let accounts = script.clusters.iter().enumerate();
    accounts.map(|(cluster, account)| healthy_keys(script, *account, Some(cluster))).collect()
}

/// Whether a trouble of a cluster is its own: an HTTP status that is neither of the key nor of the account.
fn is_own(trouble: CloudTrouble) -> bool {
    match trouble {
        CloudTrouble::Status(code) | CloudTrouble::StatusAfter(code, _) => code != 429,
        CloudTrouble::Busy | CloudTrouble::Garbage => true,
        _ => false,
    }
}

fn healthy_keys(script: &Script, account: usize, only: Option<usize>) -> Vec<bool> {
    let others = script.acts.iter().all(|(_, act)| match act {
        Act::Cloud { trouble, .. } => {
            !matches!(trouble, CloudTrouble::Status(401) | CloudTrouble::StatusAfter(401, _))
        }
        // No fault of the list of upgrades may show in a poll.
        act => !act.is_trouble() || matches!(act, Act::Empty { .. } | Act::Upgrades { .. }),
    });
    let is_healthy = |key: usize| {
        script.acts.iter().all(|(_, act)| match act {
            Act::Cloud { level: Level::Endpoint(region), .. } => script.accounts[account] != *region,
            Act::Cloud { level: Level::Account(troubled), .. } => account != *troubled,
            Act::Cloud { level: Level::Cluster(cluster), trouble, .. } => {
                let is_others = only.is_some_and(|only| only != *cluster) && is_own(*trouble);
                is_others || account != script.clusters[*cluster]
            }
            Act::Cloud { level: Level::Key(troubled, of), .. } => (account, key) != (*troubled, *of),
            _ => true,
        })
    };
    // With the shortest activeInterval of all, two seconds, this many watches stay below the account's own rate.
    let has_room = script.rate.0 > 1.0 && script.watches.len() < 10;
    (0..script.secrets.len()).map(|key| others && has_room && is_healthy(key)).collect()
}

impl History {
    pub(in crate::history) fn begin(&mut self, n: usize) {
        let (now, act) = (time::now(), self.script.acts[n].1);
        self.trace.note(now, format_args!("begins: {act:?}"));
        let lasts = match act {
            act if is_of_cloud(act) => self.begin_in_cloud(n, act),
            act if is_of_user(act) => self.begin_by_user(n, act),
            act => self.begin_on_machine(act),
        };
        if let Some(seconds) = lasts {
            self.wrong.disturbing += usize::from(disturbs(act));
            self.at((now + Duration::from_secs(seconds)).min(self.script.calm), Event::End(n));
        }
        if disturbs(act) {
            self.wrong.disturbed = now;
        }
    }

    pub(in crate::history) fn end(&mut self, n: usize) -> Result<(), Box<Finding>> {
        let (now, act) = (time::now(), self.script.acts[n].1);
        self.trace.note(now, format_args!("ends: {act:?}"));
        if let Act::Undecodable { watch, .. } = act
            && self.wrong.disturbing == 1
            && now >= self.wrong.disturbed + UNDECODABLE
        {
            let stored = self.store.watches.get(&self.key(watch));
            let status = stored.and_then(|stored| stored.watch.status.as_ref());
            let ready = status.and_then(|status| condition::find(&status.conditions, types::READY));
            promise(
                stored.is_none_or(|stored| !stored.is_undecodable)
                    || ready.is_some_and(|ready| ready.reason == "InvalidResource"),
                "a resource that cannot be decoded says so",
                || format!("{}: {ready:?}", self.key(watch)),
            )?;
        }
        if disturbs(act) {
            self.wrong.disturbing -= 1;
            self.wrong.disturbed = now;
        }
        match act {
            act if is_of_cloud(act) => self.end_in_cloud(act),
            act if is_of_user(act) => self.end_by_user(act),
            act => self.end_on_machine(act),
        }
        Ok(())
    }
}

/// Removes one entry that equals `one`: overlapping acts may have added more of them.
fn drop_one<T: PartialEq>(of: &mut Vec<T>, one: &T) {
    if let Some(at) = of.iter().position(|other| other == one) {
        of.remove(at);
    }
}

fn is_of_cloud(act: Act) -> bool {
    matches!(
        act,
        Act::Backup { .. }
            | Act::Empty { .. }
            | Act::Drop { .. }
            | Act::Unfinish { .. }
            | Act::Cloud { .. }
            | Act::Upgrade { .. }
            | Act::Upgrades { .. }
    )
}

fn is_of_user(act: Act) -> bool {
    matches!(
        act,
        Act::Rotate { .. }
            | Act::NoSecret { .. }
            | Act::Recreate { .. }
            | Act::Edit { .. }
            | Act::Suspend { .. }
            | Act::Request { .. }
            | Act::Restore { .. }
            | Act::Undecodable { .. }
    )
}

/// Whether an act may keep the operator from saying what it sees.
fn disturbs(act: Act) -> bool {
    act.is_trouble() && !matches!(act, Act::Cloud { .. } | Act::Empty { .. } | Act::Upgrades { .. })
}
