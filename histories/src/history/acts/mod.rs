//! The acts of the script: how each begins and ends. Those of the cloud, of users and of machines have a file each.

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

/// What is wrong with the API server and the processes for now.
#[derive(Default)]
pub struct Wrong {
    /// Whether the API server is away; how often, since troubles overlap.
    pub down: usize,
    /// Verbs that are answered with a code.
    pub codes: Vec<(Verb, u16)>,
    /// Verbs whose replies are lost.
    pub loses: Vec<Verb>,
    /// Seconds that a request takes.
    pub slow: Vec<u64>,
    /// Whether the streams are silent.
    pub silent: usize,
    /// How old the next list is.
    pub stale: Option<Duration>,
    /// When something of this last began or ended.
    pub disturbed: Duration,
    /// How many of these are under way.
    pub disturbing: usize,
    /// When each watch was last created, changed or suspended.
    pub created: HashMap<usize, Duration>,
}

impl Wrong {
    /// What a request takes besides the network's time.
    pub fn slowness(&self) -> Duration {
        Duration::from_secs(self.slow.iter().copied().max().unwrap_or_default())
    }

    /// Whether the operator may be kept from saying what it sees.
    pub fn is_disturbing(&self) -> bool {
        self.disturbing > 0
    }
}

/// Within what time a resource that cannot be decoded says so.
const UNDECODABLE: Duration = Duration::from_secs(40);

/// Whether a watch must say that it is blind when this lasts. A 429 may name any wait.
pub fn blinds(trouble: CloudTrouble) -> bool {
    !matches!(trouble, CloudTrouble::Throttle(_))
}

/// The accounts that nothing is ever wrong with, in a history in which nothing else is wrong either than other accounts.
pub fn healthy_accounts(script: &Script) -> Vec<bool> {
    let others = script.acts.iter().all(|(_, act)| match act {
        Act::Cloud { trouble, .. } => *trouble != CloudTrouble::Status(401),
        act => !act.is_trouble() || matches!(act, Act::Empty { .. }),
    });
    let is_healthy = |account: usize| {
        script.acts.iter().all(|(_, act)| match act {
            Act::Cloud { level: Level::Endpoint(region), .. } => script.accounts[account] != *region,
            Act::Cloud { level: Level::Account(troubled), .. } => account != *troubled,
            Act::Cloud { level: Level::Cluster(cluster), .. } => account != script.clusters[*cluster],
            _ => true,
        })
    };
    (0..script.accounts.len()).map(|account| others && script.rate.0 > 1.0 && is_healthy(account)).collect()
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

/// Takes one thing out of what is under way.
fn drop_one<T: PartialEq>(of: &mut Vec<T>, one: &T) {
    if let Some(at) = of.iter().position(|other| other == one) {
        of.remove(at);
    }
}

fn is_of_cloud(act: Act) -> bool {
    matches!(
        act,
        Act::Backup { .. } | Act::Empty { .. } | Act::Drop { .. } | Act::Unfinish { .. } | Act::Cloud { .. }
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
    act.is_trouble() && !matches!(act, Act::Cloud { .. } | Act::Empty { .. })
}
